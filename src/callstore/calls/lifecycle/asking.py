"""What commands need to see of a call, and what they answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from callstore.calls import commands
from callstore.calls.lifecycle.going import fewest
from callstore.calls.lifecycle.turn import BEAT_EVERY, State, Transition, Want
from callstore.calls.model import Call, Joined


def want(call: Call, asked: Sequence[commands.OnCall], now: datetime, *, whole: bool) -> Want:
    """The rows that deciding `asked` on `call` can need, a little after `now`; `whole`: everyone's,
    whatever they are."""
    segments = frozenset(segment for command in asked for segment in command.wanted_segments)
    every_pulse = whole or any(command.wants_pulses for command in asked)
    # No beat is written sooner. The decision's time is not before the last event, and a little
    # after `now`: half is left for that.
    stints_until = None if every_pulse else max(now, call.last_event_at) - BEAT_EVERY / 2
    if whole or needs_everyone(call, asked):
        return Want(
            call=call,
            everyone=True,
            stints_until=stints_until,
            segments=segments,
            recordings=True,
        )
    parties = {c.party for c in asked if isinstance(c, commands.ByParty)}
    logs = {c.party for c in asked if isinstance(c, _SETTLES_ENTRY)}
    answering = {c.party for c in asked if isinstance(c, commands.Connected)}
    return Want(
        call=call,
        everyone=False,
        parties=frozenset(parties),
        logs=frozenset(logs),
        answering=frozenset(answering),
        stints_until=stints_until,
        segments=segments,
        recordings=any(command.wants_recordings for command in asked),
    )


def needs_everyone(call: Call, asked: Sequence[commands.OnCall]) -> bool:
    """Whether deciding `asked` can need more rows than those of the parties named.

    Whatever may end the call does: an end closes every row. A leave of an answered call can end
    it only if too few may stay.
    """
    if any(command.wants_everyone for command in asked):
        return True
    if not call.live:
        return False
    if any(isinstance(command, _ENDS) for command in asked):
        return True
    leaving = sum(isinstance(command, _LEAVES) for command in asked)
    return leaving > 0 and (call.started_at is None or call.live_count - leaving < fewest(call))


def answer(command: commands.OnCall, state: State, made: Transition) -> Any:
    """What the caller gets, of the call as the command left it."""
    match command:
        case commands.Join(party=party):
            row = state.participants[party.ref]
            return Joined(call=state.call, participant=row, mode_switch=made.mode_switch)
        case commands.SetMedia(party=party) | commands.SetTransports(party=party):
            return state.participants[party.ref]
        case commands.Expire():
            return state.call, made.events
        case commands.Heartbeat():
            return None
        case _:
            return state.call if made.answer is None else made.answer


_ENDS = (commands.End, commands.Cancel, commands.Expire)
_LEAVES = (commands.Leave, commands.Failed, commands.Decline)
_SETTLES_ENTRY = (commands.Join, commands.Decline)
