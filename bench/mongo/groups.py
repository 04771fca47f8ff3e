"""The same rows written raw in groups: the goal that callstore's mix is held against.

What callstore writes while it plays the mix is recorded once, transaction by transaction. Then the
bare driver writes it, in as many transactions with the same rows in each: it loads nothing, decides
nothing and checks nothing.
"""

import asyncio
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

from pymongo import AsyncMongoClient, UpdateOne, monitoring
from pymongo.write_concern import WriteConcern

from bench import mix
from bench.harness import NotMeasured, Timing
from callstore import open_calls

FIRST = 1_000_000
"""The lives that are recorded are none of those that callstore plays in the same database."""


class Write(NamedTuple):
    collection: str
    inserts: list[dict[str, Any]]
    updates: list[tuple[dict[str, Any], dict[str, Any]]]  # (filter, update)


class Recorded(NamedTuple):
    groups: list[list[Write]]  # by transaction, in the order of their commits
    commands: int


class _Recorder(monitoring.CommandListener):
    def __init__(self) -> None:
        self._open: dict[Any, list[Write]] = {}
        self._committing: dict[int, Any] = {}
        self.groups: list[list[Write]] = []

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
            self.groups.append(self._open.pop(key))

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """A transaction that fails is not committed, and so not recorded."""


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
        recorder.groups.clear()
        played = mix.lives(lives, first=FIRST)
        await mix.drive(played, lambda life: mix.play(calls, life, timing))
    return Recorded(recorder.groups, timing.done)


async def rewrite(url: str, database: str, recorded: Recorded) -> Timing:
    """Writes what was recorded to a database that has callstore's collections."""
    timing = Timing(done=recorded.commands)
    async with AsyncMongoClient[dict[str, Any]](url) as client:
        db = client[database]
        with timing.running():
            for group in recorded.groups:
                began = time.perf_counter()
                async with client.start_session(causal_consistency=False) as session:
                    await session.start_transaction(write_concern=WriteConcern("majority"))
                    for write in group:
                        await _write(db[write.collection], write, session)
                    await session.commit_transaction()
                timing.latencies.setdefault("group", []).append(time.perf_counter() - began)
    return timing


async def _write(collection: Any, write: Write, session: Any) -> None:
    if write.inserts:
        await collection.insert_many(write.inserts, session=session)
        return
    updates = [UpdateOne(where, change) for where, change in write.updates]
    done = await collection.bulk_write(updates, session=session)
    if done.matched_count != len(updates):
        raise NotMeasured(f"{collection.name}: rows that were updated are not there")
