"""What the commands of the plain model lead to."""

from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from msgspec import UNSET

from callstore.calls.model import Party
from callstore.errors import (
    CallEnded,
    CallFull,
    Conflict,
    NotFound,
)
from callstore.testing.contract.plain_rows import (
    Call,
    Event,
    LogEntry,
    Participant,
    Replayed,
    Stint,
    Swept,
    Switch,
    cut,
    flags,
    whole_seconds,
)

BEAT_EVERY = timedelta(seconds=30)
FEW_FOR = timedelta(seconds=10)
WATCH_BREAKS_AFTER = timedelta(seconds=120)
STAMPED_AFTER = timedelta(minutes=6)  # what may come late, and a minute for clocks apart
KEPT = timedelta(days=90)


class Consequences:
    """Calls by id, and what every command does to one beyond its own work."""

    def __init__(self, *, liveness_seconds: int = 120, kept: timedelta = KEPT) -> None:
        self.calls: dict[str, Call] = {}
        self.liveness = timedelta(seconds=liveness_seconds)
        self.kept = kept
        self.watching_since: datetime | None = None
        self.last_sweep: datetime | None = None

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
        self._stop_recording(call, at)
        call.live, call.status = False, "failed" if reason == "error" else "ended"
        call.ended_at, call.end_reason = at, reason
        if by is not None:
            call.ended_by, call.ended_by_kind = by.id, by.kind
        call.duration = 0 if call.started_at is None else whole_seconds(at - call.started_at)
        call.ring_deadline = None
        self._stamp(call)
        self._end_log(call)
        self._stamp_rows(call)
        self._write(call, "call.ended", at)

    def _stop_recording(self, call: Call, at: datetime, status: str = "processing") -> None:
        running = call.running()
        if running is not None:
            running.status, running.stopped_at = status, at
            running.duration = whole_seconds(at - running.started_at)
            told = "failed" if status == "failed" else "stopped"
            self._write(call, f"recording.{told}", at)

    def _stamp(self, call: Call) -> None:
        """An ended call goes in its time, unless a recording of it may get a file."""
        if call.ended_at is not None:
            waiting = any(one.status not in ("failed", "deleted") for one in call.recordings)
            call.expires_at = None if waiting else call.ended_at + self.kept

    def _stamp_rows(self, call: Call) -> None:
        rows: list[Participant | LogEntry] = [*call.rows.values(), *call.log.values()]
        for row in rows:
            row.expires_at = call.expires_at

    def _end_log(self, call: Call) -> None:
        assert call.ended_at is not None
        for party, entry in call.log.items():
            if party == call.initiator:
                names = {"answered": "accepted", "failed": "cancelled"}
                entry.response = names.get(call.outcome, call.outcome)
            elif entry.response == "ringing":
                entry.response = "cancelled" if call.end_reason == "cancelled" else "missed"
            entry.started_at, entry.ended_at = call.started_at, call.ended_at
            entry.end_reason = call.end_reason
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
            call.last_event_at,
            call.status,
            call.mode,
            call.peak_participants,
            call.running() is not None,
            deepcopy(call.rows),
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
