"""A call's life, told again from what another kept of it: events, log entries, stints and counts.

It goes through the rules that make them when a call is played. Who joined is taken to have
answered, for the document knows no early joins; `call.adopted` is the first event, and those after
it have the times that the rows tell. Pure.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial

from msgspec import Struct

from callstore.calls.lifecycle import coming, going
from callstore.calls.lifecycle.expiry import SFU_FROM
from callstore.calls.lifecycle.turn import Context, State, Transition, Turn
from callstore.calls.model import (
    LIVE_STATUSES,
    Call,
    CallSettings,
    DeviceInfo,
    EndReason,
    LogEntry,
    Participant,
    Party,
    QualityMetrics,
    Stint,
    party_of,
    party_of_kind,
    replace,
)
from callstore.errors import Invalid
from callstore.ids import made_at
from callstore.schema.adoption.document import ParticipantRow, SessionRow
from callstore.schema.adoption.fitting import fitting
from callstore.validation import time

SEATS, MOST_SEATS = 50, 10_000  # unless more were there at once; and what a call can have
_LIVE = ("connecting", "connected")


class Life(Struct, frozen=True, kw_only=True):
    """The rows as they are now. `became`: which participant each row is, or is part of."""

    made: Transition
    became: dict[str, str]


def begun(call: SessionRow) -> datetime:
    return call.created_at or _of_id(call.id)


def joined_at(row: ParticipantRow) -> datetime:
    return row.joined_at or _of_id(row.id)


def _of_id(id: str) -> datetime:
    try:
        return time(made_at(id))
    except ValueError:
        raise Invalid.field(f"/{id}", "has no time, and its id tells none") from None


def relive(
    call: SessionRow, rows: Sequence[ParticipantRow], *, close: bool, context: Context
) -> Life:
    """`close` ends a live call as lost, at the last sign of life that its rows tell of. One that
    everybody has left, and nobody ended, ends then too."""
    over = close or call.status not in LIVE_STATUSES
    told_end = None if call.status in LIVE_STATUSES else call.ended_at
    ended_at = told_end or _last_sign(call, rows) if over else None
    if ended_at is not None and ended_at < max(begun(call), call.started_at or begun(call)):
        raise Invalid.field("/endedAt", "is before the call began")
    told = _tell(call, rows, ended_at, context)
    if not over and not any(row.live for row in told.turn.participants()):
        told = _tell(call, rows, _last_sign(call, rows), context)
    told.conclude(lost=close)
    return Life(made=told.turn.done(), became=told.became)


def _tell(
    call: SessionRow, rows: Sequence[ParticipantRow], ended_at: datetime | None, context: Context
) -> "_Telling":
    told = _Telling(call, rows, ended_at, context)
    for at, _, act in sorted(told.moments(), key=lambda moment: moment[:2]):
        told.turn.now = max(at, told.turn.call.last_event_at)
        act()
    return told


def _last_sign(call: SessionRow, rows: Sequence[ParticipantRow]) -> datetime:
    known = [begun(call), call.started_at, call.updated_at]
    for row in rows:
        known += [row.joined_at, row.left_at, row.updated_at]
    return max(at for at in known if at is not None)


Moment = tuple[datetime, int, Callable[[], object]]
_JOIN, _ANSWER, _LEAVE = range(3)  # the order of what happened within a millisecond


class _Telling:
    """What happened, told to a Turn in the order of time."""

    def __init__(
        self,
        call: SessionRow,
        rows: Sequence[ParticipantRow],
        ended_at: datetime | None,
        context: Context,
    ) -> None:
        self._row = call
        self._rows = sorted(rows, key=lambda row: (joined_at(row), row.id))
        self._ended_at = ended_at
        self._guests = {row.anonymous_user_id for row in rows}
        self._latest: dict[str, str] = {}  # the row that tells of somebody's latest stay
        self.became: dict[str, str] = {}
        first = _first(call, self._rows, self._party(call.initiator_id))
        state = State(call=first, everyone=True, recorded=True)
        self.turn = Turn(state, replace(context, now=first.created_at))
        self._begin()

    def _party(self, id: str) -> Party:
        return party_of_kind(id, "guest" if id in self._guests else "user")

    def _begin(self) -> None:
        turn, call = self.turn, self.turn.call
        data = {"type": call.type, "mode": call.mode}
        turn.event("call.adopted", about=call.initiator, data=data)
        erased = any(row.role == "initiator" and not _party_of(row) for row in self._rows)
        if not erased:
            turn.set_entry(coming.new_entry(turn, call.initiator, direction="outgoing"))

    def moments(self) -> Iterator[Moment]:
        for row in self._rows:
            at, left_at = joined_at(row), self._left_at(row)
            yield min(at, self._ended_at or at), _JOIN, partial(self._join, row)
            if left_at is not None:
                yield left_at, _LEAVE, partial(self._leave, row)
        started = self._row.started_at
        if started is None and self._row.status == "active" and len(self._rows) < 2:
            started = self.turn.call.created_at
        if started is not None:
            yield started, _ANSWER, partial(coming.answered, self.turn, None)

    def _left_at(self, row: ParticipantRow) -> datetime | None:
        """None for who was there until the call ended, or still is."""
        ended_at = self._ended_at
        if row.status in _LIVE and (ended_at is None or row.left_at is None):
            return None
        left_at = max(row.left_at or row.updated_at or joined_at(row), joined_at(row))
        if ended_at is None or left_at < ended_at:
            return left_at
        return ended_at if row.status == "failed" else None

    def _join(self, row: ParticipantRow) -> None:
        turn, party, key = self.turn, _party_of(row), _key(row)
        before = turn.made.participants.get(key)
        if before is not None and before.live:
            before = self._close(before, failed=False)
        person = _came(turn, row, before)
        coming.take_seat(turn, first=before is None)
        coming.joined(turn, person)
        if row.status == "connected" and self._ended_at is None:
            turn.event("participant.connected", about=person, actor=party)
            turn.set_participant(person, status="connected", connected_at=turn.now)
        if party is not None:
            coming.accept(turn, party)
        elif row.role != "initiator":
            coming.answered(turn, None)
        self._latest[key] = row.id
        self.became[row.id] = person.id

    def _leave(self, row: ParticipantRow) -> None:
        if self._latest[_key(row)] == row.id:
            self._close(self.turn.made.participants[_key(row)], failed=row.status == "failed")

    def _close(self, person: Participant, *, failed: bool) -> Participant:
        turn = self.turn
        turn.event(
            "participant.failed" if failed else "participant.left",
            about=person,
            actor=person.party,
        )
        going.close(turn, person, "failed" if failed else "left", seen=turn.now)
        return turn.made.participants[_key(person)]

    def conclude(self, *, lost: bool) -> None:
        """What the rows say of the call itself, and its end."""
        turn, row = self.turn, self._row
        if row.started_at is not None:
            turn.set_call(started_at=row.started_at)
        if self._ended_at is not None:
            turn.now = max(self._ended_at, turn.call.last_event_at)
            by = None if lost or row.ended_by is None else self._party(row.ended_by)
            going.end(turn, "lost" if lost else _reason(row), by=by)
        else:
            if row.status == "ringing":
                coming.ring(turn)
            few = turn.call.live_count < SFU_FROM
            turn.set_call(few_since=turn.call.last_event_at if few else None)
        for person in turn.participants():
            if person.party is None:
                turn.set_entry(_entry(turn, person))
        peak = turn.call.peak_participants
        if peak > MOST_SEATS:
            raise Invalid.field("/", f"{peak} were in the call at once, and {MOST_SEATS} can be")
        turn.set_call(max_participants=max(SEATS, peak))


def _reason(row: SessionRow) -> EndReason:
    if row.status == "failed":
        return "error" if row.end_reason in (None, "normal") else row.end_reason
    return row.end_reason or "normal"


def _first(call: SessionRow, rows: Sequence[ParticipantRow], initiator: Party) -> Call:
    """Before anything has happened."""
    at = begun(call)
    return Call(
        id=call.id,
        conversation_id=call.conversation_id,
        mode=call.mode,
        status="initiated",
        type=call.type,
        initiator_id=initiator.id,
        initiator_kind=initiator.kind,
        router_id=call.router_id,
        rtp_capabilities=call.rtp_capabilities,
        settings=fitting(call.settings, CallSettings),
        created_at=at,
        updated_at=at,
        version=0,
        last_event_at=at,
        live=True,
        max_participants=MOST_SEATS,
        sfu_allowed=True,
        end_when="alone" if len({*map(_key, rows)}) <= 2 else "empty",
    )


def _came(turn: Turn, row: ParticipantRow, before: Participant | None) -> Participant:
    """In the call since now; for the first time unless `before`."""
    person = before or Participant(
        id=row.id,
        conversation_id=turn.call.conversation_id,
        call_session_id=turn.call.id,
        user_id=row.user_id,
        anonymous_user_id=row.anonymous_user_id,
        role=row.role,
        status="connecting",
        joined_at=turn.now,
        answered_at=turn.now,
        stints=[],
        audio_enabled=row.audio_enabled,
        video_enabled=row.video_enabled,
        updated_at=turn.now,
        anonymized_at=None if _party_of(row) else row.updated_at or turn.now,
    )
    return turn.set_participant(
        person,
        status="connecting",
        stints=[*person.stints, Stint(joined_at=turn.now)],
        left_at=None,
        last_seen_at=None,
        audio_enabled=row.audio_enabled,
        video_enabled=row.video_enabled,
        screen_share_enabled=row.screen_share_enabled,
        send_transport_id=row.send_transport_id,
        recv_transport_id=row.recv_transport_id,
        audio_producer_id=row.audio_producer_id,
        video_producer_id=row.video_producer_id,
        quality_metrics=fitting(row.quality_metrics, QualityMetrics),
        device_info=fitting(row.device_info, DeviceInfo),
    )


def _entry(turn: Turn, person: Participant) -> LogEntry:
    """In nobody's log: of somebody who was erased."""
    call = turn.call
    entry = LogEntry(
        id=turn.context.new_id(),
        conversation_id=call.conversation_id,
        call_session_id=call.id,
        direction="outgoing" if person.role == "initiator" else "incoming",
        response="accepted",
        type=call.type,
        created_at=call.created_at,
        responded_at=person.answered_at,
        anonymized_at=person.anonymized_at,
    )
    if call.ended_at is None:
        return entry
    return replace(
        entry,
        started_at=call.started_at,
        ended_at=call.ended_at,
        end_reason=call.end_reason,
        talk_seconds=going.talk_seconds(person, call.started_at, call.ended_at),
        expires_at=call.expires_at,
    )


def _party_of(row: ParticipantRow) -> Party | None:
    return party_of(row.user_id, row.anonymous_user_id)


def _key(row: ParticipantRow | Participant) -> str:
    """Whose row it is; where that was erased, itself."""
    party = party_of(row.user_id, row.anonymous_user_id)
    return party.ref if party else row.id
