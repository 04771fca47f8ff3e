"""The life of a call: which command is allowed when, and what follows from it.

Pure: (state, command, context) -> Transition, or one of callstore.errors. No clock, no store.
`decide` takes commands on a call that is there; `start` makes one.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from callstore.calls import commands
from callstore.calls.lifecycle import coming, expiry, going, held, media, upkeep
from callstore.calls.lifecycle.turn import Context, State, Transition, Turn
from callstore.calls.model import Call, replace
from callstore.errors import CallAlreadyLive, CallEnded, Conflict


def decide(state: State, command: commands.OnCall, context: Context) -> Transition:
    """The transition that `command` makes of `state`; raises what model.md 2 refuses it with."""
    turn = Turn(state, context)
    if isinstance(command, commands.Recount):
        upkeep.recount(turn)
        return turn.done()
    if not state.call.live:
        if not isinstance(command, _HARMLESS_ONCE_ENDED):
            raise CallEnded(state.call.id)
        return turn.done()
    _DECIDERS[type(command)](turn, command)
    return expiry.settled(turn)


def start(
    command: commands.Start, *, same: State | None, live: State | None, context: Context
) -> tuple[Transition | None, Transition]:
    """(what closes an overdue live call first, the call).

    `same` is the call that already has the chosen id, `live` the conversation's live call. The
    same start asked again leaves the call as it is, but is a sign of life.
    """
    if same is not None:
        return None, _start_again(command, Turn(same, context))
    closed = None
    if live is not None:
        if not expiry.is_over(Turn(live, context)):
            raise CallAlreadyLive(live.call.id)
        closed = decide(live, commands.Expire(call_id=live.call.id), context)
        context = replace(context, now=max(context.now, closed.call.last_event_at))
    return closed, _new_call(command, context)


def _start_again(command: commands.Start, turn: Turn) -> Transition:
    call = turn.call
    if (call.conversation_id, call.initiator) != (command.conversation_id, command.initiator):
        raise Conflict(f"there is another call with the id {call.id}")
    row = turn.participant(command.initiator)
    if row is not None and row.live:
        turn.beat(row)
    return turn.done()


def _new_call(command: commands.Start, context: Context) -> Transition:
    now, initiator = context.now, command.initiator
    invited = [p for p in dict.fromkeys(command.invite) if p != initiator]
    call = Call(
        id=command.call_id or context.new_id(),
        conversation_id=command.conversation_id,
        mode="p2p",
        status="initiated",
        type=command.type,
        initiator_id=initiator.id,
        initiator_kind=initiator.kind,
        settings=command.settings,
        created_at=now,
        updated_at=now,
        version=0,
        last_event_at=now,
        live=True,
        live_count=1,
        joined_count=1,
        peak_participants=1,
        max_participants=command.max_participants,
        sfu_allowed=command.sfu,
        few_since=now,
        ring_deadline=now + timedelta(seconds=command.ring_seconds) if invited else None,
        end_when=command.end_when or ("alone" if len(invited) == 1 else "empty"),
    )
    turn = Turn(State(call=call, everyone=True, recorded=True), context)
    turn.event("call.started", about=initiator, actor=initiator, data={"type": call.type})
    row = coming.new_participant(turn, initiator, "initiator", answered_at=now)
    row = turn.set_participant(row, video_enabled=command.type == "video")
    coming.joined(turn, row)
    turn.set_entry(coming.new_entry(turn, initiator, direction="outgoing"))
    for party in invited:
        turn.set_entry(coming.new_entry(turn, party, direction="incoming"))
    held.come_under(turn, (initiator, *invited))
    return turn.done()


_HARMLESS_ONCE_ENDED = (
    commands.Leave,
    commands.End,
    commands.Cancel,
    commands.Ring,
    commands.Expire,
)
_DECIDERS: dict[type[commands.OnCall], Callable[[Turn, Any], None]] = {
    commands.Ring: coming.ring,
    commands.Join: coming.join,
    commands.Connected: coming.connected,
    commands.Leave: going.leave,
    commands.Failed: going.failed,
    commands.Decline: going.decline,
    commands.Cancel: going.cancel,
    commands.End: going.end_command,
    commands.SetMedia: media.set_media,
    commands.SetTransports: media.set_transports,
    commands.SetRouter: media.set_router,
    commands.Heartbeat: media.heartbeat,
    commands.Expire: expiry.expire,
}
