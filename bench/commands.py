"""64 callers' commands on one file: callstore, the document's queries, and the bare loop."""

import asyncio
from functools import partial
from pathlib import Path

from bench import bare, document, literal, mix
from bench.harness import (
    Figure,
    Options,
    Timing,
    at_least,
    at_most,
    beside_the_bare_loop,
    in_turn,
    latency,
    median_of,
    ratio,
    spread,
)
from callstore import open_calls

WHAT_A_COMMIT_SAYS = "the disk's part: a join waits for two commits at most"
KINDS = ("start", "join", "connected", "leave", "end")


async def on_callstore(path: Path, lives: list[mix.Life]) -> Timing:
    timing = Timing()
    async with open_calls(f"sqlite:///{path}") as calls:
        with timing.running():
            await mix.drive(lives, lambda life: mix.play(calls, life, timing))
    return timing


async def on_document(path: Path, lives: list[mix.Life], connections: int) -> Timing:
    timing = Timing()
    async with document.opened(path, connections) as opened:
        with timing.running():
            await mix.drive(lives, lambda life: literal.play(opened, life, timing))
    return timing


def best_pool(options: Options) -> tuple[int, str]:
    """How many connections suit the document's queries best, and the rates that say so."""
    sizes = (1, 2, 4) if options.quick else range(1, 9)
    rates = dict.fromkeys(sizes, 0.0)
    for number, connections in in_turn(
        sizes, 2
    ):  # the better of two: a pause of the disk is no verdict
        path = options.folder / f"pool-{connections}-{number}.db"
        run = asyncio.run(on_document(path, mix.lives(64), connections))
        rates[connections] = max(rates[connections], run.rate)
    best = max(rates, key=rates.__getitem__)
    return best, ", ".join(f"{n}: {rate:,.0f}/s" for n, rate in rates.items())


def run(options: Options) -> list[Figure]:
    connections, tried = best_pool(options)
    ours = mix.lives(300 if options.quick else 2000)
    theirs = mix.lives(64 if options.quick else 192)
    runs: dict[str, list[Timing]] = {"callstore": [], "document": [], "bare": []}
    written = options.folder / "first.db"  # what the bare loop writes again: callstore's last file
    asyncio.run(on_callstore(written, ours))
    for number, name in in_turn(list(runs), options.rounds):
        path = options.folder / f"{name}-{number}.db"
        if name == "callstore":
            timing, written = asyncio.run(on_callstore(path, ours)), path
        elif name == "document":
            timing = asyncio.run(on_document(path, theirs, connections))
        else:
            timing = bare.rewrite_calls(written, path)
        runs[name].append(timing)
    return _figures(runs, f"{connections} connections; tried {tried}")


def _figures(runs: dict[str, list[Timing]], pool: str) -> list[Figure]:
    ours, theirs, bare_runs = runs["callstore"], runs["document"], runs["bare"]
    rate = partial(median_of, value=lambda run: run.rate)
    cpu = partial(median_of, value=lambda run: run.cpu_each)
    loop = rate(bare_runs)
    figures = [
        Figure("commands", rate(ours), "/s", beside_the_bare_loop(2500, loop), spread(ours)),
        Figure("p99 of a join", latency(ours, "join", 0.99), "ms", at_most(60)),
        Figure("times the document's queries", ratio(ours, theirs), "x", at_least(10)),
        Figure("the document's queries", rate(theirs), "/s", None, f"{spread(theirs)}; {pool}"),
        Figure("the bare loop", loop, "/s", None, spread(bare_runs)),
        Figure(
            "its commits, p99", latency(bare_runs, "commit", 0.99), "ms", None, WHAT_A_COMMIT_SAYS
        ),
        Figure("share of the bare loop", 100 * ratio(ours, bare_runs), "%"),
        Figure("CPU per command", cpu(ours), "us"),
        Figure("CPU per command, document", cpu(theirs), "us"),
        Figure("CPU per command, bare loop", cpu(bare_runs), "us"),
    ]
    for kind in KINDS:
        p50, p99 = latency(ours, kind, 0.5), latency(ours, kind, 0.99)
        of_theirs = f"the document's {latency(theirs, kind, 0.5):,.0f} ms"
        figures.append(Figure(f"{kind}, p50", p50, "ms", None, of_theirs))
        figures.append(Figure(f"{kind}, p99", p99, "ms"))
    return figures
