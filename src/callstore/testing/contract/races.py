"""What must hold however many come at once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from callstore import Call, Calls, errors
from callstore.testing.clock import FakeClock
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    ROOM,
    Opening,
    answered,
    check_call,
    entry_of,
    outcome_of,
    told,
)
from callstore.testing.data import chosen_id, conversation, user


async def at_once(works: Iterable[Awaitable[Any]]) -> list[Any]:
    """What each gave: its result or its callstore error."""
    return await asyncio.gather(*map(outcome_of, works))


def kinds(results: Iterable[Any]) -> dict[str, int]:
    return dict(Counter(type(result).__name__ for result in results))


class TestRaces:
    async def test_of_a_thousand_joins_exactly_as_many_as_there_are_seats_succeed(
        self, calls: Calls
    ) -> None:
        call = await calls.start(ROOM, ANN, max_participants=50)
        results = await at_once(calls.join(call.id, user(100 + n)) for n in range(1000))
        assert kinds(results) == {"Joined": 49, "CallFull": 951}
        after = await calls.get(call.id)
        assert (after.live_count, after.joined_count, after.peak_participants) == (50, 50, 50)
        assert len(after.participants or []) == 50
        await check_call(calls, call.id)

    async def test_early_joiners_who_answer_at_once_get_the_seats_there_are(
        self, calls: Calls
    ) -> None:
        invited = [user(100 + n) for n in range(60)]
        call = await calls.start(ROOM, ANN, invite=invited, max_participants=20)
        await at_once(calls.join(call.id, party, answer=False) for party in invited)
        results = await at_once(calls.connected(call.id, party) for party in invited)
        assert kinds(results) == {"Call": 19, "CallFull": 41}

    async def test_of_five_hundred_starts_in_a_conversation_one_succeeds(
        self, calls: Calls
    ) -> None:
        results = await at_once(calls.start(ROOM, user(n)) for n in range(1, 501))
        assert kinds(results) == {"Call": 1, "CallAlreadyLive": 499}
        (made,) = (result for result in results if isinstance(result, Call))
        assert {r.call_id for r in results if isinstance(r, errors.CallAlreadyLive)} == {made.id}
        assert len((await calls.history(ROOM)).items) == 1

    async def test_two_hundred_ends_end_it_once(self, calls: Calls) -> None:
        call = await answered(calls)
        results = await at_once(calls.end(call.id, by=(ANN, BOB, None)[n % 3]) for n in range(200))
        assert kinds(results) == {"Call": 200}
        assert {result.version for result in results} == {call.version + 1}
        assert (await told(calls, call.id)).count("call.ended") == 1

    @pytest.mark.parametrize("join_first", [True, False])
    async def test_a_join_against_an_end_is_in_it_or_refused(
        self, calls: Calls, join_first: bool
    ) -> None:
        call = await answered(calls)
        race = [calls.join(call.id, CAT), calls.end(call.id)]
        results = await at_once(race if join_first else reversed(race))
        after = await calls.get(call.id)
        was_in = CAT in {row.party for row in after.participants or []}
        assert kinds(results) == {"Joined" if was_in else "CallEnded": 1, "Call": 1}
        assert (after.live, after.live_count) == (False, 0)

    async def test_the_last_two_leaving_at_once_end_it_once(self, calls: Calls) -> None:
        for end_when in ("alone", "empty"):
            call = await answered(calls, end_when=end_when)
            await at_once(calls.leave(call.id, party) for party in (ANN, BOB))
            assert (await told(calls, call.id)).count("call.ended") == 1
            assert not (await calls.get(call.id)).live

    @pytest.mark.parametrize("answer_first", [True, False])
    async def test_an_answer_against_the_ring_deadline_wins_or_is_told_it_ended(
        self, calls: Calls, clock: FakeClock, answer_first: bool
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(60)
        race: list[Awaitable[Any]] = [calls.join(call.id, BOB), calls.expire(call.id)]
        results = await at_once(race if answer_first else reversed(race))
        after, entry = await calls.get(call.id), await entry_of(calls, BOB)
        if answer_first:
            assert kinds(results) == {"Joined": 1, "Call": 1}
            assert (after.status, entry.response) == ("active", "accepted")
        else:
            assert kinds(results) == {"CallEnded": 1, "Call": 1}
            assert (after.outcome, entry.response) == ("missed", "missed")

    @pytest.mark.parametrize("decline_first", [True, False])
    async def test_a_decline_against_an_answer_leaves_one_of_the_two(
        self, calls: Calls, decline_first: bool
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        race = [calls.decline(call.id, BOB), calls.join(call.id, BOB)]
        results = await at_once(race if decline_first else reversed(race))
        after = await calls.get(call.id)
        if decline_first:
            assert kinds(results) == {"Call": 1, "CallEnded": 1}
            assert after.outcome == "declined"
        else:
            assert kinds(results) == {"Joined": 1, "InvalidTransition": 1}
            assert after.status == "active"

    async def test_a_thousand_heartbeats_while_the_call_ends(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        clock.advance(60)
        beats = [calls.heartbeat(call.id, (ANN, BOB)[n % 2]) for n in range(1000)]
        results = await at_once([*beats[:500], calls.end(call.id), *beats[500:]])
        assert kinds(results) == {"NoneType": 500, "CallEnded": 500, "Call": 1}
        assert (await calls.get(call.id)).version == call.version + 1

    async def test_the_same_start_with_a_chosen_id_a_hundred_times_is_one_call(
        self, calls: Calls
    ) -> None:
        id = chosen_id(1)
        results = await at_once(
            calls.start(ROOM, ANN, invite=[BOB], call_id=id) for _ in range(100)
        )
        assert kinds(results) == {"Call": 100}
        assert {result.id for result in results} == {id}
        assert (await calls.get(id)).version == 1

    async def test_one_party_joining_a_hundred_times_has_one_row(self, calls: Calls) -> None:
        call = await answered(calls)
        await at_once(calls.join(call.id, CAT) for _ in range(100))
        after = await calls.get(call.id)
        assert [row.party for row in after.participants or []].count(CAT) == 1
        assert (after.live_count, after.version) == (3, call.version + 1)

    async def test_calls_that_follow_each_other_in_one_group(self, calls: Calls) -> None:
        """Each start finds the conversation as the commands before it left it."""
        ids = [chosen_id(n) for n in range(1, 21)]
        works: list[Awaitable[Any]] = []
        for id in ids:
            works += [calls.start(ROOM, ANN, call_id=id), calls.join(id, BOB), calls.end(id)]
        assert kinds(await at_once(works)) == {"Call": 40, "Joined": 20}
        for id in ids:
            assert (await calls.get(id)).outcome == "answered"

    async def test_many_lives_at_once_stay_apart(self, calls: Calls) -> None:
        async def life(n: int) -> str:
            call = await calls.start(conversation(n), ANN, invite=[BOB, CAT])
            await asyncio.gather(calls.join(call.id, BOB), calls.join(call.id, CAT))
            await asyncio.gather(*(calls.leave(call.id, p) for p in (ANN, BOB, CAT)))
            return call.id

        for id in await asyncio.gather(*map(life, range(1, 101))):
            assert (await calls.get(id)).end_reason == "normal"
            await check_call(calls, id)


class TestOneOfAGroupThatCannotBeWritten:
    async def test_it_fails_alone(self, opening: Opening) -> None:
        """A call whose ring deadline lies past what a store keeps is refused by the store."""
        eve_of_2100 = FakeClock(datetime(2099, 12, 31, 23, 59, 30, tzinfo=UTC))
        async with opening(clock=eve_of_2100) as calls:
            results = await at_once(
                calls.start(conversation(n), ANN, invite=[BOB], ring_seconds=60 if n == 77 else 5)
                for n in range(1, 201)
            )
            assert kinds(results) == {"Call": 199, "StoreError": 1}
            assert isinstance(results[76], errors.StoreError)
            assert await calls.live_in(conversation(77)) is None
            assert await calls.live_in(conversation(78)) == results[77]
            assert (await calls.doctor()).findings == []

    async def test_a_passing_fault_harms_nobody(
        self, opening: Opening, new_id: Callable[[], str]
    ) -> None:
        made: list[str] = []

        def failing_once() -> str:
            made.append(new_id())
            return "no id" if len(made) == 500 else made[-1]

        async with opening(new_id=failing_once) as calls:
            results = await at_once(calls.start(conversation(n), ANN) for n in range(1, 201))
            assert kinds(results) == {"Call": 200}
            for call in results:
                await check_call(calls, call.id)

    @pytest.mark.parametrize("fault", [ZeroDivisionError, StopIteration, KeyError])
    async def test_a_maker_of_ids_that_fails_is_the_stores_error(
        self, opening: Opening, fault: type[Exception]
    ) -> None:
        def failing() -> str:
            raise fault

        async with opening(new_id=failing) as calls:
            results = await at_once(calls.start(conversation(n), ANN) for n in range(1, 4))
            assert kinds(results) == {"StoreError": 3}

    @pytest.mark.parametrize("garbage", ["no id", "", "A" * 24, None, 7, object()])
    async def test_ids_that_are_none_are_the_stores_error(
        self, opening: Opening, garbage: Any
    ) -> None:
        async with opening(new_id=lambda: garbage) as calls:
            with pytest.raises(errors.CallstoreError):
                await calls.start(ROOM, ANN)
            assert (await calls.history(ROOM)).items == []
