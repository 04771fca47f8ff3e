"""What is kept of a call. One Struct is one row; `msgspec.json.encode` gives the camelCase JSON.

Times are aware UTC datetimes in whole milliseconds. Ranges and enumerations stand here once: the
tables' CHECKs and validators are derived from these annotations.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import force_setattr

from callstore.ids import Id

Mode = Literal["p2p", "sfu"]
Status = Literal["initiated", "ringing", "active", "ended", "failed"]
LIVE_STATUSES: tuple[Status, ...] = ("initiated", "ringing", "active")
CallType = Literal["video", "audio"]
EndReason = Literal["normal", "timeout", "error", "forced", "declined", "cancelled", "lost"]
EndWhen = Literal["alone", "empty"]
Outcome = Literal["ongoing", "answered", "missed", "declined", "cancelled", "failed"]
PartyKind = Literal["user", "guest"]
Role = Literal["initiator", "participant"]
ParticipantStatus = Literal["connecting", "connected", "disconnected", "failed"]
StintReason = Literal["left", "failed", "lost", "declined", "ended"]
Direction = Literal["outgoing", "incoming"]
Response = Literal["ringing", "accepted", "declined", "missed", "cancelled"]
EventType = Literal[
    "call.started",
    "call.ringing",
    "call.answered",
    "call.ended",
    "ring.expired",
    "participant.joined",
    "participant.answered",
    "participant.connected",
    "participant.left",
    "participant.failed",
    "participant.lost",
    "participant.declined",
    "media.changed",
    "mode.switched",
    "recording.started",
    "recording.stopped",
    "recording.available",
    "recording.failed",
    "recording.deleted",
    "privacy.erased",
    "hold.placed",
    "hold.released",
    "call.adopted",
]

Label = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""A short string of the host's: a media id, a device field, a reason."""
MOST = 2**63 - 1  # what a counter can hold
Count = Annotated[int, Meta(ge=0, le=MOST)]


class Row(Struct, frozen=True, kw_only=True, rename="camel"):
    """What every Struct of the model is: frozen, by keyword, camelCase outside."""


class User(Struct, frozen=True, tag="user", tag_field="party"):
    """A registered user of the host."""

    id: str

    @property
    def ref(self) -> str:
        return f"u:{self.id}"

    @property
    def kind(self) -> PartyKind:
        return "user"


class Guest(Struct, frozen=True, tag="guest", tag_field="party"):
    """A guest: the host's AnonymousParticipant."""

    id: str

    @property
    def ref(self) -> str:
        return f"g:{self.id}"

    @property
    def kind(self) -> PartyKind:
        return "guest"


Party = User | Guest


def party_of(user_id: str | None, guest_id: str | None) -> Party | None:
    """The party of two nullable columns; None where it was erased."""
    if user_id is not None:
        return User(user_id)
    return Guest(guest_id) if guest_id is not None else None


def party_from_ref(ref: str) -> Party:
    return User(ref[2:]) if ref.startswith("u:") else Guest(ref[2:])


