"""Calls that something else wrote: read as they are, written over as callstore keeps them."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from bson import DBRef, ObjectId
from pymongo import DeleteMany, UpdateOne

from callstore.calls.model import LIVE_STATUSES
from callstore.errors import Conflict
from callstore.schema import tables
from callstore.schema.adoption.document import COLLECTIONS
from callstore.schema.adoption.model import Adopted, Found, Problem, Raw
from callstore.schema.shape import CollectionShape, Definition, Shape
from callstore.stores.mongo import batches, queries, shape
from callstore.stores.mongo.codec import CODECS, Document, key, oid, utc
from callstore.stores.mongo.connection import Database
from callstore.stores.mongo.engine import LONG, Engine, Marker, Session
from callstore.stores.mongo.rows import fetch
from callstore.stores.mongo.shape import from_json
from callstore.stores.protocol import Unwritable

_CALLS, *_OF_CALL = COLLECTIONS
_ROWS = 5000  # looked at together
OBJECT_ID = {"$type": "objectId"}


class MongoAdopting:
    """An `Adopting`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._db = engine.db

    async def live_calls(self) -> list[Raw]:
        where = {"_id": OBJECT_ID, "status": {"$in": [*LIVE_STATUSES]}}
        fields = {"conversationId": 1, "createdAt": 1}

        async def work(session: Session) -> list[Document]:
            return await fetch(self._db, _CALLS, where, session, projection=fields)

        return [_raw(each) for each in await self._engine.read(work, long=True)]

    async def found(self, after: Any, limit: int) -> tuple[list[Found], Any]:
        async def work(session: Session) -> tuple[list[Document], list[Found]]:
            calls = await self._next(_CALLS, after, limit, session)
            return calls, await self._whole(calls, session)

        calls, whole = await self._engine.read(work, long=True)
        found = [each for each in whole if not each.done]
        return found, calls[-1]["_id"] if len(calls) == limit else None

    async def _whole(self, calls: list[Document], session: Session) -> list[Found]:
        """With their rows."""
        ids = [call["_id"] for call in calls]
        rows = [await self._of_calls(name, ids, session) for name in _OF_CALL]
        return [_found(call, [of.get(call["_id"], []) for of in rows]) for call in calls]

    async def _next(
        self, collection: str, after: Any, limit: int, session: Session, *fields: str
    ) -> list[Document]:
        """By `_id`; of those that are ObjectIds."""
        where = {"_id": OBJECT_ID if after is None else {"$gt": after}}
        found = self._db[collection].find(where, fields or None, session=session, hint="_id_")
        return await found.sort("_id", 1).limit(limit).to_list()

    async def _of_calls(
        self, collection: str, ids: list[Any], session: Session
    ) -> dict[Any, list[Document]]:
        rows: dict[Any, list[Document]] = {}
        for row in await fetch(self._db, collection, {"callSessionId": {"$in": ids}}, session):
            if isinstance(row["callSessionId"], ObjectId):  # and no list that has one
                rows.setdefault(row["callSessionId"], []).append(row)
        return rows

    async def unusable(self) -> list[Problem]:
        async def work() -> list[Problem]:
            found = await self._db.list_collections(filter={"name": {"$in": [*_FIELDS]}})
            return [
                Problem(kind="impossible", collection=each["name"], id="", detail=said)
                async for each in found
                if (said := _unusable(each)) is not None
            ]

        return await self._engine.doing(work())

    async def strays(self) -> AsyncIterator[Problem]:
        for name in _FIELDS:
            for detail, where in _strange(name).items():
                for row in await self._engine.read(partial(self._some, name, where), long=True):
                    yield _problem("impossible", name, row, detail)
        for name in _OF_CALL:
            after: Any = None
            while True:
                rows, after = await self._engine.read(
                    partial(self._orphans, name, after), long=True
                )
                for row in rows:
                    file = f", its file at {row['filePath']}" if row.get("filePath") else ""
                    detail = f"its call {row.get('callSessionId')} is not there{file}"
                    yield _problem("orphan", name, row, detail)
                if after is None:
                    break

    async def _some(self, collection: str, where: Document, session: Session) -> list[Document]:
        """Enough to tell of."""
        found = self._db[collection].find(where, {"_id": 1}, session=session)
        return await found.limit(_ROWS).to_list()

    async def _orphans(
        self, collection: str, after: Any, session: Session
    ) -> tuple[list[Document], Any]:
        """Of the next rows, and where those after them begin (None: there are none)."""
        rows = await self._next(collection, after, _ROWS, session, "callSessionId", "filePath")
        known = [row for row in rows if isinstance(row.get("callSessionId"), ObjectId | None)]
        ids = {row.get("callSessionId") for row in known}
        calls = await fetch(
            self._db, _CALLS, {"_id": {"$in": [*ids]}}, session, projection={"_id": 1}
        )
        there = {call["_id"] for call in calls}
        more = rows[-1]["_id"] if len(rows) == _ROWS else None
        return [row for row in known if row.get("callSessionId") not in there], more

    async def lift_rules(self, wanted: Shape) -> None:
        live = await self._engine.doing(shape.live(self._db))
        for name in COLLECTIONS:
            if name in live and live[name].rules not in (None, wanted[name].rules):
                await self._engine.doing(self._db.command({"collMod": name, "validator": {}}))

    async def hold_rules(self, wanted: Shape) -> None:
        live = await self._engine.doing(shape.live(self._db))
        for name in COLLECTIONS:
            if name in live:
                rules = {"validator": from_json(wanted[name].rules), "validationLevel": "moderate"}
                await self._engine.doing(self._db.command({"collMod": name, **rules}))

    async def late(self) -> list[str]:
        async def work(session: Session) -> list[Document]:
            found = []
            for name in COLLECTIONS:
                of = "$_id" if name == _CALLS else "$callSessionId"
                where = {"$or": [_lacking(name), *_CHANGED.get(name, [])]}
                pipeline: list[Document] = [{"$match": where}, {"$group": {"_id": of}}]
                rows = await self._db[name].aggregate(pipeline, session=session)
                found += await rows.to_list()
            return found

        found = await self._engine.read(work, long=True)
        return sorted({str(each["_id"]) for each in found if isinstance(each["_id"], ObjectId)})

    async def take_over(
        self, ids: Sequence[str], decide: Callable[[list[Found]], list[Adopted]]
    ) -> None:
        async def work(session: Session) -> tuple[None, Marker | None]:
            where = {"_id": {"$in": [oid(id) for id in ids]}}
            found = await self._whole(await fetch(self._db, _CALLS, where, session), session)
            return None, await _put(self._db, decide(found), session) if found else None

        try:
            await self._engine.write(work, LONG)
        except Unwritable as error:
            raise Conflict(f"calls cannot be taken over: {error}") from error

    async def delete(self, collection: str, ids: Sequence[str]) -> None:
        where = {"_id": {"$in": [oid(id) for id in ids]}}

        async def work(session: Session) -> tuple[None, None]:
            await self._db[collection].delete_many(where, session=session)
            return None, None

        try:
            await self._engine.write(work, LONG)
        except Unwritable as error:
            raise Conflict(f"rows of {collection} cannot be deleted: {error}") from error

    def in_the_way(self, index: Definition, wanted: CollectionShape) -> bool:
        whole = index.get("unique") and "partialFilterExpression" not in index
        words = any(way == "text" for _, way in index["key"])  # which refuses languages it lacks
        same = shape.identity(index) in map(shape.identity, wanted.indexes.values())
        return bool(whole or words or same or "expireAfterSeconds" in index)


