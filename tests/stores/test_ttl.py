"""The net where no sweeper runs: MongoDB's own expiry, three days behind."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from tests.stores.test_copying import fill

from callstore import open_calls
from callstore.schema import tables
from callstore.schema.declaration import TTL_AFTER
from callstore.testing import LocalMongod, local_mongod
from callstore.testing.clock import FakeClock
from callstore.testing.contract.world import ANN, BOB, HALL, ROOM

EXPIRING = [c for c in tables.COLLECTIONS if any(index.ttl for index in c.indexes)]
KEPT = {
    "CallRecording": "a row goes after its file",
    "CallAudit": "only the oldest end goes",
    "CallLease": "",
    "CallSchema": "",
}


@pytest.fixture(scope="module")
def hasty() -> Iterator[LocalMongod]:
    with local_mongod(options={"ttlMonitorSleepSecs": 1}) as running:
        yield running


def test_every_collection_has_the_net_but_those_named() -> None:
    assert {c.name for c in tables.COLLECTIONS} - {c.name for c in EXPIRING} == set(KEPT)
    assert timedelta(days=3) == TTL_AFTER


async def test_a_row_goes_when_it_expired_more_than_three_days_ago_and_no_held_one(
    hasty: LocalMongod,
) -> None:
    url = f"{hasty.url}/ttl"
    await fill(url)
    with MongoClient[dict[str, Any]](hasty.url) as client:
        database, now = client["ttl"], datetime.now(UTC)
        before: dict[str, Any] = {}
        for collection in EXPIRING:
            rows = list(database[collection.name].find({}, {"_id": 1}).limit(3))
            before[collection.name] = [row["_id"] for row in rows]
            times = [now - timedelta(days=4), now - timedelta(days=2), None]
            for row, expires_at in zip(rows, times, strict=False):
                where, change = {"_id": row["_id"]}, {"$set": {"expiresAt": expires_at}}
                database[collection.name].update_one(where, change)
        for name, (gone, *kept) in before.items():
            await until_gone(database[name], gone)
            assert database[name].count_documents({"_id": {"$in": kept}}) == len(kept)
    async with open_calls(url) as calls:  # a net is no sweeper: it leaves rows without their call
        assert {finding.problem for finding in (await calls.doctor()).findings} <= {
            "orphan", "counts", "seq_gap"
        }  # fmt: skip


async def test_a_call_that_is_under_a_hold_stays(hasty: LocalMongod) -> None:
    url = f"{hasty.url}/held"
    ago = timedelta(days=90) + TTL_AFTER + timedelta(days=1)
    clock = FakeClock(datetime.now(UTC) - ago)
    async with open_calls(url, clock=clock, settings={"secret": "nobody knows"}) as calls:
        await calls.holds.place(conversation_id=HALL, by="counsel", reason="a claim")
        for room in (HALL, ROOM):
            call = await calls.start(room, ANN, invite=[BOB])
            await calls.join(call.id, BOB)
            await calls.end(call.id)
    with MongoClient[dict[str, Any]](hasty.url) as client:
        for name, rows in {"CallSession": 1, "CallParticipant": 2, "CallLogEntry": 2}.items():
            collection = client["held"][name]
            held = {"conversationId": ObjectId(HALL)}
            for row in collection.find({"conversationId": ObjectId(ROOM)}, {"_id": 1}):
                await until_gone(collection, row["_id"])
            assert collection.count_documents(held) == collection.count_documents({}) == rows


async def until_gone(collection: Any, id: Any) -> None:
    for _ in range(300):
        if collection.find_one({"_id": id}) is None:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{collection.name} keeps what has expired")
