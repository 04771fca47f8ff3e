"""The same rows written raw in groups: the goal that callstore's mix is held against.

What callstore writes while it plays the mix is recorded once, transaction by transaction. Then the
bare driver writes it, in as many transactions with the same rows in each, as many at once as
callstore has: it loads nothing, decides nothing and checks nothing.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

from pymongo import AsyncMongoClient, UpdateOne, monitoring
from pymongo.write_concern import WriteConcern

from bench import mix
from bench.harness import NotMeasured, Timing
from callstore import open_calls


class Write(NamedTuple):
    collection: str
    inserts: list[dict[str, Any]]
    updates: list[tuple[dict[str, Any], dict[str, Any]]]  # (filter, update)


class Group(NamedTuple):
    """A transaction."""

    writes: list[Write]
    calls: set[Any]  # that its rows are of


class Recorded(NamedTuple):
    groups: list[Group]  # in the order of their commits
    commands: int
    at_once: int  # transactions on their way, of other calls each: as many as callstore has


class _Recorder(monitoring.CommandListener):
    def __init__(self) -> None:
        self._open: dict[Any, list[Write]] = {}
        self._committing: dict[int, Any] = {}
        self.committed: list[list[Write]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        command, name = event.command, event.command_name
        if "txnNumber" not in command:
            return
        key = (command["lsid"]["id"], command["txnNumber"])
        if name == "insert":
            self._write(key, Write(command[name], [*command["documents"]], []))
        elif name == "update":
            pairs = [(each["q"], each["u"]) for each in command["updates"]]
            self._write(key, Write(command[name], [], pairs))
        elif name == "commitTransaction":
            self._committing[event.request_id] = key

    def _write(self, key: Any, write: Write) -> None:
        self._open.setdefault(key, []).append(write)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if (key := self._committing.pop(event.request_id, None)) in self._open:
            self.committed.append(self._open.pop(key))

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """A transaction that fails is not committed, and so not recorded."""


def grouped(committed: Iterable[list[Write]]) -> list[Group]:
    """With the calls of their rows: those that are updated have been inserted before."""
    calls: dict[Any, Any] = {}
    groups = []
    for writes in committed:
        for row in (row for each in writes for row in each.inserts):
            calls[row["_id"]] = row.get("callSessionId", row["_id"])
        inserted = (row for each in writes for row in each.inserts)
        updated = (where for each in writes for where, _ in each.updates)
        groups.append(Group(writes, {calls[row["_id"]] for row in (*inserted, *updated)}))
    return groups


def record(url: str, database: str, lives: int) -> Recorded:
    """What callstore writes for so many lives. In a process of its own: who listens to a driver's
    commands does so for good."""
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawned) as pool:
        return pool.submit(_record, url, database, lives).result()


def _record(url: str, database: str, lives: int) -> Recorded:
    recorder = _Recorder()
    monitoring.register(recorder)
    return asyncio.run(_play(f"{url}/{database}", lives, recorder))


async def _play(url: str, lives: int, recorder: _Recorder) -> Recorded:
    timing = Timing()
    async with open_calls(url) as calls:
        recorder.committed.clear()
        await mix.drive(mix.lives(lives), lambda life: mix.play(calls, life, timing))
        return Recorded(grouped(recorder.committed), timing.done, calls._store.at_once)


async def rewrite(url: str, database: str, recorded: Recorded) -> Timing:
    """Writes what was recorded to a database that has callstore's collections."""
    timing = Timing(done=recorded.commands)
    async with AsyncMongoClient[dict[str, Any]](url) as client:

        async def write(group: Group) -> None:
            began = time.perf_counter()
            async with client.start_session(causal_consistency=False) as session:
                await session.start_transaction(write_concern=WriteConcern("majority"))
                for each in group.writes:
                    await _write(client[database][each.collection], each, session)
                await session.commit_transaction()
            timing.latencies.setdefault("group", []).append(time.perf_counter() - began)

        with timing.running():
            await _some_at_once(recorded.groups, recorded.at_once, write)
    return timing


async def _some_at_once(
    groups: Iterable[Group], count: int, write: Callable[[Group], Coroutine[Any, Any, None]]
) -> None:
    """In their order; one that has a call of another's that is on its way waits for that."""
    under_way: dict[asyncio.Task[None], set[Any]] = {}
    async with asyncio.TaskGroup() as tasks:
        for group in groups:
            while len(under_way) == count or any(group.calls & c for c in under_way.values()):
                over, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                under_way = {task: c for task, c in under_way.items() if task not in over}
            under_way[tasks.create_task(write(group))] = group.calls


async def _write(collection: Any, write: Write, session: Any) -> None:
    if write.inserts:
        await collection.insert_many(write.inserts, session=session)
        return
    updates = [UpdateOne(where, change) for where, change in write.updates]
    done = await collection.bulk_write(updates, session=session)
    if done.matched_count != len(updates):
        raise NotMeasured(f"{collection.name}: rows that were updated are not there")