def _unusable(collection: Mapping[str, Any]) -> str | None:
    """Why nothing can be kept in what has a name of callstore's."""
    kind = "capped" if collection["options"].get("capped") else collection["type"]
    if kind != "collection":
        return f"is {kind}, and callstore needs a plain collection of that name"
    if collection["options"].get("clusteredIndex", {}).get("name", "_id_") != "_id_":
        return "is clustered by an index with a name of its own: make it anew without the name"
    if "collation" in collection["options"]:
        return "has a collation, by which its indexes differ: make it anew without"
    return None


def _strange(collection: str) -> dict[str, Document]:
    """What is wrong with rows -> those that have it."""
    if collection not in COLLECTIONS:
        return {"is of callstore's name, and not callstore's: rename it": _lacking(collection)}
    wrong: dict[str, Document] = {"_id is no ObjectId": {"_id": {"$not": OBJECT_ID}}}
    if collection != _CALLS:
        # As an array's type that of its items counts.
        is_none = {"$nor": [{"callSessionId": OBJECT_ID}, {"callSessionId": None}]}
        listed = {"callSessionId": {"$type": "array"}}
        wrong["callSessionId is no ObjectId"] = {"_id": OBJECT_ID, "$or": [is_none, listed]}
    return wrong


_FIELDS = {c.name: frozenset(field.name for field in c.fields) for c in tables.COLLECTIONS}


