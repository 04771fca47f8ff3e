"""What is read by key: a call, the live one of a conversation or a party."""

from typing import Any

from callstore import Calls, User
from callstore.calls.model import replace
from callstore.testing.clock import FakeClock
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    HALL,
    ROOM,
    Opening,
    answered,
    row_of,
)
from callstore.testing.data import chosen_id


class TestByKey:
    async def test_get_has_everyone_in_the_order_they_joined(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        for party in (CAT, BOB):
            clock.advance(1)
            await calls.join(call.id, party)
        people = (await calls.get(call.id)).participants or []
        assert [row.party for row in people] == [ANN, CAT, BOB]

    async def test_live_in_is_the_live_call_or_none(self, calls: Calls) -> None:
        assert await calls.live_in(ROOM) is None
        call = await answered(calls)
        assert await calls.live_in(ROOM) == await calls.get(call.id)
        await calls.end(call.id)
        assert await calls.live_in(ROOM) is None

    async def test_current_is_the_live_call_that_was_joined_last(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        first = await calls.start(ROOM, ANN)
        clock.advance(1)
        second = await calls.start(HALL, BOB)
        clock.advance(1)
        await calls.join(second.id, ANN)
        assert (await calls.current(ANN)) == await calls.get(second.id)
        clock.advance(1)
        await calls.leave(second.id, ANN)
        assert (await calls.current(ANN)) == await calls.get(first.id)
        await calls.end(first.id)
        assert await calls.current(ANN) is None

    async def test_a_rejoin_makes_a_call_current_again(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        first = await answered(calls, BOB, CAT)
        clock.advance(1)
        await calls.start(HALL, BOB)
        clock.advance(1)
        await calls.leave(first.id, BOB)
        await calls.join(first.id, BOB)
        current = await calls.current(BOB)
        assert current is not None
        assert current.id == first.id

    async def test_who_only_rings_has_no_current_call(self, calls: Calls) -> None:
        await calls.start(ROOM, ANN, invite=[BOB])
        assert await calls.current(BOB) is None
        assert await calls.current(User(CAT.id)) is None

    async def test_a_call_comes_whole_however_long_its_rows(self, opening: Opening) -> None:
        """More than a document of MongoDB may hold: 16 MB."""
        async with opening() as calls:
            call = await answered(calls)
            ids = ("send_transport_id", "recv_transport_id", "audio_producer_id")
            bob = replace(await row_of(calls, call.id, BOB), **dict.fromkeys(ids, "𝄞" * 255))
            more = [
                replace(bob, id=chosen_id(n), user_id=chosen_id(n)) for n in range(10_000, 15_500)
            ]
            await calls._store.add_rows({"CallParticipant": more})
            whole = await calls.get(call.id)
            assert len(whole.participants or []) == 2 + len(more)
            assert await calls.live_in(ROOM) == whole
            assert await calls.current(User(more[-1].id)) == whole

    async def test_the_hosts_names_come_with_history_and_current(self, opening: Opening) -> None:
        asked: list[list[str]] = []

        async def describe(refs: list[str]) -> dict[str, Any]:
            asked.append(refs)
            return {ref: ref.upper() for ref in refs if ref.startswith("u:")}

        async with opening(describe=describe) as calls:
            await answered(calls, CAT)
            current = await calls.current(ANN)
            page = await calls.history(ROOM)
        assert current is not None
        assert current.names == page.items[0].names == {ANN.ref: ANN.ref.upper()}
        assert asked == [sorted([f"c:{ROOM}", ANN.ref, CAT.ref])] * 2
