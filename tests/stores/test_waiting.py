"""Others that hold the file, callers that go away, disks that are full."""

import asyncio
import contextlib
import resource
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from callstore import Call, Calls, errors, open_calls
from callstore.testing.contract.races import at_once, kinds
from callstore.testing.contract.world import ANN, BOB, ROOM, check_call, check_sound, outcome_of
from callstore.testing.data import conversation, user


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
async def calls(path: Path) -> AsyncIterator[Calls]:
    async with open_calls(f"sqlite:///{path}", settings={"command_deadline": 0.3}) as opened:
        yield opened
        await check_sound(opened)


@contextlib.contextmanager
def held(path: Path) -> Iterator[sqlite3.Connection]:
    """Another connection that keeps the write lock, as another process would."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield db


class TestBusy:
    async def test_a_command_gives_up_at_its_deadline_and_changes_nothing(
        self, calls: Calls, path: Path
    ) -> None:
        loop = asyncio.get_running_loop()
        with held(path):
            began = loop.time()
            with pytest.raises(errors.Busy):
                await calls.start(ROOM, ANN)
            assert 0.3 <= loop.time() - began < 5
        assert await calls.live_in(ROOM) is None
        await calls.start(ROOM, ANN)

    async def test_reading_goes_on(self, calls: Calls, path: Path) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        with held(path) as other:
            other.execute("UPDATE CallSession SET routerId = 'x'")
            assert await calls.get(call.id) == call
            assert await calls.live_in(ROOM) == call
            assert len((await calls.log(BOB)).items) == 1

    async def test_what_waits_is_done_when_the_other_lets_go(self, path: Path) -> None:
        async with open_calls(f"sqlite:///{path}") as calls:
            with held(path) as other:
                asyncio.get_running_loop().call_later(0.05, other.execute, "COMMIT")
                works = (calls.start(conversation(n), ANN) for n in range(1, 21))
                assert kinds(await at_once(works)) == {"Call": 20}
            await check_sound(calls)

    async def test_no_command_gives_up_before_its_own_deadline(self, path: Path) -> None:
        """The late one waits in a group with one that gives up earlier."""
        async with open_calls(f"sqlite:///{path}", settings={"command_deadline": 2}) as calls:
            with held(path) as other:
                works = []
                for room, after in ((1, 0.1), (2, 1.4), (3, 0)):
                    works.append(asyncio.create_task(calls.start(conversation(room), ANN)))
                    await asyncio.wait(works, timeout=after)
                early = await at_once(works[:2])
                other.execute("COMMIT")  # the late one has more than a second left
                assert kinds(early) == {"Busy": 2}
                assert (await works[2]).live

    @pytest.mark.parametrize("act", ["mark_seen", "hide", "sweep", "analyse"])
    async def test_what_is_no_command_gives_up_too(
        self, calls: Calls, path: Path, act: str
    ) -> None:
        call = await calls.start(ROOM, ANN)
        work: dict[str, Callable[[], Awaitable[object]]] = {
            "mark_seen": lambda: calls.mark_seen(ANN),
            "hide": lambda: calls.hide(ANN),
            "sweep": lambda: calls.sweep(),
            "analyse": lambda: calls.quality.analyse(call.id),
        }
        with held(path), pytest.raises(errors.Busy):
            await work[act]()

    async def test_a_database_that_is_there_is_opened_without_waiting(self, path: Path) -> None:
        async with open_calls(f"sqlite:///{path}"):
            pass
        with held(path):
            async with open_calls(f"sqlite:///{path}") as calls:
                assert await calls.live_in(ROOM) is None


class TestCancellation:
    async def test_a_caller_that_goes_away_harms_nobody(self, calls: Calls) -> None:
        works = [asyncio.create_task(calls.start(conversation(n), ANN)) for n in range(1, 101)]
        await asyncio.sleep(0)
        for work in works[::3]:
            work.cancel()
        results = await asyncio.gather(*works, return_exceptions=True)
        assert kinds(results) == {"Call": 66, "CancelledError": 34}
        for call in results[1::3]:
            assert isinstance(call, Call)
            await check_call(calls, call.id)

    async def test_one_that_is_cancelled_before_its_turn_is_not_done(
        self, calls: Calls, path: Path
    ) -> None:
        with held(path) as other:
            first = asyncio.create_task(calls.start(ROOM, ANN))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            second = asyncio.create_task(calls.start(conversation(2), ANN))
            await asyncio.sleep(0)
            second.cancel()
            other.execute("COMMIT")
            assert (await first).live
            with pytest.raises(asyncio.CancelledError):
                await second
        await calls.start(conversation(3), ANN)
        assert await calls.live_in(conversation(2)) is None

    async def test_closing_waits_for_what_is_under_way(self, path: Path) -> None:
        async with open_calls(f"sqlite:///{path}") as calls:
            works = [asyncio.create_task(calls.start(conversation(n), ANN)) for n in range(1, 51)]
            await asyncio.sleep(0)
        assert kinds(await asyncio.gather(*works)) == {"Call": 50}

    async def test_after_closing_callstore_says_so(self, path: Path) -> None:
        async with open_calls(f"sqlite:///{path}") as calls:
            call = await calls.start(ROOM, ANN)
        works = (
            calls.start(conversation(2), ANN),
            calls.get(call.id),
            calls.log(ANN),
            calls.sweep(),
            calls.mark_seen(ANN),
        )
        results = await asyncio.gather(*works, return_exceptions=True)
        assert kinds(results) == {"StoreUnavailable": 5}


async def fill(calls: Calls) -> tuple[list[Call], errors.StoreUnavailable]:
    """Calls until there is no room for more."""
    made: list[Call] = []
    invite = [user(100 + n) for n in range(20)]
    for n in range(1, 10_000):
        result = await outcome_of(calls.start(conversation(n), ANN, invite=invite))
        if isinstance(result, errors.StoreUnavailable):
            return made, result
        made.append(result)
    raise AssertionError("there was room for all")


class TestFullDisk:
    async def test_at_the_page_limit_nothing_is_half_done(self, calls: Calls) -> None:
        writer = calls._store._engine._writer  # type: ignore[attr-defined]
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count = {pages + 20}")
        made, refusal = await fill(calls)
        assert made
        assert "full" in str(refusal)
        await self.check_usable(calls, made)
        results = await at_once(calls.start(conversation(9000 + n), ANN) for n in range(200))
        assert set(kinds(results)) <= {"Call", "StoreUnavailable"}
        writer.execute("PRAGMA max_page_count = 1000000")
        assert (await calls.end(made[0].id)).live is False
        await calls.start(conversation(len(made) + 1), ANN)

    async def test_when_the_system_refuses_to_write_nothing_is_half_done(
        self, calls: Calls, path: Path
    ) -> None:
        await calls.start(ROOM, BOB)
        await calls.end((await calls.live_in(ROOM)).id)  # type: ignore[union-attr]
        log = path.with_name("calls.db-wal")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 200_000, hard))
            made, _ = await fill(calls)
            assert made
            await self.check_usable(calls, made)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await calls.start(conversation(len(made) + 1), ANN)
        await calls.end(made[0].id)

    async def check_usable(self, calls: Calls, made: list[Call]) -> None:
        """Reading works, every acknowledged call is there, and the refused one is not."""
        for call in made:
            assert await calls.get(call.id) == call
            await check_call(calls, call.id)
        assert await calls.live_in(conversation(len(made) + 1)) is None
        assert (await calls.doctor()).findings == []
