"""What the contract's tests stand on: a clock, ids, a few people, and calls on a fresh store."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from callstore import Call, Calls, LogEntry, Participant, Party, errors, open_calls
from callstore.testing.clock import FakeClock
from callstore.testing.data import chosen_id, conversation, fake_ids, guest, user

ANN, BOB, CAT, DAN, EVE = user(1), user(2), guest(1), user(3), guest(2)
ROOM, HALL = conversation(1), conversation(2)
NOBODY_KNOWS = chosen_id(0xDEAD)

Opening = Callable[..., AbstractAsyncContextManager[Calls]]
Act = Callable[[Calls, str], Awaitable[Any]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def new_id() -> Callable[[], str]:
    return fake_ids()


@pytest.fixture
def store_url(fresh_store: Callable[[], str]) -> str:
    return fresh_store()


@pytest.fixture
def files_url(tmp_path: Path) -> str:
    """Of where files of recordings go."""
    return (tmp_path / "files").as_uri()


@pytest.fixture
def opening(store_url: str, files_url: str, clock: FakeClock, new_id: Callable[[], str]) -> Opening:
    """Opens the test's store, with other settings, or once more where it can be shared."""
    usual = {
        "clock": clock,
        "new_id": new_id,
        "recordings": files_url,
        "settings": {"secret": "nobody knows"},
    }

    def opened(**options: Any) -> AbstractAsyncContextManager[Calls]:
        return open_calls(store_url, **{**usual, **options})

    return opened


@pytest.fixture
async def calls(opening: Opening) -> AsyncIterator[Calls]:
    """Whatever a test did, what it leaves must be sound."""
    async with opening() as opened:
        yield opened
        await check_sound(opened)


async def check_sound(calls: Calls) -> None:
    """A doctor finds nothing; rows, counts and events of every call in the rooms agree."""
    report = await calls.doctor()
    assert [finding for finding in report.findings if finding.problem != "overdue"] == []
    for room in (ROOM, HALL):
        cursor, more = None, True
        while more:
            page = await calls.history(room, limit=100, cursor=cursor)
            for call in page.items:
                await check_call(calls, call.id)
            cursor, more = page.next, page.next is not None


async def check_call(calls: Calls, call_id: str) -> None:
    """The call's counts are what its rows say, its rows what its events say."""
    call, events = await calls.get(call_id), await calls.timeline(call_id)
    people = call.participants or []
    assert [event.seq for event in events] == list(range(1, call.event_count + 1))
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert call.last_event_at == events[-1].at
    assert call.live_count == sum(row.seated for row in people)
    ever = call.erased_count + sum(row.answered_at is not None for row in people)
    assert call.joined_count == ever
    assert call.live_count <= call.peak_participants <= call.max_participants
    assert call.live == (call.ended_at is None)
    assert [event.type for event in events].count("call.ended") == (not call.live)
    parties = [row.party for row in people if row.party]
    assert len(set(parties)) == len(parties)
    state = await calls.state_at(call_id, call.last_event_at)
    assert (state.status, state.mode) == (call.status, call.mode)
    assert state.peak == call.peak_participants
    gone = state.participants.keys() - {row.id for row in people}
    assert not gone or "privacy.erased" in {event.type for event in events}
    assert state.participants.keys() >= {row.id for row in people}
    for row in people:
        told = state.participants[row.id]
        assert (told.party, told.status, told.stints) == (row.party, row.status, row.stints)
        assert (told.flags.audio, told.flags.video) == (row.audio_enabled, row.video_enabled)
        assert told.flags.screen == row.screen_share_enabled
        assert told.seated == row.seated


async def answered(calls: Calls, *others: Party, room: str = ROOM, **options: Any) -> Call:
    """A call of Ann's that these others, else Bob, were invited to and have answered."""
    call = await calls.start(room, ANN, invite=others or (BOB,), **options)
    for party in others or (BOB,):
        call = (await calls.join(call.id, party)).call
    return call


async def ended(calls: Calls) -> Call:
    """A call of Ann's and Bob's that was answered and has ended."""
    return await calls.end((await answered(calls)).id)


async def row_of(calls: Calls, call_id: str, party: Party) -> Participant:
    people = (await calls.get(call_id)).participants or []
    return next(row for row in people if row.party == party)


async def entry_of(calls: Calls, party: Party, call_id: str | None = None) -> LogEntry:
    """The party's log entry of a call, else the newest."""
    items = (await calls.log(party)).items
    return next(item for item in items if call_id in (None, item.call_session_id))


async def told(calls: Calls, call_id: str, *, after: int = 0) -> list[str]:
    """The types of the call's events."""
    return [event.type for event in await calls.timeline(call_id, after=after)]


async def outcome_of(work: Awaitable[Any]) -> Any:
    """What it gives, or the callstore error it raises; any other error is let through."""
    try:
        return await work
    except errors.CallstoreError as error:
        return error


async def unchanged(calls: Calls, call: Call, work: Awaitable[Any]) -> None:
    """`work` leaves the call as it is, and gives it."""
    before = await calls.get(call.id)
    given = await work
    assert given.id == call.id
    assert given.version == before.version
    assert await calls.get(call.id) == before