class CallSettings(Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    recording_enabled: bool | None = None
    transcription_enabled: bool | None = None


class DeviceInfo(Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Families only, by design: no versions, no addresses, no user-agent strings."""

    browser: Label | None = None
    os: Label | None = None
    device_type: Label | None = None


class QualityMetrics(Row, frozen=True, kw_only=True):
    packet_loss: float | None  # % of packets
    jitter: float | None  # ms
    rtt: float | None  # ms
    bitrate: float | None  # bit/s received


class Stint(Row, frozen=True, kw_only=True):
    """One stay of a participant, from a join to however it ended."""

    joined_at: datetime
    left_at: datetime | None = None
    reason: StintReason | None = None


class Participant(Row, frozen=True, kw_only=True):
    """A party in a call: one row, however often they rejoin. The last stint is the current one."""

    id: Id
    conversation_id: Id
    call_session_id: Id
    user_id: Id | None = None
    anonymous_user_id: Id | None = None
    role: Role
    status: ParticipantStatus
    joined_at: datetime  # the first join
    left_at: datetime | None = None  # the last leave; null while live
    answered_at: datetime | None = None
    connected_at: datetime | None = None  # of the current stint
    last_seen_at: datetime | None = None  # last sign of life, filled when a stint closes
    stints: list[Stint]
    audio_enabled: bool
    video_enabled: bool
    screen_share_enabled: bool = False
    send_transport_id: Label | None = None
    recv_transport_id: Label | None = None
    audio_producer_id: Label | None = None
    video_producer_id: Label | None = None
    quality_metrics: QualityMetrics | None = None
    device_info: DeviceInfo | None = None
    updated_at: datetime
    anonymized_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def party(self) -> Party | None:
        return party_of(self.user_id, self.anonymous_user_id)

    @property
    def live(self) -> bool:
        return self.left_at is None

    @property
    def seated(self) -> bool:
        return self.left_at is None and self.answered_at is not None


def in_order_of_joining(rows: Iterable[Participant]) -> list[Participant]:
    """By the first join; of those who came at once by id."""
    return sorted(rows, key=lambda row: (row.joined_at, row.id))


class Call(Row, frozen=True, kw_only=True):
    """A CallSession. `participants` is filled where a docstring says so, else None."""

    id: Id
    conversation_id: Id
    mode: Mode
    status: Status
    type: CallType
    initiator_id: Id
    initiator_kind: PartyKind
    router_id: Label | None = None
    rtp_capabilities: Any = None
    settings: CallSettings | None = None
    created_at: datetime
    started_at: datetime | None = None  # the first answer by another than the initiator
    ended_at: datetime | None = None
    duration: Count | None = None  # whole seconds, started_at to ended_at; 0 if unanswered
    end_reason: EndReason | None = None
    ended_by: Id | None = None
    ended_by_kind: PartyKind | None = None
    updated_at: datetime
    version: Annotated[int, Meta(ge=1, le=2**63 - 1)]  # +1 per effective command
    event_count: Count = 0  # the seq of the last event
    last_event_at: datetime
    live: bool
    live_count: Count = 0  # seated now
    joined_count: Count = 0  # parties ever seated
    peak_participants: Count = 0
    max_participants: Annotated[int, Meta(ge=2, le=10_000)]
    sfu_allowed: bool
    few_since: datetime | None = None  # since when at most 2 are seated; null once ended
    mode_switch_count: Count = 0
    mode_changed_at: datetime | None = None
    ring_deadline: datetime | None = None
    end_when: EndWhen
    holds: list[Id] = []
    erased_count: Count = 0
    expires_at: datetime | None = None
    horizons: Annotated[str, Meta(max_length=100)] | None = None  # its rows are stamped by these
    outcome: Outcome | UnsetType = UNSET  # derived, never stored
    participants: list[Participant] | None = None
    names: dict[str, Any] | None = None  # what the host's `describe` says of those in it

    def __post_init__(self) -> None:
        force_setattr(self, "outcome", outcome_of(self.live, self.started_at, self.end_reason))

    @property
    def initiator(self) -> Party:
        return party_of_kind(self.initiator_id, self.initiator_kind)

    @property
    def ended_by_party(self) -> Party | None:
        """Who ended it; None while it goes on, and where that was the host or callstore."""
        if self.ended_by is None or self.ended_by_kind is None:
            return None
        return party_of_kind(self.ended_by, self.ended_by_kind)


class LogEntry(Row, frozen=True, kw_only=True):
    """A call in one party's own log, also of those who never joined."""

    id: Id
    conversation_id: Id
    call_session_id: Id
    party: Annotated[str, Meta(pattern="^[ug]:[0-9a-f]{24}$")] | None = None
    user_id: Id | None = None
    anonymous_user_id: Id | None = None
    direction: Direction
    response: Response
    type: CallType
    created_at: datetime  # this and the next three are the call's
    started_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    responded_at: datetime | None = None  # the party's own answer or decline
    talk_seconds: Count | None = None
    seen_at: datetime | None = None
    hidden_at: datetime | None = None
    anonymized_at: datetime | None = None
    expires_at: datetime | None = None
    outcome: Outcome | UnsetType = UNSET  # of the call; derived, never stored

    def __post_init__(self) -> None:
        live = self.ended_at is None
        force_setattr(self, "outcome", outcome_of(live, self.started_at, self.end_reason))

    @property
    def unseen(self) -> bool:
        """A missed call that the party has neither seen nor hidden."""
        missed = self.direction == "incoming" and self.response == "missed"
        return missed and self.seen_at is None and self.hidden_at is None


class Event(Row, frozen=True, kw_only=True):
    """A fact about a call. Append-only; `seq` is 1, 2, 3 … without gaps in a call."""

    id: Id
    conversation_id: Id
    call_session_id: Id
    seq: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    type: EventType
    at: datetime
    participant_id: Id | None
    user_id: Id | None  # whom it is about
    anonymous_user_id: Id | None
    actor: Annotated[str, Meta(pattern="^[ug]:[0-9a-f]{24}$")] | None  # None: host or callstore
    data: dict[str, Any] | None  # never a party's id
    expires_at: datetime | None

    @property
    def party(self) -> Party | None:
        return party_of(self.user_id, self.anonymous_user_id)

    @property
    def actor_party(self) -> Party | None:
        """Who did it; None where that was the host or callstore."""
        return None if self.actor is None else party_from_ref(self.actor)


class Pulse(Row, frozen=True, kw_only=True):
    """The last sign of life of a participant, apart from the row that commands fight over."""

    id: Id  # the participant's
    conversation_id: Id
    call_session_id: Id
    participant_id: Id
    seen_at: datetime
    detector: Any = None  # the small state of the live issues
    expires_at: datetime | None = None


class Joined(Row, frozen=True, kw_only=True):
    """What a join gives. `mode_switch`: None, or (from, to)."""

    call: Call
    participant: Participant
    mode_switch: tuple[Mode, Mode] | None


def party_of_kind(id: str, kind: PartyKind) -> Party:
    return User(id) if kind == "user" else Guest(id)


OUTCOMES_BY_REASON: dict[EndReason, Outcome] = {
    "timeout": "missed",
    "declined": "declined",
    "error": "failed",
    "lost": "failed",
    "cancelled": "cancelled",
    "forced": "cancelled",
    "normal": "cancelled",
}
"""What became of a call that nobody answered, by each end reason."""


def outcome_of(live: bool, started_at: datetime | None, end_reason: EndReason | None) -> Outcome:
    """What became of a call. Derived, so that it can never disagree with the row."""
    if live:
        return "ongoing"
    if started_at is not None:
        return "answered"
    return OUTCOMES_BY_REASON[end_reason or "normal"]


replace = msgspec.structs.replace
