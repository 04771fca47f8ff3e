"""The rules of a call, written down a second time: plainly, and from the document alone.

One thread, dicts, rows that are changed in place. A store is right when it does what this does,
command by command; `machine` holds the two against each other. Nothing here may be taken from
`calls.lifecycle`, or a misreading there would be repeated here.

Rows have the attribute names of `calls.model`. Not kept, because the document leaves them open or
they are of no use to a rule: ids of rows, actor, lastSeenAt, the devices, a row's own updatedAt.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from msgspec import UNSET, UnsetType

from callstore.calls.model import Party
from callstore.errors import (
    CallAlreadyLive,
    Conflict,
    Forbidden,
    InvalidTransition,
    NotFound,
)
from callstore.testing.contract.consequences import (
    STAMPED_AFTER,
    WATCH_BREAKS_AFTER,
    Consequences,
)
from callstore.testing.contract.plain_rows import (
    Call,
    Joined,
    LogEntry,
    Participant,
    Recording,
    Replayed,
    Swept,
    cut,
    flags,
)

ENDS = {
    ("fail", "processing"): "failed",
    ("put", "processing"): "available",
    ("delete", "available"): "deleted",
}
Flag = bool | UnsetType
MediaId = str | None | UnsetType


class PlainModel(Consequences):
    """Every command takes `now` and changes `calls`, or raises what the store must raise."""

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

    def start_recording(self, call_id: str, party: Party, *, now: datetime) -> Recording:
        call = self._live_call(call_id)
        at = call.time(now)
        call.live_row(party)
        if call.running() is not None:
            raise Conflict("another runs")
        row = Recording(party.id, party.kind, at)
        call.recordings.append(row)
        self._write(call, "recording.started", at, party)
        self._settle(call, at)
        self._beat(call, party, at)
        return row

    def end_recording(self, call_id: str, how: str, *, now: datetime) -> Recording:
        """Of the call's last one: `stop`, `fail`, `put` or `delete`."""
        call = self._call(call_id)
        if not call.recordings:
            raise NotFound("recording", call_id)
        row, at = call.recordings[-1], call.time(now)
        if how in ("stop", "fail") and row.status == "recording":
            self._stop_recording(call, at, "failed" if how == "fail" else "processing")
        elif how == "stop" or (how, row.status) in (("fail", "failed"), ("delete", "deleted")):
            return row
        elif (how, row.status) in ENDS:
            row.status = ENDS[how, row.status]
            self._write(call, f"recording.{row.status}", at)
        else:
            raise InvalidTransition(f"{how} of one that is {row.status}")
        self._stamp(call)
        self._settle(call, at)
        return row

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
            if call.ended_at is not None and clock - call.ended_at >= STAMPED_AFTER:
                self._stamp_rows(call)  # it may have waited for a file until now
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
