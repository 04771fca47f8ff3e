"""The rules of a call, written down a second time: plainly, and from the document alone.

One thread, dicts, rows that are changed in place. A store is right when it does what this does,
command by command; `machine` holds the two against each other. Nothing here may be taken from
`calls.lifecycle`, or a misreading there would be repeated here.

Rows have the attribute names of `calls.model`. Not kept, because the document leaves them open or
they are of no use to a rule: ids of rows, actor, lastSeenAt, the devices, a row's own updatedAt.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msgspec import UNSET, UnsetType

from callstore.calls.model import Party
from callstore.errors import (
    CallAlreadyLive,
    CallEnded,
    CallFull,
    Conflict,
    Forbidden,
    InvalidTransition,
    NotFound,
)

BEAT_EVERY = timedelta(seconds=30)
FEW_FOR = timedelta(seconds=10)
WATCH_BREAKS_AFTER = timedelta(seconds=120)
KEPT = timedelta(days=90)

Flag = bool | UnsetType
MediaId = str | None | UnsetType
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


class PlainModel:
    """Every command takes `now` and changes `calls`, or raises what the store must raise."""

    def __init__(self, *, liveness_seconds: int = 120, kept: timedelta = KEPT) -> None:
        self.calls: dict[str, Call] = {}
        self.liveness = timedelta(seconds=liveness_seconds)
        self.kept = kept
        self.watching_since: datetime | None = None
        self.last_sweep: datetime | None = None

    # -- the commands of the table ------------------------------------------------------------

    def start(
        self,
        conversation_id: str,
        initiator: Party,
        *,
        invite: Iterable[Party] = (),
        type: str = "video",
        max_participants: int = 50,
        sfu: bool = True,
        end_when: str | None = None,
        ring_seconds: int = 60,
        call_id: str | None = None,
        new_id: str = "",
        now: datetime,
    ) -> Call:
        """`new_id` is the id of the call where the caller has not chosen one."""
        if call_id is not None and call_id in self.calls:
            return self._started_already(self.calls[call_id], conversation_id, initiator, now)
        before = self.live_in(conversation_id)
        if before is not None and not self._close_overdue(before, now):
            raise CallAlreadyLive(before.id)
        at = cut(now) if before is None else before.time(now)  # one command, one time
        invitees = [party for party in dict.fromkeys(invite) if party != initiator]
        call = Call(
            id=call_id or new_id,
            conversation_id=conversation_id,
            initiator=initiator,
            type=type,
            created_at=at,
            max_participants=max_participants,
            sfu_allowed=sfu,
            end_when=end_when or ("alone" if len(invitees) == 1 else "empty"),
            ring_deadline=at + timedelta(seconds=ring_seconds) if invitees else None,
            last_event_at=at,
            updated_at=at,
        )
        self.calls[call.id] = call
        call.log[initiator] = LogEntry("outgoing", type, at)
        for party in invitees:
            call.log[party] = LogEntry("incoming", type, at)
        self._write(call, "call.started", at)
        row = self._sit_down(call, initiator, at, (True, type == "video", False))
        row.answered_at = at
        self._write_joined(call, row, at)
        self._settle(call, at)
        return call

    def ring(self, call_id: str, *, now: datetime) -> Call:
        call = self._call(call_id)
        if call.live and call.status == "initiated":
            self._ringing(call, call.time(now))
            self._settle(call, call.time(now))
        return call

    def join(
        self,
        call_id: str,
        party: Party,
        *,
        answer: bool = True,
        audio: bool = True,
        video: bool | None = None,
        screen: bool = False,
        now: datetime,
    ) -> Joined:
        call = self._live_call(call_id)
        at = call.time(now)
        row = call.rows.get(party)
        if not answer and not call.invites(party):
            raise InvalidTransition("only an invitee may join without answering")
        if row is not None and (row.seated or (row.live and not answer)):
            self._beat(call, party, at)
            return Joined(call, row, None)
        if answer or call.has_answered(party):
            self._need_seat(call)
        if row is not None and row.live:
            self._answer_of_early_joiner(call, row, at)
        else:
            row = self._sit_down(
                call, party, at, (audio, call.type == "video" if video is None else video, screen)
            )
            self._join(call, row, answer, at)
        switch = self._settle(call, at)
        self._beat(call, party, at)
        return Joined(call, row, switch)

    def connected(self, call_id: str, party: Party, *, now: datetime) -> Call:
        call = self._live_call(call_id)
        at = call.time(now)
        row = call.live_row(party)
        if row.status != "connected":
            if not row.seated:
                self._need_seat(call)
            row.status, row.connected_at = "connected", at
            self._write(call, "participant.connected", at, party)
            if not row.seated:
                self._answer_of_early_joiner(call, row, at)
            self._settle(call, at)
        self._beat(call, party, at)
        return call

    def leave(self, call_id: str, party: Party, *, now: datetime) -> Call:
        call = self._call(call_id)
        row = call.rows.get(party)
        if not call.live or row is None or not row.live:
            return call
        at = call.time(now)
        self._close(row, at, "left")
        self._write(call, "participant.left", at, party)
        self._who_is_left(call, at, left_by=party)
        self._settle(call, at)
        return call

    def failed(self, call_id: str, party: Party, *, now: datetime) -> Call:
        call = self._live_call(call_id)
        at = call.time(now)
        self._close(call.live_row(party), at, "failed")
        self._write(call, "participant.failed", at, party)
        self._who_is_left(call, at)
        self._settle(call, at)
        return call

    def decline(self, call_id: str, party: Party, *, now: datetime) -> Call:
        call = self._live_call(call_id)
        if party == call.initiator:
            raise InvalidTransition("the initiator cannot decline")
        if not call.invites(party):
            raise Forbidden("not an invitee")
        if call.has_answered(party):
            raise InvalidTransition("has answered")
        self._decline(call, party, call.time(now))
        return call

    def cancel(self, call_id: str, by: Party, *, now: datetime) -> Call:
        call = self._call(call_id)
        if not call.live:
            return call
        if by != call.initiator:
            raise Forbidden("only the initiator cancels")
        if call.started_at is not None:
            raise InvalidTransition("has been answered")
        self._end(call, call.time(now), "cancelled", by)
        self._settle(call, call.time(now))
        return call

    def end(
        self, call_id: str, *, by: Party | None = None, reason: str = "normal", now: datetime
    ) -> Call:
        call = self._call(call_id)
        if not call.live:
            return call
        at = call.time(now)
        may = by is None or by == call.initiator or (by in call.rows and call.rows[by].live)
        if not may:
            raise Forbidden("not in the call")
        if reason == "normal" and call.started_at is None:
            if by is not None and by != call.initiator:
                self._decline(call, by, at)
                return call
            reason = "cancelled"
        self._end(call, at, reason, by)
        self._settle(call, at)
        return call

    def set_media(
        self,
        call_id: str,
        party: Party,
        *,
        audio: Flag = UNSET,
        video: Flag = UNSET,
        screen: Flag = UNSET,
        now: datetime,
    ) -> Participant:
        call = self._live_call(call_id)
        at = call.time(now)
        row = call.live_row(party)
        fields = {"audio_enabled": audio, "video_enabled": video, "screen_share_enabled": screen}
        if self._set(row, fields):
            self._write(call, "media.changed", at, party, flags(row))
            self._settle(call, at)
        self._beat(call, party, at)
        return row

    def set_transports(
        self,
        call_id: str,
        party: Party,
        *,
        send_transport_id: MediaId = UNSET,
        recv_transport_id: MediaId = UNSET,
        audio_producer_id: MediaId = UNSET,
        video_producer_id: MediaId = UNSET,
        now: datetime,
    ) -> Participant:
        call = self._live_call(call_id)
        at = call.time(now)
        row = call.live_row(party)
        fields = {
            "send_transport_id": send_transport_id,
            "recv_transport_id": recv_transport_id,
            "audio_producer_id": audio_producer_id,
            "video_producer_id": video_producer_id,
        }
        if self._set(row, fields):
            self._settle(call, at)
        self._beat(call, party, at)
        return row

    def set_router(
        self, call_id: str, *, router_id: str | None, rtp_capabilities: Any, now: datetime
    ) -> Call:
        call = self._live_call(call_id)
        if self._set(call, {"router_id": router_id, "rtp_capabilities": rtp_capabilities}):
            self._settle(call, call.time(now))
        return call

    def heartbeat(self, call_id: str, party: Party, *, now: datetime) -> None:
        call = self._live_call(call_id)
        call.live_row(party)
        self._beat(call, party, call.time(now))

    def expire(self, call_id: str, *, now: datetime) -> Call:
        call = self._call(call_id)
        self._sweep_call(call, now, Swept())
        return call

    def sweep(self, *, now: datetime) -> Swept:
        swept = Swept()
        clock = cut(now)
        if self.last_sweep is None or clock - self.last_sweep > WATCH_BREAKS_AFTER:
            self.watching_since = clock
        self.last_sweep = clock
        for call in list(self.calls.values()):
            self._sweep_call(call, now, swept)
        return swept

    # -- reading ------------------------------------------------------------------------------

    def live_in(self, conversation_id: str) -> Call | None:
        for call in self.calls.values():
            if call.live and call.conversation_id == conversation_id:
                return call
        return None

    def current(self, party: Party) -> list[Call]:
        """The live calls the party is live in, the one joined last at the end."""
        its = [call for call in self.calls.values() if call.live]
        its = [call for call in its if party in call.rows and call.rows[party].live]
        return sorted(its, key=lambda call: call.rows[party].stints[-1].joined_at)

    def state_at(self, call_id: str, at: datetime) -> Replayed:
        states = [state for state in self._call(call_id).past if state.at <= at]
        if not states:
            raise NotFound("call", call_id)
        return states[-1]

    # -- who may, and on what -----------------------------------------------------------------

    def _call(self, call_id: str) -> Call:
        if call_id not in self.calls:
            raise NotFound("call", call_id)
        return self.calls[call_id]

    def _live_call(self, call_id: str) -> Call:
        call = self._call(call_id)
        if not call.live:
            raise CallEnded(call_id)
        return call

    def _need_seat(self, call: Call) -> None:
        if call.live_count == call.max_participants:
            raise CallFull(call.max_participants)

    def _started_already(
        self, call: Call, conversation_id: str, initiator: Party, now: datetime
    ) -> Call:
        if (call.conversation_id, call.initiator) != (conversation_id, initiator):
            raise Conflict("another call has this id")
        self._beat(call, initiator, call.time(now))
        return call

    # -- joining and answering ----------------------------------------------------------------

    def _sit_down(
        self, call: Call, party: Party, at: datetime, media: tuple[bool, bool, bool]
    ) -> Participant:
        """A new row, or a new stint on the old one."""
        row = call.rows.get(party)
        if row is None:
            role = "initiator" if party == call.initiator else "participant"
            row = call.rows[party] = Participant(party, role, at)
        row.status = "connecting"
        row.left_at = row.connected_at = None
        row.send_transport_id = row.recv_transport_id = None
        row.audio_producer_id = row.video_producer_id = None
        row.audio_enabled, row.video_enabled, row.screen_share_enabled = media
        row.stints.append(Stint(at))
        return row

    def _join(self, call: Call, row: Participant, answer: bool, at: datetime) -> None:
        """The rest of a join by one who was not live."""
        if answer and row.answered_at is None:
            self._accept(call, row, at)
        self._write_joined(call, row, at)
        if row.seated:
            self._first_answer(call, row, at)
        elif call.status == "initiated":
            self._ringing(call, at)

    def _write_joined(self, call: Call, row: Participant, at: datetime) -> None:
        data = {"answered": row.seated, **flags(row)}
        self._write(call, "participant.joined", at, row.party, data)

    def _answer_of_early_joiner(self, call: Call, row: Participant, at: datetime) -> None:
        self._accept(call, row, at)
        self._write(call, "participant.answered", at, row.party)
        self._first_answer(call, row, at)

    def _accept(self, call: Call, row: Participant, at: datetime) -> None:
        row.answered_at = at
        entry = call.log.setdefault(row.party, LogEntry("incoming", call.type, call.created_at))
        entry.response, entry.responded_at = "accepted", at

    def _first_answer(self, call: Call, row: Participant, at: datetime) -> None:
        if call.started_at is None and row.party != call.initiator:
            call.status, call.started_at = "active", at
            call.log[call.initiator].response = "accepted"
            self._write(call, "call.answered", at)

    def _ringing(self, call: Call, at: datetime) -> None:
        call.status = "ringing"
        self._write(call, "call.ringing", at)

    # -- leaving and ending -------------------------------------------------------------------

    def _close(self, row: Participant, at: datetime, reason: str) -> None:
        row.status = "failed" if reason == "failed" else "disconnected"
        row.left_at = at
        row.stints[-1].left_at, row.stints[-1].reason = at, reason

    def _decline(self, call: Call, party: Party, at: datetime) -> None:
        entry = call.log[party]
        row = call.rows.get(party)
        if entry.response != "ringing":
            if row is not None and row.live:
                self._beat(call, party, at)
            return
        entry.response, entry.responded_at = "declined", at
        if row is not None and row.live:
            self._close(row, at, "declined")
        self._write(call, "participant.declined", at, party)
        responses = {entry.response for entry in call.log.values() if entry.direction == "incoming"}
        if call.started_at is None and responses == {"declined"}:
            self._end(call, at, "declined", party)
        self._settle(call, at)

    def _who_is_left(self, call: Call, at: datetime, left_by: Party | None = None) -> None:
        """After a leave by `left_by`; after a failed or lost it is None."""
        if call.started_at is None:
            gone, reason = not call.rows[call.initiator].live, "cancelled"
        else:
            gone, reason = call.live_count < (2 if call.end_when == "alone" else 1), "normal"
        if gone:
            self._end(call, at, reason if left_by is not None else "lost", left_by)

    def _end(self, call: Call, at: datetime, reason: str, by: Party | None = None) -> None:
        for row in call.live_rows():
            self._close(row, at, "ended")
        call.live, call.status = False, "failed" if reason == "error" else "ended"
        call.ended_at, call.end_reason = at, reason
        if by is not None:
            call.ended_by, call.ended_by_kind = by.id, by.kind
        call.duration = 0 if call.started_at is None else whole_seconds(at - call.started_at)
        call.ring_deadline = None
        call.expires_at = at + self.kept
        for row in call.rows.values():
            row.expires_at = call.expires_at
        self._end_log(call)
        self._write(call, "call.ended", at)

    def _end_log(self, call: Call) -> None:
        for party, entry in call.log.items():
            if party == call.initiator:
                names = {"answered": "accepted", "failed": "cancelled"}
                entry.response = names.get(call.outcome, call.outcome)
            elif entry.response == "ringing":
                entry.response = "cancelled" if call.end_reason == "cancelled" else "missed"
            entry.started_at, entry.ended_at = call.started_at, call.ended_at
            entry.end_reason, entry.expires_at = call.end_reason, call.expires_at
            entry.talk_seconds = self._talk_seconds(call, call.rows.get(party))

    def _talk_seconds(self, call: Call, row: Participant | None) -> int:
        if call.started_at is None or row is None or row.answered_at is None:
            return 0
        talk_from = max(call.started_at, row.answered_at)
        talk = timedelta()
        for stint in row.stints:
            assert stint.left_at is not None
            talk += max(stint.left_at - max(stint.joined_at, talk_from), timedelta())
        return whole_seconds(talk)

    # -- deadlines, liveness ------------------------------------------------------------------

    def _sweep_call(self, call: Call, now: datetime, swept: Swept) -> None:
        if not call.live:
            return
        at = call.time(now)
        overdue = self._overdue(call, at, now)
        all_overdue = len(overdue) == len(call.live_rows())
        changed = False
        if self._rang_out(call, at):
            self._end(call, at, "timeout")
            swept.timed_out += 1
            changed = True
        elif overdue:
            self._lose(call, overdue, at)
            swept.lost += len(overdue)
            changed = True
        if call.ended_at is None and not all_overdue:
            changed |= self._expire_ring(call, at, swept)
            changed |= self._few_too_long(call, at)
        if changed:
            switch = self._settle(call, at)
            swept.switched += switch is not None

    def _close_overdue(self, call: Call, now: datetime) -> bool:
        """What start does with a live call in its way: True if that is over now."""
        at = call.time(now)
        overdue = self._overdue(call, at, now)
        if self._rang_out(call, at):
            self._end(call, at, "timeout")
        elif len(overdue) == len(call.live_rows()):
            self._lose(call, overdue, at)
        else:
            return False
        self._settle(call, at)
        return True

    def _rang_out(self, call: Call, at: datetime) -> bool:
        deadline = call.ring_deadline
        return call.started_at is None and deadline is not None and deadline <= at

    def _overdue(self, call: Call, at: datetime, now: datetime) -> list[Participant]:
        """The live rows without a sign of life, if somebody has watched for that long."""
        if not self.liveness or self.watching_since is None or self.last_sweep is None:
            return []
        if cut(now) - self.last_sweep > WATCH_BREAKS_AFTER:
            return []
        if at - self.watching_since < self.liveness:
            return []
        return [row for row in call.live_rows() if at - call.last_sign(row) >= self.liveness]

    def _lose(self, call: Call, overdue: list[Participant], at: datetime) -> None:
        if len(overdue) == len(call.live_rows()):
            at = max([call.last_event_at, *(call.last_sign(row) for row in overdue)])
        for row in overdue:
            self._close(row, at, "lost")
        for row in overdue:
            self._write(call, "participant.lost", at, row.party)
        self._who_is_left(call, at)

    def _expire_ring(self, call: Call, at: datetime, swept: Swept) -> bool:
        if call.started_at is None or call.ring_deadline is None or call.ring_deadline > at:
            return False
        call.ring_deadline = None
        ringing = [entry for entry in call.log.values() if entry.response == "ringing"]
        for entry in ringing:
            entry.response = "missed"
        if ringing:
            self._write(call, "ring.expired", at)
            swept.expired_rings += 1
        return True

    def _beat(self, call: Call, party: Party, at: datetime) -> None:
        row = call.rows.get(party)
        if call.live and row is not None and row.live and at - call.last_sign(row) >= BEAT_EVERY:
            call.pulses[party] = at

    # -- mode, counts, events -----------------------------------------------------------------

    def _settle(self, call: Call, at: datetime) -> Switch | None:
        """The end of every command that has changed something."""
        switch = None
        if call.live and call.mode == "p2p" and call.sfu_allowed and call.live_count >= 3:
            switch = self._switch(call, "sfu", at)
        elif call.live and self._few_too_long(call, at):
            switch = self._switch(call, "p2p", at)
        call.version += 1
        call.updated_at = at
        state = Replayed(
            call.last_event_at, call.status, call.mode, call.peak_participants, deepcopy(call.rows)
        )
        call.past.append(state)
        return switch

    def _few_too_long(self, call: Call, at: datetime) -> bool:
        few_since = call.few_since
        return call.mode == "sfu" and few_since is not None and at - few_since >= FEW_FOR

    def _switch(self, call: Call, mode: str, at: datetime) -> Switch:
        switch = (call.mode, mode)
        data = {"from": call.mode, "to": mode, "seated": call.live_count}
        call.mode, call.mode_changed_at = mode, at
        call.mode_switch_count += 1
        self._write(call, "mode.switched", at, None, data)
        return switch

    def _write(
        self,
        call: Call,
        type: str,
        at: datetime,
        party: Party | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        call.event_count += 1
        call.last_event_at = at
        call.events.append(Event(call.event_count, type, at, party, data))
        seated = sum(row.seated for row in call.rows.values())
        call.live_count = seated
        call.joined_count = sum(row.answered_at is not None for row in call.rows.values())
        call.peak_participants = max(call.peak_participants, seated)
        if seated > 2 or not call.live:
            call.few_since = None
        elif call.few_since is None:
            call.few_since = at

    def _set(self, row: Participant | Call, fields: dict[str, Any]) -> bool:
        """Set what is not UNSET; True if that changed something."""
        new = {name: value for name, value in fields.items() if value is not UNSET}
        changed = any(getattr(row, name) != value for name, value in new.items())
        for name, value in new.items():
            setattr(row, name, value)
        return changed


def flags(row: Participant) -> dict[str, bool]:
    return {
        "audio": row.audio_enabled,
        "video": row.video_enabled,
        "screen": row.screen_share_enabled,
    }
