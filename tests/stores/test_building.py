"""Indexes that are built in MongoDB: refused, stopped, and cut off with who builds them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from pymongo import MongoClient
from tests.stores import database
from tests.stores.filling import filled

from callstore import Calls, errors, open_calls

INDEX = "CallSession_history"


async def test_one_that_cannot_be_built_is_named(new_mongo: str) -> None:
    await filled(new_mongo, 3)
    database.drop_index(new_mongo, "CallSession", INDEX)
    with database.mongo_database(new_mongo) as db:
        db["CallSession"].update_one(
            {}, {"$set": {"createdAt": [1], "conversationId": [1]}}, bypass_document_validation=True
        )
    async with open_calls(new_mongo, check_schema=False) as calls:
        with pytest.raises(errors.Conflict, match=rf"index {INDEX} cannot be built: .*parallel"):
            await calls.schema.up()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"liveCount": "many"}, "liveCount; liveCount, peak"),
        ({"createdAt": datetime(1, 1, 1)}, "createdAt$"),  # noqa: DTZ001 - as the driver has it
        (
            {"peakParticipants": 2_000, "type": "fax"},
            "type; liveCount, peak",
        ),
    ],
)
async def test_what_is_wrong_with_a_row_is_named(
    new_mongo: str, wrong: dict[str, Any], said: str
) -> None:
    await filled(new_mongo, 3)
    with database.mongo_database(new_mongo) as db:
        db.command({"collMod": "CallSession", "validator": {}})
        row = db["CallSession"].find_one_and_update({}, {"$set": wrong})
    async with open_calls(new_mongo, check_schema=False) as calls:
        with pytest.raises(errors.Conflict, match=f"{row['_id']} among them; of the first {said}"):
            await calls.schema.up()


@contextmanager
def kept_waiting(url: str) -> Iterator[None]:
    """What builds an index of calls waits meanwhile, for a transaction."""
    with database.mongo_database(url) as db, db.client.start_session() as session:
        session.start_transaction()
        db["CallSession"].update_one({}, {"$inc": {"version": 1}}, session=session)
        yield
        session.abort_transaction()


def asking() -> int:
    """How many tasks of callstore's ask the server for something."""
    return sum("Engine." in str(task.get_coro()) for task in asyncio.all_tasks())


async def test_an_up_that_is_cancelled_meanwhile_leaves_nothing_running(new_mongo: str) -> None:
    await filled(new_mongo, 3)
    database.drop_index(new_mongo, "CallSession", INDEX)
    async with open_calls(new_mongo, check_schema=False) as calls:
        with kept_waiting(new_mongo):
            migrating = asyncio.create_task(calls.schema.up())
            await asyncio.to_thread(database.until_building, new_mongo, INDEX)
            assert asking() == 1
            migrating.cancel()
            with pytest.raises(asyncio.CancelledError):
                await migrating
            assert asking() == 0
        assert (await calls.schema.up()).pending == []


HELD = {"configureFailPoint": "hangAfterSettingUpIndexBuild"}


async def began_to_build(calls: Calls, client: MongoClient[Any], url: str) -> None:
    """An `up` that is stopped when the server has begun."""
    task = asyncio.create_task(calls.schema.up())
    rows = client.get_database(url.rpartition("/")[2])["CallSession"]
    for _ in range(600):
        if INDEX in rows.index_information():
            break
        await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])


async def test_what_is_being_built_is_missing_until_it_is_there(
    new_mongo: str, client: MongoClient[Any]
) -> None:
    await filled(new_mongo, 3)
    database.drop_index(new_mongo, "CallSession", INDEX)
    async with open_calls(new_mongo, check_schema=False) as calls:
        client.admin.command({**HELD, "mode": "alwaysOn"})
        try:
            await began_to_build(calls, client, new_mongo)
            assert (await calls.schema.status()).pending == [f"missing index {INDEX}"]
            with pytest.raises(errors.SchemaMismatch, match=INDEX):
                async with open_calls(new_mongo):
                    pass
            again = asyncio.create_task(calls.schema.up())
            assert not (await asyncio.wait([again], timeout=0.3))[0]
        finally:
            client.admin.command({**HELD, "mode": "off"})
        report = await again
    assert ([each.index for each in report.built], report.pending) == ([INDEX], [])
