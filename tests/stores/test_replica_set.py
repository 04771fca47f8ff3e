"""A replica set of three loses its primary under load: nothing acknowledged is lost, or done
twice."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pymongo
import pytest
from pymongo.errors import PyMongoError
from tests.stores import database

from callstore import Call, Calls, User, errors, open_calls
from callstore.stores.mongo.connection import Client
from callstore.testing.contract.world import check_call
from callstore.testing.data import chosen_id, conversation, user
from callstore.testing.mongod import LocalMongod, local_mongod

pytestmark = [
    pytest.mark.xdist_group("replica_set"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def three() -> Iterator[LocalMongod]:
    with local_mongod(3) as running:
        yield running


class Load:
    """Callers that start, join and end calls without a pause, each in a conversation of its own,
    and what they were told."""

    def __init__(self, calls: Calls, callers: int) -> None:
        self.calls = calls
        self.acknowledged: list[tuple[str, str, Any]] = []  # call, command, whose
        self.refusals: list[BaseException] = []
        self.times: list[float] = []  # of acknowledgements
        self._tasks = [asyncio.create_task(self._caller(n)) for n in range(callers)]
        self._stop = False

    async def _caller(self, n: int) -> None:
        room, number = conversation(10_000 + n), 0
        while not self._stop:
            number += 1
            id = chosen_id(n * 100_000 + number)
            ann, bob = user(2 * n + 1), user(2 * n + 2)
            while not await self._do(id, "start", self.calls.start(room, ann, call_id=id)):
                if self._stop:
                    return
            await self._do(id, "join", self.calls.join(id, bob), bob)
            while not await self._do(id, "end", self.calls.end(id)):
                if self._stop:
                    return

    async def _do(self, call: str, command: str, work: Any, party: User | None = None) -> bool:
        try:
            await work
        except errors.StoreError as error:
            self.refusals.append(error)
            return False
        self.acknowledged.append((call, command, party))
        self.times.append(time.monotonic())
        return True

    async def run_until(self, count: int, patience: float = 60) -> None:
        """Until so many more were acknowledged."""
        deadline, enough = time.monotonic() + patience, len(self.acknowledged) + count
        while len(self.acknowledged) < enough:
            assert time.monotonic() < deadline, self.refusals[-3:]
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def check(self) -> None:
        """Each acknowledged command is there once; no call has an event twice."""
        for error in self.refusals:
            assert isinstance(error, errors.StoreUnavailable), error
        for id in {call for call, _, _ in self.acknowledged}:
            told = [(e.type, e.party) for e in await self.calls.timeline(id)]
            assert len(told) == len(set(told)), told
            done = {(command, party) for call, command, party in self.acknowledged if call == id}
            assert ("start", None) not in done or told[0][0] == "call.started"
            assert ("end", None) not in done or told[-1][0] == "call.ended"
            for command, party in done:
                assert command != "join" or ("participant.joined", party) in told
            await check_call(self.calls, id)
        report = await self.calls.doctor()
        assert [f for f in report.findings if f.problem != "overdue"] == []


@contextlib.asynccontextmanager
async def plain_writer(three: LocalMongod) -> AsyncIterator[list[float]]:
    """When a majority had each write of a plain driver's, one after the other."""
    times: list[float] = []
    wrote, ended = asyncio.Event(), False

    async def write() -> None:
        while not ended:
            with contextlib.suppress(PyMongoError), pymongo.timeout(5):
                await rows.insert_one({})
                times.append(time.monotonic())
                wrote.set()
            await asyncio.sleep(0.02)

    client: Client = pymongo.AsyncMongoClient(  # it waits as callstore does
        three.url, connectTimeoutMS=2000, heartbeatFrequencyMS=2000
    )
    async with client:
        rows = client.plain.get_collection("rows", write_concern=pymongo.WriteConcern("majority"))
        writer = asyncio.create_task(write())
        try:
            yield times
            wrote.clear()
            await wrote.wait()  # a pause that goes on counts, too
        finally:
            ended = True
            await writer


