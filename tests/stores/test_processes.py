"""Four processes on one store: they wait for each other, and every result is exact."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.stores.processes import ids, kinds, race

from callstore import Calls, open_calls
from callstore.testing.contract.world import ANN, BOB, ROOM, check_call, check_sound, told
from callstore.testing.data import conversation, user

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(180)]

FOUR = range(4)


@pytest.fixture
def url(empty_url: str) -> str:
    return empty_url


@pytest.fixture
async def calls(url: str) -> AsyncIterator[Calls]:
    async with open_calls(url) as opened:
        yield opened
        await check_sound(opened)


async def test_a_thousand_joins_fill_the_seats_and_no_more(calls: Calls, url: str) -> None:
    call = await calls.start(ROOM, ANN, max_participants=50)
    crowds = [list(range(100 + n * 250, 350 + n * 250)) for n in FOUR]
    results = race("joins", url, [{"call": call.id, "users": crowd} for crowd in crowds])
    assert kinds(results) == {"Joined": 49, "CallFull": 951}
    after = await calls.get(call.id)
    assert (after.live_count, after.joined_count, after.peak_participants) == (50, 50, 50)


async def test_of_five_hundred_starts_one_succeeds(calls: Calls, url: str) -> None:
    results = race("starts", url, [{"me": n + 1, "times": 125} for n in FOUR])
    assert kinds(results) == {"Call": 1, "CallAlreadyLive": 499}
    assert ids(results, "Call") == ids(results, "CallAlreadyLive")


async def test_the_same_start_with_a_chosen_id_is_one_call(calls: Calls, url: str) -> None:
    results = race("chosen", url, [{} for _ in FOUR])
    assert kinds(results) == {"Call": 200}
    assert len(ids(results, "Call")) == 1
    assert len((await calls.history(ROOM)).items) == 1


async def test_two_hundred_ends_end_it_once(calls: Calls, url: str) -> None:
    call = await calls.start(ROOM, ANN, invite=[BOB])
    results = race("ends", url, [{"call": call.id, "times": 50} for _ in FOUR])
    assert kinds(results) == {"Call": 200}
    assert (await calls.get(call.id)).version == call.version + 1
    assert (await told(calls, call.id)).count("call.ended") == 1


async def test_everyone_leaving_at_once_ends_it_once(calls: Calls, url: str) -> None:
    call = await calls.start(ROOM, user(1))
    for n in range(2, 41):
        await calls.join(call.id, user(n))
    crowds = [list(range(1 + n * 10, 11 + n * 10)) for n in FOUR]
    results = race("leaves", url, [{"call": call.id, "users": crowd} for crowd in crowds])
    assert kinds(results) == {"Call": 40}
    events = await told(calls, call.id)
    assert (events.count("participant.left"), events.count("call.ended")) == (40, 1)


async def test_joins_against_an_end_are_in_it_or_refused(calls: Calls, url: str) -> None:
    call = await calls.start(ROOM, ANN)
    arguments = [
        {"call": call.id, "users": list(range(100 + n * 50, 150 + n * 50)), "ends": n == 0}
        for n in FOUR
    ]
    found = kinds(race("joins_or_ends", url, arguments))
    after = await calls.get(call.id)
    assert after.live is False
    assert found.pop("Call") == 1
    assert found.get("Joined", 0) == len(after.participants or []) - 1
    assert sum(found.values()) == 200
    assert set(found) <= {"Joined", "CallEnded", "CallFull"}


async def test_an_answer_against_the_ring_deadline_or_a_decline_leaves_one_of_them(
    calls: Calls, url: str
) -> None:
    then = datetime.now(UTC) - timedelta(minutes=5)
    for task, outcomes in (
        ("answers_or_expires", {"missed", "ongoing"}),
        ("answers_or_declines", {"declined", "ongoing"}),
    ):
        async with open_calls(url, clock=lambda: then) as earlier:
            rooms = [conversation(1000 + n) for n in range(25)]
            rung = [(await earlier.start(room, ANN, invite=[BOB])).id for room in rooms]
        results = race(task, url, [{"me": n, "calls": rung} for n in FOUR])
        assert set(kinds(results)) <= {"Call", "Joined", "CallEnded", "InvalidTransition"}
        joined = ids(results, "Joined")
        for id in rung:
            call = await calls.get(id)
            await check_call(calls, id)
            assert call.outcome in outcomes
            assert (call.outcome == "ongoing") == (id in joined)
            await calls.end(id)


async def test_a_thousand_heartbeats_while_the_call_ends(calls: Calls, url: str) -> None:
    call = await calls.start(ROOM, ANN, invite=[BOB])
    await calls.join(call.id, BOB)
    found = kinds(race("beats", url, [{"me": n, "call": call.id} for n in FOUR]))
    assert set(found) <= {"NoneType", "CallEnded", "Call"}
    assert (found["Call"], sum(found.values())) == (1, 1001)
    assert (await calls.get(call.id)).live_count == 0


async def test_whole_lives_in_the_same_rooms_stay_sound(calls: Calls, url: str) -> None:
    results = race("lives", url, [{"me": n, "times": 30} for n in FOUR])
    assert "Busy" not in kinds(results)
    assert "StoreError" not in kinds(results)
    for id in ids(results, "Call"):
        await check_call(calls, id)


async def test_four_sweepers_end_every_call_once(calls: Calls, url: str) -> None:
    then = datetime.now(UTC) - timedelta(minutes=5)
    async with open_calls(url, clock=lambda: then) as earlier:
        rung = [(await earlier.start(conversation(n), ANN, invite=[BOB])).id for n in range(1, 101)]
    results = race("sweeps", url, [{} for _ in FOUR])
    assert sum(int(count) for ((_, count),) in results) == 100
    for id in rung:
        assert (await told(calls, id)).count("call.ended") == 1


@pytest.mark.parametrize("late", [False, True], ids=["a store", "a new store"])
async def test_privileged_acts_of_four_processes_are_one_chain(new_url: str, late: bool) -> None:
    if not late:
        async with open_calls(new_url):
            pass
    given = [{"me": n, "times": 20, "late": late} for n in FOUR]
    assert kinds(race("notes", new_url, given)) == {"AuditEntry": 80}
    async with open_calls(new_url) as calls:
        report = await calls.audit.verify()
        assert (report.ok, report.entries) == (True, 80)
        page = await calls.audit.list(limit=100)
        assert [entry.seq for entry in page.items] == [*range(80, 0, -1)]
        for n in FOUR:
            own = [entry.data for entry in page.items if entry.by == str(n)]
            assert own == [{"n": number} for number in range(19, -1, -1)]


@pytest.mark.parametrize("round", range(5))
async def test_four_processes_may_create_the_store_at_once(new_url: str, round: int) -> None:
    arguments = [{"me": n + 1, "times": 1, "late": True} for n in FOUR]
    assert kinds(race("starts", new_url, arguments)) == {"Call": 1, "CallAlreadyLive": 3}
    async with open_calls(new_url) as calls:
        assert [step.id for step in (await calls.schema.status()).applied] == [1, 2]
        await check_sound(calls)


async def test_a_second_opener_that_closes_does_not_loosen_the_firsts_hold(
    calls: Calls, url: str
) -> None:
    """POSIX drops a process's locks on a file when any of its descriptors is closed."""
    call = await calls.start(ROOM, ANN)
    async with open_calls(url):
        pass
    race("joins", url, [{"call": call.id, "users": [n + 10]} for n in FOUR])
    await calls.join(call.id, BOB)
    async with open_calls(url) as other:
        assert (await other.get(call.id)).live_count == (await calls.get(call.id)).live_count == 6
