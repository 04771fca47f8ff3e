"""Nothing under a hold expires, is erased or is deleted."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from callstore import Calls, errors
from callstore.calls.model import replace
from callstore.testing.clock import FakeClock
from callstore.testing.contract.captions import say
from callstore.testing.contract.files import content
from callstore.testing.contract.recordings import available
from callstore.testing.contract.retention import DAY, counts, past, rows
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    HALL,
    NOBODY_KNOWS,
    ROOM,
    Opening,
    answered,
    ended,
    told,
)


async def dated(calls: Calls) -> set[str]:
    """The collections of calls' rows of which any says when it goes."""
    names = await counts(calls)
    return {
        name for name in names if any(row.expires_at is not None for row in await rows(calls, name))
    }


class TestHolds:
    async def test_nothing_of_a_held_call_says_any_more_when_it_goes(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        await past(calls, clock)
        (call,) = await rows(calls, "CallSession")
        assert "CallTranscription" in await dated(calls)
        hold = await calls.holds.place(call_id=call.id, reason="case 4711", by="counsel")
        assert await dated(calls) == set()
        held = await calls.get(call.id)
        assert (held.holds, held.version) == ([hold.id], call.version + 1)
        assert (await told(calls, call.id))[-1] == "hold.placed"
        before = await counts(calls)
        clock.advance(300 * DAY)
        await calls.sweep()
        assert await dated(calls) == set()
        report = await calls.retention.run()
        assert (report.rows, await counts(calls)) == ({}, before)

    async def test_released_it_falls_back_under_the_rules(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        ended_at = await past(calls, clock)
        (call,) = await rows(calls, "CallSession")
        one = await calls.holds.place(call_id=call.id, reason="a", by="counsel")
        two = await calls.holds.place(conversation_id=ROOM, reason="b", by="counsel")
        assert (await calls.get(call.id)).holds == [one.id, two.id]
        released = await calls.holds.release(one.id, by="counsel")
        assert (released.released_by, released.released_at) == ("counsel", clock())
        assert await calls.holds.release(one.id, by="another") == released
        await calls.sweep()
        assert await dated(calls) == set()
        await calls.holds.release(two.id, by="counsel")
        await calls.sweep()
        (call,) = await rows(calls, "CallSession")
        assert (call.holds, call.expires_at) == ([], ended_at + timedelta(days=90))
        assert (await told(calls, call.id))[-2:] == ["hold.released", "hold.released"]
        clock.advance(91 * DAY)
        await calls.retention.run()
        assert await counts(calls) == {}

    async def test_one_with_an_end_is_over_then(self, calls: Calls, clock: FakeClock) -> None:
        call = await ended(calls)
        until = clock() + timedelta(days=100)
        hold = await calls.holds.place(call_id=call.id, reason="a", by="counsel", until=until)
        clock.set(until - timedelta(milliseconds=1))
        await calls.sweep()
        assert (await calls.get(call.id)).holds == [hold.id]
        clock.set(until)
        await calls.sweep()
        assert (await calls.get(call.id)).holds == []
        assert await calls.holds.list() == []
        (over,) = await calls.holds.list(released=True)
        assert (over.released_at, over.released_by) == (until, None)
        assert (await calls.retention.run()).rows["CallSession"] == 1

    async def test_a_party_s_is_on_all_it_was_called_to(self, calls: Calls) -> None:
        there = await ended(calls)
        missed = await calls.start(HALL, ANN, invite=[CAT, BOB])
        await calls.cancel(missed.id, ANN)
        other = await calls.start(ROOM, ANN, invite=[CAT])
        hold = await calls.holds.place(party=BOB, reason="a", by="counsel")
        found = [(await calls.get(call.id)).holds for call in (there, missed, other)]
        assert found == [[hold.id], [hold.id], []]
        assert (await calls.holds.list(party=BOB)) == [hold]
        assert (await calls.holds.list(party=ANN)) == []

    async def test_calls_that_begin_under_one_are_under_it(self, calls: Calls) -> None:
        room = await calls.holds.place(conversation_id=ROOM, reason="a", by="counsel")
        bob = await calls.holds.place(party=BOB, reason="b", by="counsel")
        first = await calls.start(ROOM, ANN, invite=[BOB])
        assert sorted(first.holds) == sorted([room.id, bob.id])
        assert (await told(calls, first.id))[-2:] == ["hold.placed", "hold.placed"]
        second = await calls.start(HALL, ANN, invite=[CAT])
        assert second.holds == []
        joined = await calls.join(second.id, BOB)
        assert joined.call.holds == [bob.id]
        await calls.end(second.id)
        assert (await calls.get(second.id)).expires_at is None
        assert await dated(calls) == set()

    async def test_recordings_stay(self, calls: Calls, clock: FakeClock) -> None:
        row = await available(calls)
        hold = await calls.holds.place(party=BOB, reason="a", by="counsel")
        with pytest.raises(errors.Held, match=hold.id) as caught:
            await calls.recordings.delete(row.id)
        assert caught.value.holds == [hold.id]
        await calls.end(row.call_session_id)
        clock.advance(100 * DAY)
        await calls.sweep()
        assert (await calls.retention.run()).files == 0
        assert await content(calls, row.id)
        await calls.holds.release(hold.id, by="counsel")
        assert (await calls.recordings.delete(row.id)).status == "deleted"

    async def test_what_was_said_stays(self, calls: Calls) -> None:
        call = await answered(calls)
        caption = await say(calls, call.id, BOB, "hello")
        hold = await calls.holds.place(party=ANN, reason="a", by="counsel")
        with pytest.raises(errors.Held):
            await calls.captions.delete(caption.id)
        await calls.holds.release(hold.id)
        await calls.captions.delete(caption.id)

    async def test_one_whose_release_was_cut_off_is_on_nothing_in_the_end(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        """Though its party is erased meanwhile."""
        call = await ended(calls)
        clock.advance(600)
        hold = await calls.holds.place(party=BOB, reason="a", by="counsel")
        cut = replace(hold, released_at=clock(), settled=False)
        await calls._store.put_rows("CallHold", [cut])
        assert (await calls.privacy.erase(BOB, by="dpo")).status == "pending"
        clock.advance(90)
        await calls.sweep()
        assert (await calls.get(call.id)).holds == []
        (receipt,) = await calls.privacy.receipts()
        assert receipt.status == "done"

    async def test_placed_while_its_party_is_erased_it_stays_on_nothing(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        made = [await ended(calls) for _ in range(40)]
        clock.advance(600)
        for wait in (0.0, 0.01, 0.03):
            erasing = asyncio.create_task(calls.privacy.erase(BOB, by="dpo"))
            await asyncio.sleep(wait)
            hold = await calls.holds.place(party=BOB, reason="a", by="counsel")
            await erasing
            await calls.holds.release(hold.id, by="counsel")
            clock.advance(90)
            await calls.sweep()
            assert {str((await calls.get(call.id)).holds) for call in made} == {"[]"}
        assert {receipt.status for receipt in await calls.privacy.receipts()} == {"done"}

    async def test_placed_again_and_again_it_is_told_once(self, calls: Calls) -> None:
        call = await ended(calls)
        await calls.holds.place(call_id=call.id, reason="a", by="counsel")
        version = (await calls.get(call.id)).version
        await calls.sweep()
        await calls.sweep()
        assert (await calls.get(call.id)).version == version

    async def test_what_placing_left_out_a_sweep_does(self, calls: Calls, clock: FakeClock) -> None:
        """As where the process died, or a call began at the same moment."""
        call = await ended(calls)
        hold = await calls.holds.place(call_id=call.id, reason="a", by="counsel")
        stored = (await rows(calls, "CallSession"))[0]
        bare = {**{f: getattr(stored, f) for f in stored.__struct_fields__}, "holds": []}
        del bare["outcome"]
        await calls._store.put_rows("CallSession", [type(stored)(**bare)])
        await calls._store.put_rows("CallHold", [replace(hold, settled=False)])
        await calls.sweep()
        assert (await calls.get(call.id)).holds == [hold.id]
        clock.advance(90)
        await calls.sweep()
        assert (await rows(calls, "CallHold"))[0].settled

    async def test_many_at_once_are_all_there(self, calls: Calls) -> None:
        call = await answered(calls)
        placing: list[Any] = [
            calls.holds.place(call_id=call.id, reason=str(n), by="counsel") for n in range(20)
        ]
        holds = await asyncio.gather(*placing)
        assert sorted((await calls.get(call.id)).holds) == sorted(hold.id for hold in holds)
        await asyncio.gather(*(calls.holds.release(hold.id, by="counsel") for hold in holds))
        assert (await calls.get(call.id)).holds == []

    async def test_starts_while_it_is_placed_are_under_it_in_the_end(
        self, opening: Opening
    ) -> None:
        async with opening() as calls:
            rooms = [f"{n:024x}" for n in range(1, 60)]
            starting = [calls.start(room, ANN, invite=[BOB]) for room in rooms]
            placing = calls.holds.place(party=BOB, reason="a", by="counsel")
            begun, hold = await asyncio.gather(asyncio.gather(*starting), placing)
            await calls.sweep()
            assert all([(await calls.get(call.id)).holds == [hold.id] for call in begun])

    async def test_wrong_ones_are_refused(self, calls: Calls, clock: FakeClock) -> None:
        for given in ({}, {"party": BOB, "conversation_id": ROOM}):
            with pytest.raises(errors.Invalid, match="exactly one"):
                await calls.holds.place(**given, reason="a", by="counsel")  # type: ignore[arg-type]
        with pytest.raises(errors.Invalid, match="/until: has come already"):
            await calls.holds.place(party=BOB, reason="a", by="counsel", until=clock())
        with pytest.raises(errors.Invalid, match="/reason"):
            await calls.holds.place(party=BOB, reason="", by="counsel")
        with pytest.raises(errors.NotFound) as caught:
            await calls.holds.place(call_id=NOBODY_KNOWS, reason="a", by="counsel")
        assert caught.value.code == "call_not_found"
        with pytest.raises(errors.NotFound) as caught:
            await calls.holds.release(NOBODY_KNOWS, by="counsel")
        assert caught.value.code == "hold_not_found"

    async def test_its_captions_still_come(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls)
        await calls.holds.place(conversation_id=ROOM, reason="a", by="counsel")
        await say(calls, call.id, BOB, "hello")
        await calls.end(call.id)
        await say(calls, call.id, ANN, "bye")
        clock.advance(100 * DAY)
        await calls.sweep()
        await calls.retention.run()
        assert len(await rows(calls, "CallTranscription")) == 2
