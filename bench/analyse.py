"""A one-hour call of ten, a report a second each, analysed from its stored samples."""

import asyncio
import itertools
from datetime import UTC, datetime
from pathlib import Path

from bench import mix, traces
from bench.harness import Figure, Options, Timing, at_most, median_of
from callstore import Calls, User, open_calls
from callstore.testing import FakeClock

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
PEOPLE = 10


async def long_call(path: Path, seconds: int) -> str:
    """The id of an ended call of `PEOPLE` for `seconds`, with its samples."""
    clock = FakeClock(BEGIN)
    people = [User(f"a{number:023x}") for number in range(PEOPLE)]
    quiet = {"live_issues": False}
    async with open_calls(f"sqlite:///{path}", settings=quiet, clock=clock) as calls:
        call = await calls.start(mix.lives(1)[0].conversation, people[0], invite=people[1:])
        for party in people[1:]:
            await calls.join(call.id, party)
        for party in people:
            await calls.connected(call.id, party)
        await _report(calls, call.id, people, seconds, clock)
        await calls.end(call.id, by=people[0])
    return call.id


async def _report(
    calls: Calls, call_id: str, people: list[User], seconds: int, clock: FakeClock
) -> None:
    """Everyone plays a trace of their own, end to end."""
    told = [traces.end_to_end(peer) for peer in itertools.islice(traces.peers(), len(people))]
    for _ in range(seconds):
        ms = clock.advance(1).timestamp() * 1000
        bodies = [traces.as_json(traces.stamped(next(reports), ms)) for reports in told]
        pairs = zip(people, bodies, strict=True)
        await asyncio.gather(*(calls.quality.report(call_id, *pair) for pair in pairs))


async def _analyse(path: Path, call_id: str) -> tuple[Timing, str]:
    timing = Timing(done=1)
    async with open_calls(f"sqlite:///{path}") as calls:
        with timing.running():
            made = await calls.quality.analyse(call_id)
    seen = sum(metrics.samples for metrics in made.participant_metrics)
    return timing, f"{seen:,} samples, {len(made.network_issues)} issues"


def run(options: Options) -> list[Figure]:
    """The rounds share one file: the same samples give the same analysis, made anew each time."""
    path = options.folder / "analyse.db"
    call_id = asyncio.run(long_call(path, 360 if options.quick else 3600))
    made = [asyncio.run(_analyse(path, call_id)) for _ in range(options.rounds)]
    runs, note = [timing for timing, _ in made], made[0][1]
    return [
        Figure("analyse", median_of(runs, lambda run: run.seconds), "s", at_most(2), note),
        Figure("CPU of it", median_of(runs, lambda run: run.cpu), "s"),
    ]
