"""Joins spread over the same calls by four processes together, each with a client of its own."""

import asyncio
import multiprocessing
import random
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier

from bench import mix
from bench.harness import Timing
from bench.mongo.ground import Live
from callstore import User, open_calls
from callstore.errors import Busy

PROCESSES = 4
CALLERS = mix.CALLERS // PROCESSES

_gate: Barrier


def _enter(gate: Barrier) -> None:
    global _gate  # noqa: PLW0603 - a barrier gets into a pool's process no other way
    _gate = gate


def join(url: str, live: list[Live], seed: int) -> tuple[Timing, int]:
    """(all processes as one, joins refused as Busy). Every process meets every call."""
    work = [(call.call_id, id) for call in live for id in call.to_come]
    random.Random(seed).shuffle(work)
    spawned = multiprocessing.get_context("spawn")
    gate = spawned.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, spawned, _enter, (gate,)) as pool:
        parts = [work[n::PROCESSES] for n in range(PROCESSES)]
        done = list(pool.map(_process, [url] * PROCESSES, parts))
    whole = Timing(seconds=max(d[2] for d in done) - min(d[1] for d in done))
    for timing, *_ in done:
        whole.done += timing.done
        whole.cpu += timing.cpu
        for kind, of in timing.latencies.items():
            whole.latencies.setdefault(kind, []).extend(of)
    return whole, sum(d[3] for d in done)


def _process(url: str, work: list[tuple[str, str]]) -> tuple[Timing, float, float, int]:
    """(what it did, when it began and ended by the machine's clock, joins refused as Busy)."""
    return asyncio.run(_join(url, work))


async def _join(url: str, work: list[tuple[str, str]]) -> tuple[Timing, float, float, int]:
    timing, busy = Timing(), 0
    async with open_calls(url) as calls:

        async def one(place: tuple[str, str]) -> None:
            nonlocal busy
            began = time.perf_counter()
            try:
                await calls.join(place[0], User(place[1]))
                timing.add("join", began)
            except Busy:
                busy += 1

        await asyncio.to_thread(_gate.wait)
        began = time.monotonic()
        with timing.running():
            await mix.drive(work, one, CALLERS)
        return timing, began, time.monotonic(), busy
