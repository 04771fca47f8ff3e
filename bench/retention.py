"""Ended calls are stamped, and go with all that is of them when their time is over, on both stores;
and what others wait for meanwhile."""

import asyncio
import statistics
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.harness import Figure, Options, at_least, at_most, mongod_in
from callstore import Calls, RetentionReport, User, open_calls
from callstore.ids import id_maker

CALLS = 20_000
HALF = timedelta(days=50)  # half of what is seeded has expired by then, and
ALL = timedelta(days=100)  # all of it
NEW_ID = id_maker()


def run(options: Options) -> list[Figure]:
    figures = _figures("SQLite", f"sqlite:///{options.folder}/retention.db", options)
    with mongod_in(options.folder) as mongod:
        return figures + _figures("MongoDB", f"{mongod.url}/retention", options)


def _figures(store: str, url: str, options: Options) -> list[Figure]:
    return asyncio.run(_measured(store, url, CALLS // 10 if options.quick else CALLS))


async def _measured(store: str, url: str, count: int) -> list[Figure]:
    ahead = timedelta()

    def clock() -> datetime:
        return datetime.now(UTC) + ahead

    async with open_calls(url, recordings="memory:", clock=clock) as calls:
        seeded = await calls.seed(count)
        kept = sum(seeded.rows.values())
        usual = await _waits(calls, asyncio.create_task(asyncio.sleep(3)))
        began = time.perf_counter()
        await calls.sweep()
        stamped = time.perf_counter() - began
        ahead = HALF
        rate = await _rate(calls.retention.run())
        ahead = ALL
        running: asyncio.Task[Any] = asyncio.create_task(_rate(calls.retention.run()))
        beside = await _waits(calls, running)
    return [
        Figure(f"rows stamped, {store}", kept / stamped, "/s"),
        Figure(f"rows deleted, {store}", rate, "/s", at_least(5000)),
        Figure(f"rows deleted beside commands, {store}", running.result(), "/s"),
        Figure(f"a command's p99 meanwhile, {store}", beside / usual, "times", at_most(3)),
    ]


async def _rate(run: Awaitable[RetentionReport]) -> float:
    """Rows a second."""
    began = time.perf_counter()
    report = await run
    return sum(report.rows.values()) / (time.perf_counter() - began)


async def _waits(calls: Calls, running: "asyncio.Task[Any]") -> float:
    """The p99 of what four callers wait for a command, while something runs."""
    waits: list[float] = []

    async def caller() -> None:
        one, two = User(NEW_ID()), User(NEW_ID())
        call = await calls.start(NEW_ID(), one, invite=[two])
        await calls.join(call.id, two)
        number = 0
        while not running.done():
            number += 1
            began = time.perf_counter()
            await calls.set_media(call.id, two, audio=number % 2 == 0)
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0.01)
        await calls.end(call.id)

    await asyncio.gather(*(caller() for _ in range(4)))
    return statistics.quantiles(waits, n=100)[-1]
