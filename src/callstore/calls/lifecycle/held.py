"""What holds have to do with the life of a call. Pure."""

from collections.abc import Iterable, Iterator

from callstore.calls.lifecycle.turn import Turn
from callstore.calls.model import Call, Party
from callstore.errors import Held
from callstore.privacy.model import Hold


def covering(holds: Iterable[Hold], call: Call, refs: Iterable[str]) -> Iterator[Hold]:
    """Of these, those on the call, on its conversation, or on one of these parties."""
    who = {*refs}
    on_it = (call.id, call.conversation_id)
    for hold in holds:
        if hold.party in who or (hold.call_session_id or hold.conversation_id) in on_it:
            yield hold


def place(turn: Turn, hold_id: str) -> None:
    """Nothing of the call goes from now on. Placed already: unchanged."""
    if hold_id in turn.call.holds:
        return
    turn.event("hold.placed", data={"holdId": hold_id})
    turn.set_call(holds=[*turn.call.holds, hold_id], expires_at=None, horizons=None)
    turn.made.unstamped = not turn.call.live


def release(turn: Turn, hold_id: str) -> None:
    """The next sweep says when what is of the call goes. Not under it: unchanged."""
    if hold_id not in turn.call.holds:
        return
    turn.event("hold.released", data={"holdId": hold_id})
    left = [id for id in turn.call.holds if id != hold_id]
    turn.set_call(holds=left, horizons=None)


def come_under(turn: Turn, parties: Iterable[Party]) -> None:
    """Who begins a call, or comes to it, brings their holds with them."""
    for hold in covering(turn.context.holds, turn.call, (party.ref for party in parties)):
        place(turn, hold.id)


def need_free(turn: Turn) -> None:
    """Held where the call is under a hold, be it one that the call does not know of yet."""
    assert turn.state.everyone, "the command needs everyone, and they were not loaded"
    found = [hold.id for hold in covering(turn.context.holds, turn.call, turn.state.parties)]
    if holds := [*dict.fromkeys([*turn.call.holds, *found])]:
        raise Held(f"call {turn.call.id} is under hold {', '.join(holds)}", holds)
