"""How many times an operation goes to the server and back."""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from pymongo import monitoring

from bench.mongo.ground import Scale, prepared
from bench.mongo.parts import READS, of_whom

_SCALE = Scale(seeded=200, lives=0, live=1, reads=2, lone=2)

Trips = dict[str, dict[str, list[str]]]
"""Operation -> contestant -> the commands it sends, each waited for."""


class _Counter(monitoring.CommandListener):
    """Sees what the drivers of all contestants send."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.sent.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


def count(url: str) -> Trips:
    """Unmeasured, and in a process of its own: listening slows a driver down, for good."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_count, url).result()


def _count(url: str) -> Trips:
    counter = _Counter()
    monitoring.register(counter)
    return asyncio.run(_operations(url, counter))


async def _operations(url: str, counter: _Counter) -> Trips:
    trips: Trips = {kind: {} for kind in (*READS, "join")}
    async with prepared(url, "trips", _SCALE) as ground:

        async def sent(doing: Any) -> list[str]:
            counter.sent.clear()
            await doing
            return [*counter.sent]

        for name, contestant in ground.all.items():
            for kind, read in READS.items():
                trips[kind][name] = await sent(read(contestant, of_whom(ground, kind)[0]))
            call = ground.lone[0]
            await contestant.join_call(call.call_id, call.to_come[0])
            # The fourth who joins: the mode has been switched by the third.
            trips["join"][name] = await sent(contestant.join_call(call.call_id, call.to_come[1]))
    return trips
