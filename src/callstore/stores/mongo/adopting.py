"""Calls that something else wrote: read as they are, written over as callstore keeps them."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from bson import ObjectId
from pymongo import DeleteMany, UpdateOne

from callstore.calls.model import LIVE_STATUSES
from callstore.errors import Conflict
from callstore.ids import NOBODY
from callstore.schema import tables
from callstore.schema.adoption.document import COLLECTIONS
from callstore.schema.adoption.model import Adopted, Found, Problem, Raw
from callstore.schema.shape import Definition
from callstore.stores.mongo import batches
from callstore.stores.mongo.codec import CODECS, Document, oid, utc
from callstore.stores.mongo.engine import Engine, Marker, Session
from callstore.stores.mongo.rows import fetch
from callstore.stores.protocol import Unwritable

_CALLS, *_OF_CALL = COLLECTIONS
_ROWS = 5000  # looked at together
_PATIENCE = 90.0  # longer than a transaction of a process that was killed keeps its rows
_FIRST = ObjectId(NOBODY)


class MongoAdopting:
    """An `Adopting`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._db = engine.db

    async def live_calls(self) -> list[Raw]:
        where = {"status": {"$in": [*LIVE_STATUSES]}}
        fields = {"conversationId": 1, "createdAt": 1}

        async def work(session: Session) -> list[Document]:
            return await fetch(self._db, _CALLS, where, session, projection=fields)

        return [_raw(each) for each in await self._engine.read(work, long=True)]

    async def found(self, after: Any, limit: int) -> tuple[list[Found], Any]:
        async def work(session: Session) -> tuple[list[Document], list[dict[Any, list[Document]]]]:
            calls = await self._next(_CALLS, after, limit, session)
            ids = [call["_id"] for call in calls]
            return calls, [await self._of_calls(name, ids, session) for name in _OF_CALL]

        calls, rows = await self._engine.read(work, long=True)
        found = (_found(call, [of.get(call["_id"], []) for of in rows]) for call in calls)
        more = calls[-1]["_id"] if len(calls) == limit else None
        return [each for each in found if each is not None], more

    async def _next(
        self, collection: str, after: Any, limit: int, session: Session, *fields: str
    ) -> list[Document]:
        """By `_id`; of those that are ObjectIds."""
        where = {"_id": {"$gt": after or _FIRST}}
        found = self._db[collection].find(where, fields or None, session=session, hint="_id_")
        return await found.sort("_id", 1).limit(limit).to_list()

    async def _of_calls(
        self, collection: str, ids: list[Any], session: Session
    ) -> dict[Any, list[Document]]:
        rows: dict[Any, list[Document]] = {}
        for row in await fetch(self._db, collection, {"callSessionId": {"$in": ids}}, session):
            rows.setdefault(row["callSessionId"], []).append(row)
        return rows

    async def strays(self) -> AsyncIterator[Problem]:
        for name in COLLECTIONS:
            for row in await self._engine.read(partial(self._strange, name), long=True):
                yield _problem("impossible", name, row, "_id is no ObjectId")
        for name in _OF_CALL:
            after: Any = _FIRST
            while after is not None:
                rows, after = await self._engine.read(
                    partial(self._orphans, name, after), long=True
                )
                for row in rows:
                    detail = f"its call {row.get('callSessionId')} is not there"
                    yield _problem("orphan", name, row, detail)

    async def _strange(self, collection: str, session: Session) -> list[Document]:
        where = {"_id": {"$not": {"$type": "objectId"}}}
        return await fetch(self._db, collection, where, session, projection={"_id": 1})

    async def _orphans(
        self, collection: str, after: Any, session: Session
    ) -> tuple[list[Document], Any]:
        """Of the next rows, and where those after them begin (None: there are none)."""
        rows = await self._next(collection, after, _ROWS, session, "callSessionId")
        ids = [*{row.get("callSessionId") for row in rows}]
        calls = await fetch(self._db, _CALLS, {"_id": {"$in": ids}}, session, projection={"_id": 1})
        there = {call["_id"] for call in calls}
        more = rows[-1]["_id"] if len(rows) == _ROWS else None
        return [row for row in rows if row.get("callSessionId") not in there], more

    async def put(self, calls: Sequence[Adopted]) -> None:
        try:
            await self._engine.write(partial(_put, self._engine, calls), _PATIENCE)
        except Unwritable as error:
            raise Conflict(f"calls cannot be taken over: {error}") from error

    async def delete(self, collection: str, ids: Sequence[str]) -> None:
        where = {"_id": {"$in": [oid(id) for id in ids]}}

        async def work(session: Session) -> tuple[None, None]:
            await self._db[collection].delete_many(where, session=session)
            return None, None

        await self._engine.write(work, _PATIENCE)

    def in_the_way(self, index: Definition) -> bool:
        whole = index.get("unique") and "partialFilterExpression" not in index
        return bool(whole or "expireAfterSeconds" in index)


def _problem(kind: Any, collection: str, row: Document, detail: str) -> Problem:
    return Problem(kind=kind, collection=collection, id=str(row["_id"]), detail=detail)


def _found(call: Document, rows: list[list[Document]]) -> Found | None:
    """None where all of it has been taken over."""
    again = "version" in call
    if again and all("conversationId" in row for of in rows for row in of):
        return None
    participants, captions, recordings, analyses = ([*map(_raw, of)] for of in rows)
    return Found(
        call=_raw(call),
        participants=participants,
        captions=captions,
        recordings=recordings,
        analyses=analyses,
        again=again,
    )


def _raw(document: Document) -> Raw:
    found = _plain(document)
    return {"id": found.pop("_id"), **found}


def _plain(value: Any) -> Any:
    match value:
        case ObjectId():
            return str(value)
        case datetime():
            return utc(value)
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case bool():
            return value
        case int():
            return int(value)  # of what is past 32 bits the driver makes a kind of its own
    return value


async def _put(
    engine: Engine, calls: Sequence[Adopted], session: Session
) -> tuple[None, Marker | None]:
    """What else is in a row stays in it."""
    writes: dict[str, list[Any]] = {}
    for call in calls:
        if call.again:
            of_call = {"callSessionId": oid(call.call.id)}
            for name in ("CallLogEntry", "CallEvent"):
                writes.setdefault(name, []).append(DeleteMany(of_call))
        for name, ids in call.gone.items():
            gone = {"_id": {"$in": [oid(id) for id in ids]}}
            writes.setdefault(name, []).append(DeleteMany(gone))
        for name, rows in call.kept.items():
            for document in map(CODECS[name].encode, rows):
                update = UpdateOne({"_id": document.pop("_id")}, {"$set": document})
                writes.setdefault(name, []).append(update)
    for name, requests in writes.items():
        await engine.db[name].bulk_write(requests, session=session)
    await batches.insert(
        engine.db, tables.LOG_ENTRY, (e for c in calls for e in c.entries), session
    )
    await batches.insert(engine.db, tables.EVENT, (e for c in calls for e in c.events), session)
    return None, Marker(collection="CallEvent", id=oid(calls[0].events[0].id))
