"""What is done to recordings, as data."""

from callstore.calls.commands import ByParty, OnCall
from callstore.calls.model import Count, Label
from callstore.ids import Id
from callstore.recordings.model import Definition, Format, Path, Sha256


class StartRecording(ByParty, frozen=True, kw_only=True):
    format: Format
    quality: Definition

    @property
    def wants_recordings(self) -> bool:
        return True


class OnRecording(OnCall, frozen=True, kw_only=True):
    """A command on one recording; which call's it is never changes."""

    recording_id: Id

    @property
    def wants_recordings(self) -> bool:
        return True


class StopRecording(OnRecording, frozen=True, kw_only=True):
    pass


class FailRecording(OnRecording, frozen=True, kw_only=True):
    reason: Label


class BeginUpload(OnRecording, frozen=True, kw_only=True):
    """From now on there may be a file at `path`."""

    path: Path


class FinishUpload(OnRecording, frozen=True, kw_only=True):
    """The file at `path` is there, whole and durable."""

    path: Path
    size: Count
    sha256: Sha256
    content_type: Label


class AbortUpload(OnRecording, frozen=True, kw_only=True):
    """What is at `path` will be removed; the upload can be finished no more."""

    path: Path


class BeginDelete(OnRecording, frozen=True, kw_only=True):
    """From now on the file may be gone. Whoever is in the call may be under a hold."""

    @property
    def looks_at_holds(self) -> bool:
        return True


class FinishDelete(OnRecording, frozen=True, kw_only=True):
    """Nothing is at `path` any more."""

    path: Path
