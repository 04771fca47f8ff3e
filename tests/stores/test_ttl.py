"""The net where no sweeper runs: MongoDB's own expiry, three days behind."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from tests.stores.filling import fill_all

from callstore import copy_calls, open_calls
from callstore.schema import tables
from callstore.schema.declaration import TTL_AFTER
from callstore.testing import LocalMongod, local_mongod
from callstore.testing.clock import FakeClock
from callstore.testing.contract.world import ANN, BOB, HALL, ROOM

pytestmark = pytest.mark.xdist_group("ttl")  # a server in a hurry, started once
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
    await fill_all(url)
    with MongoClient[dict[str, Any]](hasty.url) as client:
        database, now = client["ttl"], datetime.now(UTC)
        ids = {c.name: next(database[c.name].find().limit(1))["_id"] for c in EXPIRING}

        def expire(at: datetime | None) -> None:
            for name, id in ids.items():
                done = database[name].update_one({"_id": id}, {"$set": {"expiresAt": at}})
                assert done.matched_count == 1, name

        for stays in (now - timedelta(days=2), None):
            expire(stays)
            await until_passed(client)
            assert {n for n in ids if database[n].find_one({"_id": ids[n]}) is None} == set()
        expire(now - timedelta(days=4))
        for name, id in ids.items():
            await until_gone(database[name], id)
    async with open_calls(url) as calls:  # a net is no sweeper: it leaves rows without their call
        problems = {finding.problem for finding in (await calls.doctor()).findings}
        assert "orphan" in problems
        assert problems <= {"orphan", "counts", "seq_gap"}


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


async def test_a_file_that_was_not_swept_for_long_is_copied_and_stays_so(
    hasty: LocalMongod, tmp_path: Path
) -> None:
    src, dst = f"sqlite:///{tmp_path}/a.db", f"{hasty.url}/copied"
    async with open_calls(src, clock=FakeClock(datetime.now(UTC) - timedelta(days=50))) as calls:
        await calls.seed(100)  # of the 80 days before
    first = await copy_calls(src, dst)
    assert first.verified
    assert first.collections["CallSession"].left_out > 10
    assert first.collections["CallSession"].rows > 10
    with MongoClient[dict[str, Any]](hasty.url) as client:
        await until_passed(client)
    again = await copy_calls(src, dst)
    assert again.verified
    assert {each.written for each in again.collections.values()} == {0}


async def until_passed(client: MongoClient[dict[str, Any]]) -> None:
    """The server has looked at every collection: of two passes one began after this."""

    def passes() -> int:
        return int(client.admin.command("serverStatus")["metrics"]["ttl"]["passes"])

    enough = passes() + 2
    for _ in range(300):
        if passes() >= enough:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("nothing looks for what has expired")


async def until_gone(collection: Any, id: Any) -> None:
    for _ in range(300):
        if collection.find_one({"_id": id}) is None:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{collection.name} keeps what has expired")
