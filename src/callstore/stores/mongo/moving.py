"""Whole collections, a batch at a time: for moving from store to store."""

from collections.abc import Sequence
from typing import Any

from pymongo import UpdateOne

from callstore.schema.declaration import Collection
from callstore.stores.mongo.codec import CODECS, Document
from callstore.stores.mongo.connection import Database, singly
from callstore.stores.mongo.engine import Session
from callstore.stores.mongo.rows import fetch


async def rows(
    db: Database, collection: Collection, after: Any, limit: int, session: Session
) -> tuple[list[Any], Any]:
    """The next rows in the order of `_id`, and the last one's (None: no more)."""
    where = {} if after is None else {"_id": {"$gt": after}}
    found = db[collection.name].find(where, session=session, hint="_id_").sort("_id", 1)
    documents = await found.limit(limit).to_list()
    decode = CODECS[collection.name].decode
    more = documents[-1]["_id"] if len(documents) == limit else None
    return [decode(document) for document in documents], more


async def rows_like(
    db: Database, collection: Collection, rows: Sequence[Any], session: Session
) -> dict[str, Any]:
    """The rows that are there under the ids of these."""
    codec = CODECS[collection.name]
    ids = [codec.column(row, "id") for row in rows]
    found = await fetch(db, collection.name, {"_id": {"$in": ids}}, session)
    return {row.id: row for row in map(codec.decode, found)}


async def put(
    db: Database, collection: Collection, rows: Sequence[Any], session: Session
) -> tuple[None, None]:
    documents = [*map(CODECS[collection.name].encode, rows)]
    places = {each["_id"]: place(collection, each) for each in documents}
    # What is there may have another: a log entry that has been anonymised since is nobody's.
    names = {"_id": 1, **dict.fromkeys(collection.shard, 1)}
    there = {"_id": {"$in": [*places]}}
    found = db[collection.name].find(there, names, session=session, hint="_id_")
    before = {each["_id"]: each async for each in found}
    together: list[UpdateOne] = []
    moved: list[UpdateOne] = []
    for document in documents:
        id = document.pop("_id")
        where = before.get(id, places[id])
        # What else is in a row stays in it.
        update = UpdateOne(where, {"$set": document}, upsert=True)
        (together if where == places[id] else moved).append(update)
    with singly(f"{collection.name} has another row in place of one"):
        # A cluster takes a row to another shard by a statement of its own. First what makes room.
        for writes in filter(None, (*([one] for one in moved), together)):
            await db[collection.name].bulk_write(writes, ordered=False, session=session)
    return None, None


async def delete(
    db: Database, collection: Collection, rows: Sequence[Any], session: Session
) -> tuple[None, None]:
    codec = CODECS[collection.name]
    ids = [codec.column(row, "id") for row in rows]
    await db[collection.name].delete_many({"_id": {"$in": ids}}, session=session)
    return None, None


def place(collection: Collection, document: Document) -> Document:
    """By `_id`, and what a cluster shards by."""
    return {"_id": document["_id"], **{name: document[name] for name in collection.shard}}
