"""What time does to a call: rung out, lost parties, too few seated for an sfu."""

from datetime import timedelta

from callstore.calls import commands
from callstore.calls.lifecycle.going import close, end, who_is_left
from callstore.calls.lifecycle.turn import Transition, Turn
from callstore.calls.model import Mode, Participant

SFU_FROM = 3  # seated
P2P_AFTER = timedelta(seconds=10)  # of at most two seated


def expire(turn: Turn, _: commands.Expire) -> None:
    rung_out = _rung_out(turn)
    if rung_out and turn.call.started_at is None:
        return end(turn, "timeout", by=None)
    live, silent = _live_and_silent(turn)
    if silent:
        _lose(turn, silent, everyone=len(silent) == len(live))
    if not turn.call.live:
        return None
    if rung_out:
        _stop_ringing(turn)
    return seats_and_mode(turn)


def is_over(turn: Turn) -> bool:
    """Whether an expiry would find a call that only nobody has ended yet: rung out, all lost."""
    if turn.call.started_at is None and _rung_out(turn):
        return True
    live, silent = _live_and_silent(turn)
    return len(silent) == len(live)


def _rung_out(turn: Turn) -> bool:
    deadline = turn.call.ring_deadline
    return deadline is not None and turn.now >= deadline


def _live_and_silent(turn: Turn) -> tuple[list[Participant], list[Participant]]:
    live = [row for row in turn.participants() if row.live]
    return live, [row for row in live if _is_lost(turn, row)]


def _is_lost(turn: Turn, row: Participant) -> bool:
    """Nobody is lost before somebody has watched for that long."""
    limit, watched = turn.context.liveness, turn.context.watching_since
    if limit is None or watched is None:
        return False
    return turn.now - max(turn.sign_of_life(row), watched) >= limit


def _lose(turn: Turn, silent: list[Participant], *, everyone: bool) -> None:
    """Closes the silent as one change, at the time of their last sign if nobody else is there."""
    signs = [turn.sign_of_life(row) for row in silent]
    at = max(*signs, turn.call.last_event_at) if everyone else turn.now
    for row, seen in zip(silent, signs, strict=True):
        turn.event("participant.lost", about=row, at=at)
        close(turn, row, "lost", seen=seen, at=at)
        # The pulse is written too: a beat that comes meanwhile conflicts, and one of them wins.
        turn.set_pulse(row, seen)
    initiator = turn.call.initiator
    gone = next((row.party for row in silent if row.party == initiator), silent[0].party)
    who_is_left(turn, gone or initiator, left=False, at=at)


def _stop_ringing(turn: Turn) -> None:
    turn.set_call(ring_deadline=None)
    ringing = [e for e in turn.entries() if e.response == "ringing"]
    for entry in ringing:
        turn.set_entry(entry, response="missed")
    if ringing:
        turn.event("ring.expired")


def settled(turn: Turn) -> Transition:
    """What a command has made, and what the seats then ask for."""
    if turn.changed and turn.call.live:
        seats_and_mode(turn)
    return turn.done()


def seats_and_mode(turn: Turn) -> None:
    call = turn.call
    if call.live_count >= SFU_FROM:
        if call.few_since is not None:
            turn.set_call(few_since=None)
        if call.mode == "p2p" and call.sfu_allowed:
            _switch(turn, "sfu", "three_seated")
    elif call.few_since is None:
        turn.set_call(few_since=turn.now)
    elif call.mode == "sfu" and turn.now - call.few_since >= P2P_AFTER:
        _switch(turn, "p2p", "two_seated")


def _switch(turn: Turn, to: Mode, reason: str) -> None:
    call = turn.call
    data = {"from": call.mode, "to": to, "reason": reason, "seated": call.live_count}
    turn.event("mode.switched", data=data)
    turn.set_call(
        mode=to, mode_switch_count=turn.call.mode_switch_count + 1, mode_changed_at=turn.now
    )
    turn.made.mode_switch = (call.mode, to)
