"""Four processes that write one file at the same time."""

import asyncio
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path

from bench import mix
from bench.harness import Figure, Options, Timing, at_most, latency, median_of
from callstore import open_calls
from callstore.errors import Busy

PROCESSES = 4

_gate: Barrier


def _enter(gate: Barrier) -> None:
    global _gate  # noqa: PLW0603 - a barrier gets into a pool's process no other way
    _gate = gate


def _process(path: Path, lives: list[mix.Life]) -> tuple[Timing, float, float, int]:
    """(what it did, when it began and ended by the machine's clock, commands refused as Busy)."""
    return asyncio.run(_live(path, lives))


async def _live(path: Path, lives: list[mix.Life]) -> tuple[Timing, float, float, int]:
    timing, busy = Timing(), 0
    async with open_calls(f"sqlite:///{path}") as calls:

        async def one(life: mix.Life) -> None:
            nonlocal busy
            try:
                await mix.play(calls, life, timing)
            except Busy:
                busy += 1

        await asyncio.to_thread(_gate.wait)
        began = time.monotonic()
        with timing.running():
            await mix.drive(lives, one)
        return timing, began, time.monotonic(), busy


async def _make(path: Path) -> None:
    async with open_calls(f"sqlite:///{path}"):
        pass


def _round(path: Path, lives: int) -> tuple[Timing, int, float]:
    """(all processes as one, commands refused as Busy, the slowest process's share of the mean)."""
    asyncio.run(_make(path))
    spawned = multiprocessing.get_context("spawn")
    gate = spawned.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, spawned, _enter, (gate,)) as pool:
        parts = [mix.lives(lives, first=n * lives) for n in range(PROCESSES)]
        done = list(pool.map(_process, [path] * PROCESSES, parts))
    whole = Timing(seconds=max(d[2] for d in done) - min(d[1] for d in done))
    for timing, *_ in done:
        whole.done += timing.done
        whole.cpu += timing.cpu
        for kind, of in timing.latencies.items():
            whole.latencies.setdefault(kind, []).extend(of)
    rates = [timing.rate for timing, *_ in done]
    return whole, sum(d[3] for d in done), min(rates) * PROCESSES / sum(rates)


def run(options: Options) -> list[Figure]:
    lives = 100 if options.quick else 500
    rounds = [_round(options.folder / f"{n}.db", lives) for n in range(options.rounds)]
    runs = [timing for timing, *_ in rounds]
    return [
        Figure("refused as Busy", sum(busy for _, busy, _ in rounds), "", at_most(0)),
        Figure("commands, in all", median_of(runs, lambda run: run.rate), "/s"),
        Figure("the slowest process's share", 100 * min(r[2] for r in rounds), "% of the mean"),
        Figure("join, p50", latency(runs, "join", 0.5), "ms"),
        Figure("join, p99", latency(runs, "join", 0.99), "ms"),
        Figure("CPU per command", median_of(runs, lambda run: run.cpu_each), "us"),
    ]
