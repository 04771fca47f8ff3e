"""What is read a page at a time: a conversation's history, a party's log."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from callstore import Call, Calls, Page, Party, errors
from callstore.testing.clock import FakeClock
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    DAN,
    EVE,
    HALL,
    NOBODY_KNOWS,
    ROOM,
    answered,
    entry_of,
)
from callstore.testing.data import chosen_id, conversation


async def many(calls: Calls, clock: FakeClock, count: int, *, step: float = 1) -> list[Call]:
    """Ended calls of Ann's to Bob in one room, the newest first."""
    made = []
    for _ in range(count):
        call = await calls.start(ROOM, ANN, invite=[BOB])
        made.append(await calls.end(call.id))
        clock.advance(step)
    return sorted(made, key=lambda call: (call.created_at, call.id), reverse=True)


async def walked(read: Any, **options: Any) -> list[Any]:
    """All items, page by page."""
    items: list[Any] = []
    cursor = None
    while True:
        page: Page[Any] = await read(cursor=cursor, **options)
        items += page.items
        cursor = page.next
        if cursor is None:
            return items


class TestPages:
    @pytest.mark.parametrize("step", [1, 0])
    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 100])
    async def test_pages_join_without_gap_or_double_even_within_a_millisecond(
        self, calls: Calls, clock: FakeClock, step: float, limit: int
    ) -> None:
        made = await many(calls, clock, 6, step=step)
        found = await walked(lambda **o: calls.history(ROOM, **o), limit=limit)
        assert [call.id for call in found] == [call.id for call in made]
        entries = await walked(lambda **o: calls.log(BOB, **o), limit=limit)
        assert len({entry.call_session_id for entry in entries}) == 6
        keys = [(entry.created_at, entry.id) for entry in entries]
        assert keys == sorted(keys, reverse=True)

    async def test_the_last_page_has_no_next(self, calls: Calls, clock: FakeClock) -> None:
        await many(calls, clock, 3)
        assert (await calls.history(ROOM, limit=3)).next is None
        assert (await calls.history(ROOM, limit=2)).next is not None

    async def test_twenty_are_a_page_unless_said(self, calls: Calls, clock: FakeClock) -> None:
        await many(calls, clock, 21)
        assert len((await calls.history(ROOM)).items) == 20
        assert len((await calls.log(ANN)).items) == 20

    async def test_an_offset_skips(self, calls: Calls, clock: FakeClock) -> None:
        made = await many(calls, clock, 4)
        page = await calls.history(ROOM, limit=2, offset=1)
        assert [call.id for call in page.items] == [call.id for call in made[1:3]]
        rest = await calls.history(ROOM, cursor=page.next)
        assert [call.id for call in rest.items] == [made[3].id]
        assert (await calls.history(ROOM, offset=9)).items == []

    async def test_what_comes_after_does_not_move_the_pages(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        made = await many(calls, clock, 4)
        page = await calls.history(ROOM, limit=2)
        await many(calls, clock, 3)
        rest = await calls.history(ROOM, cursor=page.next)
        assert [call.id for call in rest.items] == [call.id for call in made[2:]]

    @pytest.mark.parametrize("limit", [0, 101, -1, True, 2.5, "3"])
    async def test_the_limit_has_bounds(self, calls: Calls, limit: Any) -> None:
        for work in (calls.history(ROOM, limit=limit), calls.log(ANN, limit=limit)):
            with pytest.raises(errors.Invalid) as refusal:
                await work
            assert [pointer for pointer, _ in refusal.value.errors] == ["/limit"]

    async def test_until_holds_beside_a_cursor_too(self, calls: Calls, clock: FakeClock) -> None:
        made = await many(calls, clock, 5)
        page = await calls.history(ROOM, limit=1)
        rest = await calls.history(ROOM, cursor=page.next, until=made[3].created_at)
        assert [call.id for call in rest.items] == [call.id for call in made[3:]]
        log = await calls.log(ANN, limit=1)
        entries = await calls.log(ANN, cursor=log.next, until=made[3].created_at)
        assert len(entries.items) == 2


@pytest.fixture
async def mixed(calls: Calls, clock: FakeClock) -> dict[str, Call]:
    """One call of every outcome, the oldest first, ten seconds apart."""
    made = {}

    async def keep(name: str, call: Call) -> None:
        made[name] = call
        clock.advance(10)

    async def begin(**options: Any) -> str:
        return (await calls.start(ROOM, ANN, invite=[BOB], **options)).id

    id = await begin()
    clock.advance(60)
    await keep("missed", await calls.expire(id))
    await keep("declined", await calls.decline(await begin(), BOB))
    await keep("cancelled", await calls.cancel(await begin(type="audio"), ANN))
    await keep("failed", await calls.end(await begin(), reason="error"))
    id = await begin()
    await calls.join(id, BOB)
    clock.advance(30)
    await keep("answered", await calls.end(id))
    id = (await calls.start(ROOM, BOB, invite=[ANN, CAT])).id
    await calls.join(id, CAT)
    clock.advance(5)
    await keep("short", await calls.end(id))
    await keep("ongoing", await calls.start(ROOM, ANN, invite=[BOB]))
    return made


HISTORY = [
    ({"outcome": "missed"}, ["missed"]),
    ({"outcome": "declined"}, ["declined"]),
    ({"outcome": "cancelled"}, ["cancelled"]),
    ({"outcome": "failed"}, ["failed"]),
    ({"outcome": "answered"}, ["short", "answered"]),
    ({"outcome": "ongoing"}, ["ongoing"]),
    ({"type": "audio"}, ["cancelled"]),
    ({"min_duration": 30}, ["answered"]),
    ({"min_duration": 1}, ["short", "answered"]),
    ({"party": CAT}, ["short"]),
    ({"party": EVE}, []),
    ({"party": BOB, "outcome": "answered", "min_duration": 6}, ["answered"]),
    ({"party": BOB, "type": "audio"}, ["cancelled"]),
]
LOG = [
    (BOB, {"outcome": "declined"}, ["declined"]),
    (BOB, {"outcome": "failed"}, ["failed"]),
    (BOB, {"outcome": "ongoing"}, ["ongoing"]),
    (BOB, {"direction": "outgoing"}, ["short"]),
    (ANN, {"direction": "incoming"}, ["short"]),
    (BOB, {"response": "missed"}, ["failed", "missed"]),
    (BOB, {"response": "ringing"}, ["ongoing"]),
    (ANN, {"response": "cancelled"}, ["failed", "cancelled"]),
    (BOB, {"type": "audio"}, ["cancelled"]),
    (BOB, {"unseen": True}, ["failed", "missed"]),
    (ANN, {"unseen": True}, ["short"]),
    (CAT, {}, ["short"]),
    (DAN, {}, []),
]


def names(made: dict[str, Call], ids: list[str]) -> list[str]:
    by_id = {call.id: name for name, call in made.items()}
    return [by_id[id] for id in ids]


class TestFilters:
    @pytest.mark.parametrize(("asked", "found"), HISTORY)
    async def test_a_history_has_what_was_asked_for(
        self, calls: Calls, mixed: dict[str, Call], asked: Any, found: list[str]
    ) -> None:
        page = await calls.history(ROOM, **asked)
        assert names(mixed, [call.id for call in page.items]) == found
        one_by_one = await walked(lambda **o: calls.history(ROOM, **o), limit=1, **asked)
        assert one_by_one == page.items

    @pytest.mark.parametrize(("party", "asked", "found"), LOG)
    async def test_a_log_has_what_was_asked_for(
        self, calls: Calls, mixed: dict[str, Call], party: Party, asked: Any, found: list[str]
    ) -> None:
        page = await calls.log(party, **asked)
        assert names(mixed, [entry.call_session_id for entry in page.items]) == found
        assert await walked(lambda **o: calls.log(party, **o), limit=1, **asked) == page.items

    async def test_since_and_until_take_both_ends(
        self, calls: Calls, mixed: dict[str, Call]
    ) -> None:
        since, until = mixed["declined"].created_at, mixed["failed"].created_at
        found = ["failed", "cancelled", "declined"]
        page = await calls.history(ROOM, since=since, until=until)
        assert names(mixed, [call.id for call in page.items]) == found
        log = await calls.log(BOB, since=since, until=until)
        assert names(mixed, [entry.call_session_id for entry in log.items]) == found
        moment = timedelta(milliseconds=1)
        page = await calls.history(ROOM, since=since + moment, until=until - moment)
        assert names(mixed, [call.id for call in page.items]) == ["cancelled"]

    @pytest.mark.usefixtures("mixed")
    async def test_history_comes_with_participants(self, calls: Calls) -> None:
        for call in (await calls.history(ROOM)).items:
            assert call == await calls.get(call.id)

    @pytest.mark.usefixtures("mixed")
    async def test_another_conversation_has_another_history(self, calls: Calls) -> None:
        assert (await calls.history(HALL)).items == []


class TestSeenAndHidden:
    async def missed(self, calls: Calls, clock: FakeClock, room: str = ROOM) -> str:
        call = await calls.start(room, ANN, invite=[BOB])
        clock.advance(60)
        await calls.expire(call.id)
        return call.id

    async def test_a_missed_call_is_unseen_until_it_is_seen(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        id = await self.missed(calls, clock)
        assert (await calls.unseen(BOB), await calls.unseen(ANN)) == (1, 0)
        assert await calls.mark_seen(BOB, [id]) == 1
        assert (await entry_of(calls, BOB)).seen_at == clock()
        assert await calls.unseen(BOB) == 0
        assert (await calls.log(BOB, unseen=True)).items == []

    async def test_a_second_look_counts_nothing_and_keeps_the_first_time(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        id = await self.missed(calls, clock)
        await calls.mark_seen(BOB, [id])
        at = clock()
        clock.advance(5)
        assert await calls.mark_seen(BOB, [id]) == 0
        assert (await entry_of(calls, BOB)).seen_at == at

    async def test_all_that_were_missed_can_be_seen_at_once(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        for _ in range(3):
            await self.missed(calls, clock)
        await calls.decline((await calls.start(ROOM, ANN, invite=[BOB])).id, BOB)
        assert await calls.mark_seen(BOB) == 3
        assert (await entry_of(calls, BOB)).seen_at is None

    async def test_only_what_was_missed_is_unseen(self, calls: Calls) -> None:
        await calls.cancel((await calls.start(ROOM, ANN, invite=[BOB])).id, ANN)
        await calls.end((await answered(calls)).id)
        assert await calls.unseen(BOB) == 0

    async def test_a_hidden_entry_is_out_of_the_log_for_its_party_only(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        id = await self.missed(calls, clock)
        assert await calls.hide(BOB, [id]) == 1
        assert await calls.hide(BOB, [id]) == 0
        assert (await calls.log(BOB)).items == []
        assert await calls.unseen(BOB) == 0
        assert len((await calls.log(ANN)).items) == 1
        assert len((await calls.history(ROOM)).items) == 1

    async def test_the_whole_log_can_be_hidden(self, calls: Calls, clock: FakeClock) -> None:
        for room in (ROOM, HALL):
            await self.missed(calls, clock, room)
        assert await calls.hide(BOB) == 2
        assert (await calls.log(BOB)).items == []

    async def test_a_hidden_entry_of_a_live_call_stays_hidden_when_it_ends(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        await calls.hide(BOB, [call.id])
        clock.advance(60)
        await calls.expire(call.id)
        assert ((await calls.log(BOB)).items, await calls.unseen(BOB)) == ([], 0)

    async def test_calls_of_others_and_unknown_ones_count_nothing(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        id = await self.missed(calls, clock)
        assert await calls.mark_seen(CAT, [id]) == 0
        assert await calls.mark_seen(BOB, [NOBODY_KNOWS]) == 0
        assert await calls.hide(BOB, []) == 0
        assert await calls.unseen(BOB) == 1


class TestLongFilteredPages:
    async def test_a_filter_looks_at_a_thousand_entries_a_page(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        """The needle lies below 1,050 others: short pages with a next lead to it."""
        first_room, *rooms = [conversation(n) for n in range(1, 1052)]
        await calls.start(first_room, ANN, type="audio")
        clock.advance(0.001)
        await asyncio.gather(*(calls.start(room, ANN) for room in rooms))
        first = await calls.log(ANN, type="audio")
        assert first.items == []
        assert first.next is not None
        second = await calls.log(ANN, type="audio", cursor=first.next)
        assert [entry.conversation_id for entry in second.items] == [first_room]
        assert second.next is None
        plenty = await calls.log(ANN, type="video", limit=100)
        assert len(plenty.items) == 100
        assert len(await walked(lambda **o: calls.log(ANN, **o), type="video", limit=100)) == 1050

    async def test_a_history_does_too(self, calls: Calls, clock: FakeClock) -> None:
        room, needle, ids = conversation(3), chosen_id(1), [chosen_id(n) for n in range(2, 1004)]
        await calls.start(room, ANN, type="audio", call_id=needle)
        await calls.end(needle)
        clock.advance(0.001)
        # One after the other, in the order in which they are asked for.
        await asyncio.gather(
            *(each for id in ids for each in (calls.start(room, ANN, call_id=id), calls.end(id)))
        )
        for party in (None, ANN):
            first = await calls.history(room, type="audio", party=party)
            assert first.items == []
            assert first.next is not None
            more: Any = {"type": "audio", "party": party, "cursor": first.next}
            second = await calls.history(room, **more)
            assert [call.id for call in second.items] == [needle]