def _lacking(collection: str) -> Document:
    """What is not of callstore's making."""
    return {"$or": [{key(name): {"$exists": False}} for name in _FIELDS[collection]]}


def _ours(collection: str, row: Document) -> bool:
    """Whether callstore wrote it: with each of its fields, explicit nulls included."""
    return all(key(name) in row for name in _FIELDS[collection])


# What something else has written since into rows that were taken over: it knows neither `live` nor
# stints.
_LIVE = {"status": {"$in": [*LIVE_STATUSES]}}
_OPEN = {"stints": {"$elemMatch": {"leftAt": None}}}
_CHANGED: dict[str, list[Document]] = {
    "CallSession": [{"live": True, "$nor": [_LIVE]}, {"live": {"$ne": True}, **_LIVE}],
    "CallParticipant": [
        {"leftAt": {"$ne": None}, **_OPEN},
        {"leftAt": None, "stints": {"$ne": []}, "$nor": [_OPEN]},
    ],
}


def _is_changed(call: Document, participants: list[Document]) -> bool:
    """As `_CHANGED` has it."""
    stints = [(row["leftAt"], row["stints"]) for row in participants if row["stints"]]
    return (call["live"] is True) != (call["status"] in LIVE_STATUSES) or any(
        (left is None) == all(stint["leftAt"] is not None for stint in its) for left, its in stints
    )


def _problem(kind: Any, collection: str, row: Document, detail: str) -> Problem:
    return Problem(kind=kind, collection=collection, id=str(row["_id"]), detail=detail)


def _found(call: Document, rows: list[list[Document]]) -> Found:
    again = _ours(_CALLS, call)
    ours = again and all(_ours(n, r) for n, of in zip(_OF_CALL, rows, strict=True) for r in of)
    participants, captions, recordings, analyses = ([*map(_raw, of)] for of in rows)
    return Found(
        call=_raw(call),
        participants=participants,
        captions=captions,
        recordings=recordings,
        analyses=analyses,
        again=again,
        done=ours and not _is_changed(call, rows[0]),
    )


def _raw(document: Document) -> Raw:
    found: Raw = _plain(document)
    found["id"] = found.pop("_id")  # whatever else is called so
    return found


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
        case DBRef():
            return _plain(value.as_doc())  # an object that has a `$ref`
        case bool():
            return value
        case int():
            return int(value)  # of what is past 32 bits the driver makes a kind of its own
        case float() if value.is_integer() and abs(value) < _EXACT:
            return int(value)  # as a shell writes every number
    return value


_EXACT = 2**53


async def _put(db: Database, calls: Sequence[Adopted], session: Session) -> Marker:
    """What else is in a row stays in it."""
    writes: dict[str, list[Any]] = {}
    for call in calls:
        if call.again:
            # In the conversation that it was in: a call stays there.
            of_call = queries.of_call(oid(call.call.conversation_id), oid(call.call.id))
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
        done = await db[name].bulk_write(requests, session=session)
        updates = sum(isinstance(each, UpdateOne) for each in requests)
        if done.matched_count != updates:
            raise Unwritable(f"of {updates} rows of {name} {done.matched_count} are there")
    await batches.insert(db, tables.LOG_ENTRY, (e for c in calls for e in c.entries), session)
    await batches.insert(db, tables.EVENT, (e for c in calls for e in c.events), session)
    return Marker(collection="CallEvent", id=oid(calls[0].events[0].id))
