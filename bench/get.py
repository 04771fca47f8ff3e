"""`get`, and the first page of history and log, among 20,000 calls."""

import asyncio
import random
import time
from pathlib import Path

from bench import mix
from bench.harness import Figure, Options, Timing, at_most, latency
from callstore import Calls, User, open_calls

CONVERSATIONS = 1000
READS = 2000  # of each kind in a round
SEEDERS = 256  # fewer than conversations, of which each has one live call at most


async def seed(calls: Calls, count: int) -> list[str]:
    """`count` ended calls, spread over the conversations and their people; their ids."""
    ids: list[str] = []

    async def one(number: int) -> None:
        conversation, a, b = _in_conversation(number)
        call = await calls.start(conversation, a, invite=[b], end_when="empty")
        await calls.join(call.id, b, device=mix.DEVICE)
        await calls.end(call.id, by=a)
        ids.append(call.id)

    await mix.drive(range(count), one, SEEDERS)
    return ids


def _in_conversation(number: int) -> tuple[str, User, User]:
    home = number % CONVERSATIONS
    return f"c{home:023x}", User(f"a{2 * home:023x}"), User(f"a{2 * home + 1:023x}")


async def read(calls: Calls, ids: list[str], reads: int) -> Timing:
    """One reader: gets, first pages of history and of log by turns, all at random."""
    timing = Timing()
    with timing.running():
        for call_id in random.choices(ids, k=reads):
            conversation, party, _ = _in_conversation(random.randrange(CONVERSATIONS))
            began = time.perf_counter()
            await calls.get(call_id)
            timing.add("get", began)
            began = time.perf_counter()
            await calls.history(conversation)
            timing.add("history", began)
            began = time.perf_counter()
            await calls.log(party)
            timing.add("log", began)
    return timing


async def _rounds(path: Path, options: Options) -> list[Timing]:
    """The rounds share one file: reading leaves it as it is."""
    async with open_calls(f"sqlite:///{path}") as calls:
        ids = await seed(calls, 2000 if options.quick else 20_000)
        reads = 200 if options.quick else READS
        await read(calls, ids, reads // 10)
        return [await read(calls, ids, reads) for _ in range(options.rounds)]


def run(options: Options) -> list[Figure]:
    runs = asyncio.run(_rounds(options.folder / "get.db", options))
    figures = [Figure("get, p50", latency(runs, "get", 0.5), "ms", at_most(0.3))]
    figures.append(Figure("get, p99", latency(runs, "get", 0.99), "ms"))
    for kind in ("history", "log"):
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            figures.append(Figure(f"{kind}, {name}", latency(runs, kind, share), "ms"))
    return figures
