"""A thousand joins on one call at once, with 50 seats and with a thousand, on both stores."""

import asyncio
import time
from collections import defaultdict
from itertools import product

from bench.harness import Figure, Options, at_most, mongod_in
from callstore import Calls, User, errors, open_calls
from callstore.testing import conversation, user

CROWD = 1000
SEATS = (50, 1000)
STORES = ("SQLite", "MongoDB")


def run(options: Options) -> list[Figure]:
    taken: dict[tuple[str, int], list[float]] = defaultdict(list)
    with mongod_in(options.folder) as mongod:
        urls = (f"sqlite:///{options.folder}/crowd.db", f"{mongod.url}/crowd")
        asyncio.run(_rounds(dict(zip(STORES, urls, strict=True)), options.rounds, taken))
    return [
        Figure(
            f"{store}: {CROWD:,} joins, {seats:,} seats",
            sorted(taken[store, seats])[options.rounds // 2],
            "s",
            at_most(0.5) if store == "MongoDB" else None,
            f"{min(taken[store, seats]):.2f} to {max(taken[store, seats]):.2f}",
        )
        for store, seats in product(STORES, SEATS)
    ]


async def _rounds(
    urls: dict[str, str], rounds: int, taken: dict[tuple[str, int], list[float]]
) -> None:
    for number, (store, url) in product(range(rounds), urls.items()):
        async with open_calls(url) as calls:
            for place, seats in enumerate(SEATS):
                room = conversation(2 * number + place)
                taken[store, seats].append(await _joins(calls, room, seats))


async def _joins(calls: Calls, room: str, seats: int) -> float:
    """Seconds until all are answered: with a seat, or that there is none."""
    call = await calls.start(room, user(0xAAAA), max_participants=seats)
    crowd = [User(f"{number:024x}") for number in range(1, CROWD + 1)]
    began = time.perf_counter()
    answers = await asyncio.gather(
        *(calls.join(call.id, each) for each in crowd), return_exceptions=True
    )
    took = time.perf_counter() - began
    refused = sum(isinstance(answer, errors.CallFull) for answer in answers)
    assert refused == CROWD + 1 - seats
    assert (await calls.get(call.id)).live_count == seats
    return took
