"""Captions on both stores: added by 64 callers, searched among 100,000, exported."""

import asyncio
import random
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from bench import mix
from bench.harness import Figure, Options, at_least, at_most, mongod_in
from callstore import Calls, Caption, User, open_calls
from callstore.captions.merge import folded
from callstore.ids import id_maker

KEPT = 100_000
CALLS = 50
TOGETHER = 1000
SPEAKERS = 8
SECONDS = 3600
TARGETS = {"SQLite": 2000, "MongoDB": 900}
NEW_ID = id_maker()
Speaker = tuple[str, User]  # a call, and who is in it


def run(options: Options) -> list[Figure]:
    figures = _figures("SQLite", f"sqlite:///{options.folder}/captions.db", options)
    with mongod_in(options.folder) as mongod:
        return figures + _figures("MongoDB", f"{mongod.url}/captions", options)


def _figures(store: str, url: str, options: Options) -> list[Figure]:
    return asyncio.run(_measured(store, url, options))


async def _measured(store: str, url: str, options: Options) -> list[Figure]:
    rng = random.Random(1)
    async with open_calls(url) as calls:
        rates = [await _added(calls, rng, 1000 if options.quick else 5000) for _ in range(3)]
        conversation = NEW_ID()
        await _fill(calls, rng, conversation, KEPT // 10 if options.quick else KEPT)
        found = {
            name: [await _searched(calls, conversation, query) for query in queries]
            for name, queries in _queries(rng, 20 if options.quick else 100).items()
        }
        exports = await _exported(calls, rng)
    rate = statistics.median(rates)
    words = 1000 * statistics.median(found["two common words"])
    figures = [
        Figure(f"finals added, {store}", rate, "/s", at_least(TARGETS[store])),
        Figure(f"two common words, p50, {store}", words, "ms", at_most(10)),
    ]
    for name in ("a rare and a common word", "a rare word", "a beginning of four letters"):
        took = 1000 * statistics.median(found[name])
        figures.append(Figure(f"{name}, p50, {store}", took, "ms"))
    took = 1000 * statistics.median(exports)
    detail = f"{SECONDS} captions of {SPEAKERS} speakers, with 3 translations each"
    figures.append(Figure(f"an hour exported, {store}", took, "ms", at_most(300), detail))
    return figures


def _text(rng: random.Random) -> str:
    """Twelve words of 20,000, of which few are common, as in any language."""
    return " ".join(f"word{int(rng.paretovariate(0.6)) % 20_000}" for _ in range(12))


async def _talking(calls: Calls, count: int) -> list[Speaker]:
    speakers: list[Speaker] = []
    for _ in range(count):
        one, two = User(NEW_ID()), User(NEW_ID())
        call = await calls.start(NEW_ID(), one, invite=[two])
        await calls.join(call.id, two)
        speakers += [(call.id, one), (call.id, two)]
    return speakers


async def _added(calls: Calls, rng: random.Random, count: int) -> float:
    """A second, by 64 callers."""
    speakers = await _talking(calls, CALLS)

    async def add(number: int) -> None:
        call_id, party = speakers[number % len(speakers)]
        await calls.captions.add(
            call_id, party, segment_id=str(number), text=_text(rng), language="en"
        )

    began = time.perf_counter()
    await mix.drive(iter(range(count)), add)
    return count / (time.perf_counter() - began)


async def _fill(calls: Calls, rng: random.Random, conversation: str, count: int) -> None:
    begun = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
    for first in range(0, count, TOGETHER):
        initiator = User(NEW_ID())
        call = await calls.start(conversation, initiator)
        (row,) = (await calls.get(call.id)).participants or []
        of: dict[str, Any] = {"conversation_id": conversation, "call_session_id": call.id}
        rows = [
            folded(
                Caption(
                    **of,
                    id=NEW_ID(),
                    participant_id=row.id,
                    segment_id=str(number),
                    text=_text(rng),
                    language="en",
                    timestamp=begun + timedelta(seconds=number),
                    created_at=begun,
                )
            )
            for number in range(first, first + TOGETHER)
        ]
        await calls._store.add_rows({"CallTranscription": rows})
        await calls.end(call.id)


def _queries(rng: random.Random, count: int) -> dict[str, list[str]]:
    common, rare = range(1, 6), range(3000, 9000)
    return {
        "two common words": [
            " ".join(f"word{n}" for n in rng.sample(common, 2)) for _ in range(count)
        ],
        "a rare and a common word": [
            f"word{rng.choice(common)} word{rng.choice(rare)}" for _ in range(count)
        ],
        "a rare word": [f"word{rng.choice(rare)}" for _ in range(count)],
        "a beginning of four letters": ["word*"] * (count // 10),
    }


async def _searched(calls: Calls, conversation: str, query: str) -> float:
    began = time.perf_counter()
    await calls.captions.search(query, conversation_id=conversation)
    return time.perf_counter() - began


async def _exported(calls: Calls, rng: random.Random) -> list[float]:
    parties = [User(NEW_ID()) for _ in range(SPEAKERS)]
    call = await calls.start(NEW_ID(), parties[0], invite=parties[1:])
    for party in parties[1:]:
        await calls.join(call.id, party)
    for number, party in enumerate(parties):
        segments = [
            {
                "segment_id": str(second),
                "text": _text(rng),
                "language": "en",
                "timestamp": call.created_at + timedelta(seconds=second),
                "duration": 900,
                "translations": {tag: _text(rng) for tag in ("de", "fr", "es")},
            }
            for second in range(number, SECONDS, SPEAKERS)
        ]
        for first in range(0, len(segments), 200):
            await calls.captions.add_many(call.id, party, segments[first : first + 200])
    times = []
    for _ in range(10):
        began = time.perf_counter()
        await calls.captions.export(call.id, format="vtt", language="fr")
        times.append(time.perf_counter() - began)
    return times
