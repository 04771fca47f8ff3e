"""Media flags, transports, the router, and what commands on the wrong call are told."""

from typing import Any

import pytest

from callstore import Calls, errors
from callstore.testing.clock import FakeClock
from callstore.testing.contract.world import (
    ANN,
    BOB,
    EVE,
    NOBODY_KNOWS,
    ROOM,
    Act,
    answered,
    ended,
    row_of,
    told,
    unchanged,
)

BY_PARTY: dict[str, Act] = {
    "connected": lambda calls, id: calls.connected(id, BOB),
    "failed": lambda calls, id: calls.failed(id, BOB),
    "heartbeat": lambda calls, id: calls.heartbeat(id, BOB),
    "set_media": lambda calls, id: calls.set_media(id, BOB, audio=False),
    "set_transports": lambda calls, id: calls.set_transports(id, BOB, send_transport_id="t"),
}
REFUSED_ONCE_ENDED: dict[str, Act] = {
    **BY_PARTY,
    "join": lambda calls, id: calls.join(id, BOB),
    "decline": lambda calls, id: calls.decline(id, BOB),
    "set_router": lambda calls, id: calls.set_router(id, router_id="r"),
}
HARMLESS_ONCE_ENDED: dict[str, Act] = {
    "leave": lambda calls, id: calls.leave(id, BOB),
    "end": lambda calls, id: calls.end(id, by=EVE),
    "cancel": lambda calls, id: calls.cancel(id, EVE),
    "ring": lambda calls, id: calls.ring(id),
    "expire": lambda calls, id: calls.expire(id),
}
READING: dict[str, Act] = {
    "get": lambda calls, id: calls.get(id),
    "timeline": lambda calls, id: calls.timeline(id),
    "analyse": lambda calls, id: calls.quality.analyse(id),
}
ON_A_CALL = {**REFUSED_ONCE_ENDED, **HARMLESS_ONCE_ENDED, **READING}


class TestMedia:
    async def test_a_change_is_kept_and_told_whole(self, calls: Calls) -> None:
        call = await answered(calls)
        row = await calls.set_media(call.id, BOB, audio=False, screen=True)
        assert row == await row_of(calls, call.id, BOB)
        event = (await calls.timeline(call.id))[-1]
        assert (event.type, event.party, event.actor) == ("media.changed", BOB, BOB.ref)
        assert event.data == {"audio": False, "video": True, "screen": True}

    async def test_what_is_so_already_changes_nothing(self, calls: Calls) -> None:
        call = await answered(calls)
        before = await calls.get(call.id)
        await calls.set_media(call.id, BOB)
        await calls.set_media(call.id, BOB, audio=True, video=True, screen=False)
        assert await calls.get(call.id) == before

    async def test_transports_are_set_left_and_cleared(self, calls: Calls) -> None:
        call = await answered(calls)
        await calls.set_transports(call.id, BOB, send_transport_id="s", recv_transport_id="r")
        row = await calls.set_transports(
            call.id, BOB, recv_transport_id=None, video_producer_id="v"
        )
        assert row == await row_of(calls, call.id, BOB)
        assert (row.send_transport_id, row.recv_transport_id) == ("s", None)
        assert (row.audio_producer_id, row.video_producer_id) == (None, "v")

    async def test_transports_move_the_version_without_an_event(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        clock.advance(1)
        await calls.set_transports(call.id, BOB, send_transport_id="s")
        after = await calls.get(call.id)
        assert (after.version, after.event_count) == (call.version + 1, call.event_count)
        assert after.updated_at == clock()

    async def test_the_router_is_set_left_and_cleared(self, calls: Calls) -> None:
        call = await answered(calls)
        capabilities = {"codecs": [{"kind": "audio", "rate": 48_000, "fec": True, "x": None}]}
        await calls.set_router(call.id, router_id="r", rtp_capabilities=capabilities)
        assert (await calls.get(call.id)).rtp_capabilities == capabilities
        await calls.set_router(call.id, router_id=None)
        after = await calls.get(call.id)
        assert (after.router_id, after.rtp_capabilities) == (None, capabilities)
        await calls.set_router(call.id, rtp_capabilities=None)
        assert (await calls.get(call.id)).rtp_capabilities is None

    @pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), ([1], [True]), (1, 1.0)])
    async def test_values_that_python_calls_equal_are_still_told_apart(
        self, calls: Calls, old: Any, new: Any
    ) -> None:
        call = await answered(calls)
        await calls.set_router(call.id, rtp_capabilities={"value": old})
        await calls.set_router(call.id, rtp_capabilities={"value": new})
        assert repr((await calls.get(call.id)).rtp_capabilities) == repr({"value": new})


class TestWrongCall:
    @pytest.mark.parametrize("name", ON_A_CALL)
    async def test_an_unknown_call_is_not_found(self, calls: Calls, name: str) -> None:
        with pytest.raises(errors.NotFound) as refusal:
            await ON_A_CALL[name](calls, NOBODY_KNOWS)
        assert refusal.value.code == "call_not_found"

    @pytest.mark.parametrize("name", REFUSED_ONCE_ENDED)
    async def test_an_ended_call_refuses(self, calls: Calls, name: str) -> None:
        call = await ended(calls)
        before = await calls.get(call.id)
        with pytest.raises(errors.CallEnded) as refusal:
            await REFUSED_ONCE_ENDED[name](calls, call.id)
        assert refusal.value.call_id == call.id
        assert await calls.get(call.id) == before

    @pytest.mark.parametrize("name", HARMLESS_ONCE_ENDED)
    async def test_an_ended_call_is_returned_as_it_is(
        self, calls: Calls, clock: FakeClock, name: str
    ) -> None:
        call = await ended(calls)
        clock.advance(1000)
        await unchanged(calls, call, HARMLESS_ONCE_ENDED[name](calls, call.id))

    @pytest.mark.parametrize("name", BY_PARTY)
    @pytest.mark.parametrize("left", [False, True])
    async def test_a_party_that_is_not_in_it_cannot(
        self, calls: Calls, name: str, left: bool
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB], end_when="empty")
        if left:
            await calls.join(call.id, BOB)
            await calls.leave(call.id, BOB)
        with pytest.raises(errors.InvalidTransition):
            await BY_PARTY[name](calls, call.id)

    async def test_a_refusal_leaves_no_event_and_no_version(self, calls: Calls) -> None:
        call = await answered(calls)
        before = await told(calls, call.id)
        for act in (calls.cancel(call.id, BOB), calls.decline(call.id, BOB)):
            with pytest.raises(errors.CallstoreError):
                await act
        assert await told(calls, call.id) == before
        assert (await calls.get(call.id)).version == call.version
