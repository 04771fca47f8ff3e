"""What is kept of a recording; its file lies in object storage."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from callstore.calls.model import Count, Label, Party, PartyKind, Row, party_of_kind
from callstore.ids import Id

Format = Literal["webm", "mp4", "mkv", "ogg", "wav"]
Definition = Literal["sd", "hd", "fullhd"]
RecordingStatus = Literal["recording", "processing", "available", "failed", "deleted"]
CONTENT_TYPES: dict[Format, str] = {
    "webm": "video/webm",
    "mp4": "video/mp4",
    "mkv": "video/matroska",  # RFC 9559
    "ogg": "application/ogg",
    "wav": "audio/vnd.wave",  # RFC 2361
}
Underway = Literal["upload", "delete"]
Path = Annotated[str, Meta(max_length=1024)]
Sha256 = Annotated[str, Meta(max_length=64, pattern="^[0-9a-f]{64}$")]


class Recording(Row, frozen=True, kw_only=True):
    """A CallRecording row. `file_url` is '' in it: links are made on demand, and short-lived.

    `underway` is what is being done to its file, or was cut off; a sweep finishes that.
    """

    id: Id
    conversation_id: Id
    call_session_id: Id
    file_url: Annotated[str, Meta(max_length=2048)] = ""
    file_path: Path = ""  # in object storage; '': nothing is there
    file_size: Count = 0  # bytes
    duration: Count = 0  # seconds
    format: Format = "webm"
    status: RecordingStatus = "recording"
    quality: Definition = "hd"
    started_at: datetime
    stopped_at: datetime | None = None
    requested_by: Id
    requested_by_kind: PartyKind
    deleted_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    sha256: Sha256 | None = None
    content_type: Label | None = None
    underway: Underway | None = None
    expires_at: datetime | None = None

    @property
    def requester(self) -> Party:
        """Who asked for it."""
        return party_of_kind(self.requested_by, self.requested_by_kind)

    @property
    def keeps_call(self) -> bool:
        """Whether it has a file, may get one, or something of one is left: its call stays."""
        waits = self.status in ("recording", "processing", "available")
        return waits or self.underway is not None


def in_order_of_beginning(rows: Iterable[Recording]) -> list[Recording]:
    return sorted(rows, key=lambda row: (row.started_at, row.id))
