"""A party with 10,000 calls is erased, and conversations are deleted, on both stores."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from bench.harness import Figure, Options, at_most, mongod_in
from callstore import Calls, User, open_calls
from callstore.ids import id_maker

CALLS = 10_000
SEEDED = 12_000  # calls of others
ROOMS = 50
SETTINGS = {"secret": "s"}
NEW_ID = id_maker()


def run(options: Options) -> list[Figure]:
    figures = _figures("SQLite", f"sqlite:///{options.folder}/erasure.db", options)
    with mongod_in(options.folder) as mongod:
        return figures + _figures("MongoDB", f"{mongod.url}/erasure", options)


def _figures(store: str, url: str, options: Options) -> list[Figure]:
    return asyncio.run(_measured(store, url, CALLS // 10 if options.quick else CALLS))


async def _measured(store: str, url: str, count: int) -> list[Figure]:
    party, rooms = User(NEW_ID()), [NEW_ID() for _ in range(ROOMS)]
    ago = timedelta(days=20)
    async with open_calls(
        url, recordings="memory:", settings=SETTINGS, clock=lambda: datetime.now(UTC) - ago
    ) as calls:
        await calls.seed(SEEDED)
        other = User(NEW_ID())
        await asyncio.gather(*(_past(calls, party, other, room, count // ROOMS) for room in rooms))
    async with open_calls(url, recordings="memory:", settings=SETTINGS) as calls:
        began = time.perf_counter()
        dry = await calls.privacy.erase(party, dry_run=True)
        counted = time.perf_counter() - began
        began = time.perf_counter()
        receipt = await calls.privacy.erase(party)
        erased = time.perf_counter() - began
        assert (receipt.status, receipt.counts) == ("done", dry.counts)
        assert receipt.counts["CallLogEntry"]["party"] == count
        began = time.perf_counter()
        for room in rooms:
            receipt = await calls.privacy.delete_conversation(room)
            assert receipt.counts["CallSession"]["rows"] == count // ROOMS
        deleted = time.perf_counter() - began
    return [
        Figure(f"a party with {count:,} calls counted, {store}", counted, "s"),
        Figure(f"a party with {count:,} calls erased, {store}", erased, "s", at_most(60)),
        Figure(f"calls of conversations deleted, {store}", count / deleted, "/s"),
    ]


async def _past(calls: Calls, party: User, other: User, room: str, count: int) -> None:
    """Calls of the party with another, one after the other, each with a caption of both."""
    for _ in range(count):
        call = await calls.start(room, party, invite=[other])
        await calls.join(call.id, other)
        for who in (party, other):
            await calls.captions.add(
                call.id, who, segment_id="1", text="hello and good bye", language="en"
            )
        await calls.end(call.id, by=party)
