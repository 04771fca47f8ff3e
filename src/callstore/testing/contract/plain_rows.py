"""What the plain model keeps: rows that are changed in place."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from callstore.calls.model import Party
from callstore.errors import InvalidTransition

Switch = tuple[str, str]


@dataclass
class Stint:
    joined_at: datetime
    left_at: datetime | None = None
    reason: str | None = None


@dataclass
class Participant:
    party: Party
    role: str
    joined_at: datetime
    status: str = "connecting"
    left_at: datetime | None = None
    answered_at: datetime | None = None
    connected_at: datetime | None = None
    stints: list[Stint] = field(default_factory=list)
    audio_enabled: bool = True
    video_enabled: bool = True
    screen_share_enabled: bool = False
    send_transport_id: str | None = None
    recv_transport_id: str | None = None
    audio_producer_id: str | None = None
    video_producer_id: str | None = None
    expires_at: datetime | None = None

    @property
    def live(self) -> bool:
        return self.left_at is None

    @property
    def seated(self) -> bool:
        return self.live and self.answered_at is not None


@dataclass
class LogEntry:
    direction: str
    type: str
    created_at: datetime
    response: str = "ringing"
    responded_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None
    talk_seconds: int | None = None
    expires_at: datetime | None = None


@dataclass
class Recording:
    requested_by: str
    requested_by_kind: str
    started_at: datetime
    status: str = "recording"
    stopped_at: datetime | None = None
    duration: int = 0


@dataclass
class Event:
    seq: int
    type: str
    at: datetime
    party: Party | None  # None where it is about the call
    data: dict[str, Any] | None  # None where the document does not say what is in it


@dataclass
class Replayed:
    """What `state_at` gives of a call from `at` on."""

    at: datetime
    status: str
    mode: str
    peak: int
    recording: bool
    participants: dict[Party, Participant]


@dataclass
class Call:
    id: str
    conversation_id: str
    initiator: Party
    type: str
    created_at: datetime
    max_participants: int
    sfu_allowed: bool
    end_when: str
    ring_deadline: datetime | None
    last_event_at: datetime
    updated_at: datetime
    mode: str = "p2p"
    status: str = "initiated"
    router_id: str | None = None
    rtp_capabilities: Any = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration: int | None = None
    end_reason: str | None = None
    ended_by: str | None = None
    ended_by_kind: str | None = None
    version: int = 0
    event_count: int = 0
    live: bool = True
    live_count: int = 0
    joined_count: int = 0
    peak_participants: int = 0
    few_since: datetime | None = None
    mode_switch_count: int = 0
    mode_changed_at: datetime | None = None
    expires_at: datetime | None = None
    rows: dict[Party, Participant] = field(default_factory=dict)
    log: dict[Party, LogEntry] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    pulses: dict[Party, datetime] = field(default_factory=dict)
    past: list[Replayed] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)

    @property
    def initiator_id(self) -> str:
        return self.initiator.id

    @property
    def initiator_kind(self) -> str:
        return self.initiator.kind

    @property
    def outcome(self) -> str:
        if self.live:
            return "ongoing"
        if self.started_at is not None:
            return "answered"
        names = {"timeout": "missed", "declined": "declined", "cancelled": "cancelled"}
        names |= {"forced": "cancelled", "error": "failed", "lost": "failed"}
        return names[str(self.end_reason)]

    def time(self, now: datetime) -> datetime:
        return max(cut(now), self.last_event_at)

    def running(self) -> Recording | None:
        return next((one for one in self.recordings if one.status == "recording"), None)

    def live_rows(self) -> list[Participant]:
        return [row for row in self.rows.values() if row.live]

    def live_row(self, party: Party) -> Participant:
        row = self.rows.get(party)
        if row is None or not row.live:
            raise InvalidTransition("not live in the call")
        return row

    def invites(self, party: Party) -> bool:
        return party in self.log and self.log[party].direction == "incoming"

    def has_answered(self, party: Party) -> bool:
        return party in self.rows and self.rows[party].answered_at is not None

    def last_sign(self, row: Participant) -> datetime:
        joined = row.stints[-1].joined_at
        return max(joined, self.pulses.get(row.party, joined))


@dataclass
class Joined:
    call: Call
    participant: Participant
    mode_switch: Switch | None


@dataclass
class Swept:
    timed_out: int = 0  # calls
    lost: int = 0  # participants
    switched: int = 0  # calls
    expired_rings: int = 0  # calls whose ring.expired was written


def cut(now: datetime) -> datetime:
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def whole_seconds(span: timedelta) -> int:
    return span // timedelta(seconds=1)


def flags(row: Participant) -> dict[str, bool]:
    return {
        "audio": row.audio_enabled,
        "video": row.video_enabled,
        "screen": row.screen_share_enabled,
    }
