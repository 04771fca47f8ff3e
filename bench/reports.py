"""Real reports by 64 callers, from JSON bytes to stored samples, without and with live issues."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter

from bench import bare, mix, traces
from bench.harness import (
    Figure,
    Options,
    Timing,
    beside_the_bare_loop,
    in_turn,
    latency,
    median_of,
    ratio,
    spread,
)
from callstore import Calls, User, open_calls

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
PARTIES = 128  # two in each call; every caller reports for two parties by turns


class Clock:
    """Goes as the reports do: a second for one report of every party."""

    def __init__(self) -> None:
        self.reports = 0

    def __call__(self) -> datetime:
        return BEGIN + timedelta(seconds=self.reports / PARTIES)


def bodies() -> list[list[bytes]]:
    """For each peer of the traces its reports as they would arrive, the first at `BEGIN`."""
    begin = BEGIN.timestamp() * 1000
    return [
        [traces.as_json(traces.stamped(report, begin + t)) for t, report in peer]
        for peer in traces.peers()
    ]


async def on_callstore(path: Path, peers: list[list[bytes]], *, live: bool, parties: int) -> Timing:
    timing, clock = Timing(), Clock()
    settings = {"live_issues": live}
    async with open_calls(f"sqlite:///{path}", settings=settings, clock=clock) as calls:
        places = await _calls_of_two(calls, parties // 2)

        async def report(told: tuple[str, User, bytes]) -> None:
            call_id, party, body = told
            began = perf_counter()
            await calls.quality.report(call_id, party, body)
            timing.add("report", began)
            clock.reports += 1

        with timing.running():
            await mix.drive(_second_by_second(places, peers), report)
    return timing


async def _calls_of_two(calls: Calls, count: int) -> list[tuple[str, User]]:
    """(call, party) of the parties of `count` calls under way."""
    places: list[tuple[str, User]] = []
    for life in mix.lives(count):
        a, b, _ = life.people
        call = await calls.start(life.conversation, a, invite=[b])
        await calls.join(call.id, b)
        places += [(call.id, a), (call.id, b)]
    return places


def _second_by_second(
    places: list[tuple[str, User]], peers: list[list[bytes]]
) -> Iterator[tuple[str, User, bytes]]:
    for second in range(min(map(len, peers))):
        for number, (call_id, party) in enumerate(places):
            yield call_id, party, peers[number % len(peers)][second]


def run(options: Options) -> list[Figure]:
    peers, parties = bodies(), 16 if options.quick else PARTIES
    one = partial(on_callstore, peers=peers, parties=parties)
    runs: dict[str, list[Timing]] = {"plain": [], "live": [], "bare": []}
    written = options.folder / "first.db"  # what the bare loop writes again: callstore's last file
    asyncio.run(one(written, live=False))
    for number, name in in_turn(list(runs), options.rounds):
        path = options.folder / f"{name}-{number}.db"
        if name == "bare":
            timing = bare.rewrite_samples(written, path)
        else:
            timing, written = asyncio.run(one(path, live=name == "live")), path
        runs[name].append(timing)
    size = sum(len(body) for peer in peers for body in peer) / sum(map(len, peers))
    return _figures(runs, f"{size / 1000:.1f} kB of JSON each")


def _figures(runs: dict[str, list[Timing]], size: str) -> list[Figure]:
    plain, live, loop = runs["plain"], runs["live"], runs["bare"]
    bare_rate = median_of(loop, lambda run: run.rate)
    figures = [Figure("the bare loop", bare_rate, "/s", None, spread(loop))]
    for name, of, least in (("live_issues=False", plain, 3000), ("live_issues=True", live, 1500)):
        rate = median_of(of, lambda run: run.rate)
        target = beside_the_bare_loop(least, bare_rate)
        figures += [
            Figure(f"reports, {name}", rate, "/s", target, f"{spread(of)}; {size}"),
            Figure(f"share of the bare loop, {name}", 100 * ratio(of, loop), "%"),
            Figure(f"CPU per report, {name}", median_of(of, lambda run: run.cpu_each), "us"),
            Figure(f"report p50, {name}", latency(of, "report", 0.5), "ms"),
            Figure(f"report p99, {name}", latency(of, "report", 0.99), "ms"),
        ]
    return figures