def longest_pause(times: list[float]) -> float:
    return max(b - a for a, b in itertools.pairwise(times))


@pytest.fixture
async def calls(three: LocalMongod, request: pytest.FixtureRequest) -> AsyncIterator[Calls]:
    async with open_calls(f"{three.url}/{request.node.name}") as opened:
        yield opened


async def test_the_primary_is_killed(three: LocalMongod, calls: Calls) -> None:
    async with plain_writer(three) as plain:
        load = Load(calls, 16)
        await load.run_until(300)
        gone = await asyncio.to_thread(three.primary)
        await asyncio.to_thread(three.kill, gone)
        await load.run_until(300)
        await load.stop()
    await asyncio.to_thread(three.start, gone)
    await _check(load, plain)


async def test_the_primary_is_stopped_for_twenty_seconds(three: LocalMongod, calls: Calls) -> None:
    async with plain_writer(three) as plain:
        load = Load(calls, 16)
        await load.run_until(300)
        stopped = await asyncio.to_thread(three.primary)
        three.pause(stopped)
        began = time.monotonic()
        await load.run_until(100)
        await asyncio.sleep(max(0, 20 - (time.monotonic() - began)))
        three.resume(stopped)
        await load.run_until(300)
        await load.stop()
    await _check(load, plain)


async def _check(load: Load, plain: list[float]) -> None:
    """It was back within 15 s, and little later than whoever writes the same way without us."""
    assert longest_pause(load.times) < min(15, longest_pause(plain) + 3)
    await load.check()


async def test_a_migration_does_not_wait_for_a_member_that_is_down(three: LocalMongod) -> None:
    url = f"{three.url}/migrated"
    async with open_calls(url) as calls:
        await calls.start(conversation(1), user(1))
        database.drop_index(url, "CallSession", "CallSession_history")
        down = (await asyncio.to_thread(three.primary) + 1) % 3
        await asyncio.to_thread(three.kill, down)
        async with asyncio.timeout(15):
            await calls.schema.up()
        assert (await calls.schema.plan()).changes == []
        await asyncio.to_thread(three.start, down)


async def test_all_are_gone_and_come_back(three: LocalMongod) -> None:
    url = f"{three.url}/gone"
    async with open_calls(url, settings={"command_deadline": 1}) as calls:
        call = await calls.start(conversation(1), user(1))
        for number in range(3):
            await asyncio.to_thread(three.kill, number)
        works = (
            calls.join(call.id, user(2)),
            calls.get(call.id),
            calls.history(conversation(1)),
            calls.log(user(1)),
            calls.sweep(),
            calls.mark_seen(user(1)),
            calls.quality.analyse(call.id),
        )
        began = time.monotonic()
        results = await asyncio.gather(*works, return_exceptions=True)
        assert time.monotonic() - began < 5  # each gives up after a second
        for result in results:
            assert isinstance(result, errors.StoreUnavailable), result
            assert "cannot be reached" in str(result)
        began = time.monotonic()
        with pytest.raises(errors.StoreUnavailable, match="cannot be reached"):
            await calls.doctor()
        assert time.monotonic() - began < 10  # no deadline: the driver looks for a server for 5 s
        with pytest.raises(errors.StoreUnavailable, match="cannot be reached"):
            async with open_calls(url, settings={"command_deadline": 1}):
                pass
        for number in range(3):
            await asyncio.to_thread(three.start, number)
        await asyncio.to_thread(three.primary)
        joined = await _patiently(calls, call)
        assert joined.live_count == 2
        await check_call(calls, call.id)


async def _patiently(calls: Calls, call: Call) -> Call:
    for _ in range(30):
        try:
            return (await calls.join(call.id, user(2))).call
        except errors.StoreUnavailable:
            await asyncio.sleep(0.2)
    raise AssertionError("it did not come back")
