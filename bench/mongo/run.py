"""The rounds of `python -m bench mongo`, and the figures that come of them."""

import asyncio
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib import metadata
from itertools import chain
from typing import Any

from bench import mix
from bench.harness import (
    Figure,
    NotMeasured,
    Options,
    Target,
    Timing,
    at_least,
    at_most,
    latency,
    median_of,
    mongod_in,
    percentile,
    ratio,
    rotated,
    spread,
)
from bench.mongo import chart, groups, parts, processes, trips
from bench.mongo.ground import (
    CONTESTANTS,
    GROUPS,
    ODMS,
    OURS,
    RAW,
    Client,
    Ground,
    Scale,
    prepared,
)
from bench.mongo.groups import Recorded
from bench.mongo.parts import TITLES

FULL = Scale(seeded=20_000, lives=600, live=1000, reads=2000, lone=200)
QUICK = Scale(seeded=1000, lives=100, live=100, reads=200, lone=20)

Runs = dict[str, dict[str, list[Timing]]]  # by part and contestant, round by round


def run(options: Options) -> list[Figure]:
    if unknown := set(options.only) - set(TITLES):
        raise NotMeasured(f"there is no part {', '.join(sorted(unknown))}: {', '.join(TITLES)}")
    played = [part for part in TITLES if part in (options.only or TITLES)]
    scale = QUICK if options.quick else FULL
    with mongod_in(options.folder) as mongod:
        counted = trips.count(mongod.url)
        recorded = groups.record(mongod.url, "recorded", scale.lives) if "mix" in played else None
        runs: Runs = defaultdict(lambda: defaultdict(list))
        busy = 0
        for number in range(options.rounds):
            busy += asyncio.run(_round(mongod.url, number, scale, played, recorded, runs))
        server = asyncio.run(_server(mongod.url))
    figures = [*_figures(runs, server, busy), *_trips(counted)]
    if options.svg is not None:
        options.svg.write_text(chart.drawn(figures), encoding="utf-8")
    return figures


async def _server(url: str) -> str:
    async with Client(url) as client:
        info = await client.server_info()
    names = ("pymongo", "beanie", "mongoengine", "odmantic", "motor")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    return f"MongoDB {info['version']}, one member; {versions}"


async def _round(
    url: str,
    number: int,
    scale: Scale,
    played: Sequence[str],
    recorded: Recorded | None,
    runs: Runs,
) -> int:
    """How many joins of the processes were refused as Busy."""
    busy = 0
    options: dict[str, Any] = {"seed": number + 1, "groups": recorded is not None}
    async with prepared(url, f"round{number}", scale, **options) as ground:
        for part in played:
            if part == "lone":
                await parts.calm(ground)
                for name, timing in (await parts.lone_joins(url, ground)).items():
                    runs[part][name].append(timing)
            elif part == "processes":
                await parts.calm(ground)
                store = f"{url}/{ground.databases[OURS]}"
                timing, refused = await asyncio.to_thread(
                    processes.join, store, ground.by_processes, number
                )
                runs[part][OURS].append(timing)
                busy += refused
            else:
                for name in rotated(_players(part, recorded), number):
                    await parts.calm(ground)
                    timing = await _play(url, ground, part, name, scale, recorded)
                    runs[part][name].append(timing)
    return busy


def _players(part: str, recorded: Recorded | None) -> Sequence[str]:
    return [*CONTESTANTS, GROUPS] if part == "mix" and recorded else CONTESTANTS


async def _play(
    url: str, ground: Ground, part: str, name: str, scale: Scale, recorded: Recorded | None
) -> Timing:
    if recorded and name == GROUPS:
        return await groups.rewrite(url, ground.databases[GROUPS], recorded)
    if part == "mix":
        return await parts.play_mix(ground, name, mix.lives(scale.lives))
    if part == "joins":
        return await parts.spread_joins(ground, name)
    return await parts.read(ground, name, part)


# -- figures


def _figures(runs: Runs, server: str, busy: int) -> Iterator[Figure]:
    for part, by_name in runs.items():
        note = server if part == next(iter(runs)) else ""
        if part == "lone":
            yield from _lone(by_name)
            continue
        for name, timings in by_name.items():
            least = _LEAST.get(part) if name == OURS else None
            yield _rate(part, name, by_name[OURS], timings, least, note)
            note = ""
        for name, factor in _TIMES.get(part, {}).items():
            times = ratio(by_name[OURS], by_name[name])
            yield Figure(f"{TITLES[part]}: times {name}", times, "x", at_least(factor))
        if part == "mix":
            share = 100 * ratio(by_name[OURS], by_name[GROUPS])
            yield Figure("share of the same rows in groups", share, "%", at_least(40))
        if part == "processes":
            yield Figure("refused as Busy", busy, "", at_most(0))


_LEAST = {"mix": at_least(600), "joins": at_least(800), "processes": at_least(600)}
_TIMES: dict[str, dict[str, float]] = {
    "mix": {RAW: 1, "Beanie": 2},
    "history": {RAW: 1, **dict.fromkeys(ODMS, 2)},
    "apart": {RAW: 1, **dict.fromkeys(ODMS, 2)},
}


def _rate(
    part: str,
    name: str,
    ours: Sequence[Timing],
    theirs: Sequence[Timing],
    target: Target | None,
    note: str,
) -> Figure:
    detail = {"p50_ms": _over_all(theirs, 0.5)}
    detail |= {"p95_ms": _over_all(theirs, 0.95), "p99_ms": _over_all(theirs, 0.99)}
    detail["cpu_us"] = median_of(theirs, lambda run: run.cpu_each)
    if name != OURS:
        detail["callstore_times"] = ratio(ours, theirs)
    said = "; ".join(each for each in (spread(theirs), note) if each)
    value = median_of(theirs, lambda run: run.rate)
    return Figure(f"{TITLES[part]}: {name}", value, "/s", target, said, detail)


def _over_all(runs: Sequence[Timing], share: float) -> float:
    """A percentile over all kinds of operations in ms: the median of the rounds'."""
    return 1e3 * median_of(
        runs, lambda run: percentile([*chain.from_iterable(run.latencies.values())], share)
    )


def _lone(by_name: dict[str, list[Timing]]) -> Iterator[Figure]:
    for name, timings in by_name.items():
        detail = {f"p{n}_ms": latency(timings, "join", n / 100) for n in (50, 95, 99)}
        detail["cpu_us"] = median_of(timings, lambda run: run.cpu_each)
        yield Figure(f"{TITLES['lone']}: {name}, p50", detail["p50_ms"], "ms", detail=detail)
    pairs = zip(by_name[OURS], by_name[parts.WRITES], strict=True)
    times = statistics.median(
        latency([ours], "join", 0.5) / latency([writes], "join", 0.5) for ours, writes in pairs
    )
    yield Figure(f"{TITLES['lone']}: times {parts.WRITES}", times, "x", at_most(3))


def _trips(counted: trips.Trips) -> Iterator[Figure]:
    for kind, by_name in counted.items():
        for name, sent in by_name.items():
            one = at_most(1) if name == OURS and kind in ("current", "live_in") else None
            title = TITLES["lone" if kind == "join" else kind]
            yield Figure(f"{title}: {name}, round trips", len(sent), "", one, ", ".join(sent))
