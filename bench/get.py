"""`get`, and the first page of history and log, among 20,000 seeded calls."""

import asyncio
import contextlib
import time
from pathlib import Path

from bench.harness import Figure, Options, Timing, at_most, latency
from bench.seeded import seed
from callstore import Calls, open_calls
from callstore.calls.model import party_from_ref
from callstore.stores.sqlite import connection

PLACES = """
SELECT e.callSessionId, e.conversationId, e.party FROM CallLogEntry e
WHERE e.party IS NOT NULL ORDER BY random() LIMIT ?"""

Place = tuple[str, str, str]  # a call, its conversation, one of its parties


def _places(path: Path, count: int) -> list[Place]:
    with contextlib.closing(connection.open_reader(path, 10)) as db:
        return db.execute(PLACES, (count,)).fetchall()


async def read(calls: Calls, places: list[Place]) -> Timing:
    """One reader: a get, a first page of history and one of the log by turns."""
    timing = Timing()
    with timing.running():
        for call_id, conversation, ref in places:
            began = time.perf_counter()
            await calls.get(call_id)
            timing.add("get", began)
            began = time.perf_counter()
            await calls.history(conversation)
            timing.add("history", began)
            began = time.perf_counter()
            await calls.log(party_from_ref(ref))
            timing.add("log", began)
    return timing


async def _rounds(path: Path, options: Options) -> list[Timing]:
    """The rounds share one file: reading leaves it as it is."""
    async with open_calls(f"sqlite:///{path}") as calls:
        reads = 200 if options.quick else 2000
        await read(calls, _places(path, reads // 10))
        return [await read(calls, _places(path, reads)) for _ in range(options.rounds)]


def run(options: Options) -> list[Figure]:
    path = options.folder / "get.db"
    seed(f"sqlite:///{path}", 2000 if options.quick else 20_000)
    runs = asyncio.run(_rounds(path, options))
    figures = [Figure("get, p50", latency(runs, "get", 0.5), "ms", at_most(0.3))]
    figures.append(Figure("get, p99", latency(runs, "get", 0.99), "ms"))
    for kind in ("history", "log"):
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            figures.append(Figure(f"{kind}, {name}", latency(runs, kind, share), "ms"))
    return figures
