"""Rows that are moved: what refuses them is told apart."""

import asyncio
from typing import Any

import pytest
from pymongo import MongoClient

from callstore import Call, Calls, errors, open_calls
from callstore.calls.model import Row, replace
from callstore.testing.contract.world import ANN, ROOM
from callstore.testing.data import chosen_id


def bare(call: Call) -> Call:
    return replace(call, participants=None)


async def put(calls: Calls, row: Row) -> None:
    await calls._store.put_rows("CallSession", [row])


async def add(calls: Calls, row: Row) -> None:
    await calls._store.add_rows({"CallSession": [row]})


@pytest.mark.parametrize("write", [put, add])
async def test_what_has_another_in_its_place_is_a_conflict_and_what_breaks_a_rule_is_not(
    new_url: str, write: Any
) -> None:
    async with open_calls(new_url) as calls:
        call = bare(await calls.start(ROOM, ANN))
        second = replace(call, id=chosen_id(1))
        with pytest.raises(errors.Conflict):
            await write(calls, second)
        broken = replace(second, live=False)
        with pytest.raises(errors.StoreError, match="refused this") as refused:
            await write(calls, broken)
        assert not isinstance(refused.value, (errors.Busy, errors.StoreUnavailable))
        rows, _ = await calls._store.rows("CallSession", None, 10)
        assert rows == [call]


@pytest.mark.parametrize("write", [put, add])
async def test_a_row_that_another_is_writing_is_waited_for(
    new_mongo: str, client: MongoClient[dict[str, Any]], write: Any
) -> None:
    async with open_calls(new_mongo) as calls:
        call = bare(await calls.end((await calls.start(ROOM, ANN)).id))
        row = replace(call, version=7) if write is put else replace(call, id=chosen_id(1))
        sessions = client.get_database(new_mongo.rsplit("/", 1)[1])["CallSession"]
        with client.start_session() as session, session.start_transaction():
            document: Any = sessions.find_one(session=session)
            if write is put:
                sessions.update_one({}, {"$set": {"version": 1000}}, session=session)
            else:
                sessions.insert_one(
                    {**document, "_id": type(document["_id"])(row.id)}, session=session
                )
            writing = asyncio.create_task(write(calls, row))
            await asyncio.sleep(0.3)
            assert not writing.done()
            session.abort_transaction()
            await writing
        assert await calls._store.rows_like("CallSession", [row]) == {row.id: row}
