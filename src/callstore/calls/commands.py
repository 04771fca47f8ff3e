"""The commands that change a call, as data. What each may do and does: `lifecycle`."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from callstore.calls.model import CallSettings, CallType, DeviceInfo, EndWhen, Label, Party
from callstore.ids import Id
from callstore.validation import Invites, Json, Time

Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Most = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class Command(Struct, frozen=True, kw_only=True):
    pass


class Start(Command, frozen=True, kw_only=True):
    conversation_id: Id
    initiator: Party
    invite: Invites
    type: CallType
    settings: CallSettings | None
    max_participants: Annotated[int, Meta(ge=2, le=10_000)]
    sfu: bool
    end_when: EndWhen | None
    ring_seconds: Annotated[int, Meta(ge=5, le=3600)]
    call_id: Id | None


class OnCall(Command, frozen=True, kw_only=True):
    """A command on one call."""

    call_id: Id

    @property
    def wanted_segments(self) -> Sequence[tuple[Party | str, str]]:
        """The captions that it is decided on: (who spoke or their participant's id, segment id)."""
        return ()

    @property
    def wants_recordings(self) -> bool:
        return self.wants_everyone

    @property
    def wants_everyone(self) -> bool:
        """Whether it is decided on all rows of the call."""
        return self.looks_at_holds

    @property
    def wants_pulses(self) -> bool:
        """Whether it is decided on what a pulse says beside a stint that has just begun."""
        return False

    @property
    def counted_in(self) -> Id | None:
        """A row that commands of other calls write, too."""
        return None

    @property
    def looks_at_holds(self) -> bool:
        """Whether it deletes what a hold on the call, or on anyone in it, keeps."""
        return False


class Ring(OnCall, frozen=True, kw_only=True):
    pass


class Expire(OnCall, frozen=True, kw_only=True):
    """What deadlines, lost parties and seats ask for, as of `at` (None: when it is decided)."""

    at: Time | None = None

    @property
    def wants_pulses(self) -> bool:
        return True


class Recount(OnCall, frozen=True, kw_only=True):
    """A doctor's: makes the counts what the rows say."""

    @property
    def wants_everyone(self) -> bool:
        return True


class Cancel(OnCall, frozen=True, kw_only=True):
    by: Party


class End(OnCall, frozen=True, kw_only=True):
    by: Party | None
    reason: Literal["normal", "forced", "error"]


class SetRouter(OnCall, frozen=True, kw_only=True):
    router_id: Label | None | UnsetType = UNSET
    rtp_capabilities: Json | UnsetType = UNSET


class ByParty(OnCall, frozen=True, kw_only=True):
    """A command of one party on one call. It counts as a sign of life."""

    party: Party


class Join(ByParty, frozen=True, kw_only=True):
    answer: bool
    device: DeviceInfo | None
    audio: bool
    video: bool | None
    screen: bool


class Connected(ByParty, frozen=True, kw_only=True):
    pass


class Leave(ByParty, frozen=True, kw_only=True):
    pass


class Failed(ByParty, frozen=True, kw_only=True):
    pass


class Decline(ByParty, frozen=True, kw_only=True):
    pass


class Heartbeat(ByParty, frozen=True, kw_only=True):
    pass


class SetMedia(ByParty, frozen=True, kw_only=True):
    audio: bool | UnsetType = UNSET
    video: bool | UnsetType = UNSET
    screen: bool | UnsetType = UNSET


class SetTransports(ByParty, frozen=True, kw_only=True):
    send_transport_id: Label | None | UnsetType = UNSET
    recv_transport_id: Label | None | UnsetType = UNSET
    audio_producer_id: Label | None | UnsetType = UNSET
    video_producer_id: Label | None | UnsetType = UNSET
