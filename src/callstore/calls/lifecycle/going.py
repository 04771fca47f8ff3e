"""Leaving, declining, ending, and what is settled when a call ends."""

from datetime import datetime, timedelta

from callstore.calls import commands
from callstore.calls.lifecycle import recorded
from callstore.calls.lifecycle.turn import Turn, live_participant
from callstore.calls.model import (
    Call,
    EndReason,
    LogEntry,
    Participant,
    ParticipantStatus,
    Party,
    Response,
    StintReason,
    party_from_ref,
    replace,
)
from callstore.errors import Forbidden, InvalidTransition


def leave(turn: Turn, command: commands.Leave) -> None:
    row = turn.participant(command.party)
    if row is not None and row.live:
        turn.event("participant.left", about=row, actor=command.party)
        close(turn, row, "left", seen=turn.now)
        who_is_left(turn, command.party, left=True)


def failed(turn: Turn, command: commands.Failed) -> None:
    row = live_participant(turn, command.party)
    turn.event("participant.failed", about=row, actor=command.party)
    close(turn, row, "failed", seen=turn.now)
    who_is_left(turn, command.party, left=False)


def close(
    turn: Turn, row: Participant, reason: StintReason, *, seen: datetime, at: datetime | None = None
) -> None:
    left_at = at or turn.now
    status: ParticipantStatus = "failed" if reason == "failed" else "disconnected"
    if row.seated:
        turn.set_call(live_count=turn.call.live_count - 1)
    turn.set_participant(
        row,
        status=status,
        left_at=left_at,
        last_seen_at=seen,
        stints=[*row.stints[:-1], replace(row.stints[-1], left_at=left_at, reason=reason)],
    )


def who_is_left(turn: Turn, gone: Party, *, left: bool, at: datetime | None = None) -> None:
    """Ends a call that nobody is left to hold."""
    call = turn.call
    reason: EndReason
    if call.started_at is None:
        over, reason = gone == call.initiator, "cancelled"
    else:
        over, reason = call.live_count < fewest(call), "normal"
    if over:
        end(turn, reason if left else "lost", by=gone if left else None, at=at)


def fewest(call: Call) -> int:
    """With how many seated an answered call goes on."""
    return 2 if call.end_when == "alone" else 1


def decline(turn: Turn, command: commands.Decline) -> None:
    party, call = command.party, turn.call
    entry, row = turn.entry(party), turn.participant(party)
    if party == call.initiator:
        raise InvalidTransition("the initiator cannot decline")
    if entry is None or entry.direction != "incoming":
        raise Forbidden("only someone who was invited can decline")
    if row is not None and row.answered_at is not None:
        raise InvalidTransition("who has answered can leave, but no longer decline")
    if entry.response != "ringing":
        if row is not None and row.live:
            turn.beat(row)
        return
    turn.set_entry(entry, response="declined", responded_at=turn.now)
    turn.event("participant.declined", about=row or party, actor=party)
    if row is not None and row.live:
        close(turn, row, "declined", seen=turn.now)
    if call.started_at is None and not any(
        e.direction == "incoming" and e.response == "ringing" for e in turn.entries()
    ):
        end(turn, "declined", by=party)


def cancel(turn: Turn, command: commands.Cancel) -> None:
    if command.by != turn.call.initiator:
        raise Forbidden("only the initiator can cancel a call")
    if turn.call.started_at is not None:
        raise InvalidTransition("the call was answered: it can be ended, but not cancelled")
    end(turn, "cancelled", by=command.by)


def end_command(turn: Turn, command: commands.End) -> None:
    by, call = command.by, turn.call
    if by is not None and by != call.initiator:
        row = turn.participant(by)
        if row is None or not row.live:
            raise Forbidden("only the host, the initiator or someone in the call can end it")
        if call.started_at is None and command.reason == "normal":
            return decline(turn, commands.Decline(call_id=call.id, party=by))
    cancels = call.started_at is None and command.reason == "normal"
    return end(turn, "cancelled" if cancels else command.reason, by=by)


def end(turn: Turn, reason: EndReason, *, by: Party | None, at: datetime | None = None) -> None:
    """However a call ends: everyone out, every log entry settled, `call.ended` once."""
    ended_at = at or turn.now
    for row in turn.participants():
        if row.live:
            seen = turn.now if row.party == by else turn.sign_of_life(row)
            close(turn, row, "ended", seen=seen, at=ended_at)
    recorded.stop_running(turn, ended_at)
    expires_at = recorded.expiry(turn, ended_at)
    started = turn.call.started_at
    duration = int((ended_at - started) / timedelta(seconds=1)) if started else 0
    turn.set_call(
        status="failed" if reason == "error" else "ended",
        live=False,
        ended_at=ended_at,
        duration=duration,
        end_reason=reason,
        ended_by=by.id if by else None,
        ended_by_kind=by.kind if by else None,
        ring_deadline=None,
        few_since=None,
        expires_at=expires_at,
    )
    told = {"reason": reason, "status": turn.call.status}
    turn.event("call.ended", actor=by, at=ended_at, data=told)
    for row in turn.participants():
        turn.set_participant(row, expires_at=expires_at)
    _settle_entries(turn)


def _settle_entries(turn: Turn) -> None:
    """As the call has ended. Whose an erased party's entry was nobody knows: how long they had
    talked stands in it."""
    call, rows = turn.call, {row.party: row for row in turn.participants() if row.party}
    assert call.ended_at is not None
    for entry in turn.entries():
        row = rows.get(party_from_ref(entry.party)) if entry.party else None
        talked = talk_seconds(row, call.started_at, call.ended_at)
        turn.set_entry(
            entry,
            response=_settled(entry, call),
            started_at=call.started_at,
            ended_at=call.ended_at,
            end_reason=call.end_reason,
            talk_seconds=talked if entry.party else entry.talk_seconds,
            expires_at=call.expires_at,
        )


def _settled(entry: LogEntry, call: Call) -> Response:
    if entry.response != "ringing":
        return entry.response
    if entry.direction == "outgoing" and call.outcome in ("declined", "failed"):
        return "declined" if call.outcome == "declined" else "cancelled"
    if entry.direction == "outgoing":
        return "missed" if call.outcome == "missed" else "cancelled"
    return "cancelled" if call.end_reason == "cancelled" else "missed"


def talk_seconds(row: Participant | None, started: datetime | None, ended: datetime) -> int:
    if row is None or started is None or row.answered_at is None:
        return 0
    since = max(started, row.answered_at)
    talk = timedelta()
    for stint in row.stints:
        talk += max(timedelta(), (stint.left_at or ended) - max(stint.joined_at, since))
    return int(talk / timedelta(seconds=1))
