"""Making and changing the collections of a database."""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

from bson import Regex
from pymongo import IndexModel, UpdateOne
from pymongo.errors import OperationFailure, PyMongoError, WriteError

from callstore.errors import Conflict
from callstore.schema import tables
from callstore.schema.model import SchemaStep
from callstore.schema.shape import Change, CollectionShape, Definition, Shape
from callstore.schema.steps import Fill, Values
from callstore.stores.filling import filled
from callstore.stores.mongo import ddl, moving
from callstore.stores.mongo.adopting import MongoAdopting
from callstore.stores.mongo.codec import CODECS, Document, decoder, encoder, key
from callstore.stores.mongo.connection import Database, translated
from callstore.stores.mongo.engine import LONG, Engine, Session
from callstore.stores.mongo.rows import fetch
from callstore.stores.mongo.shape import from_json, identity, live
from callstore.stores.probing import Probed, outcome
from callstore.stores.protocol import Unwritable, WriteConflict
from callstore.stores.structure import ProbeRow, Progress
from callstore.tasks import stop

T = TypeVar("T")
_LOOK_EVERY = 0.2  # seconds
_EXISTS, _NO_INDEX = 48, 27


class MongoStructure:
    """A `Structure`. What is said of a collection is done at once or not at all; an index that was
    being built when its builder died goes on, or is begun anew by the next. Only a field is taken
    from its rows one by one, and from those that still have it when that was cut off."""

    kind = "mongodb"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._db = engine.db
        self.adopting = MongoAdopting(engine)

    async def live(self) -> Shape:
        return await self._engine.doing(live(self._db))

    async def count(self, collection: str, where: Values | None = None) -> int:
        rows = self._db[collection]
        if where is None:
            return await self._engine.doing(rows.estimated_document_count())
        matching = ddl.matching(tables.BY_NAME[collection], where)
        return await self._engine.doing(rows.count_documents(matching))

    async def has_values(self, collection: str, field: str) -> bool:
        having = self._db[collection].find_one({field: {"$ne": None}}, {"_id": 1})
        return await self._engine.doing(having) is not None

    async def applied(self) -> list[SchemaStep]:
        await self._engine.check_server()
        steps, ours = self._db["CallSchema"], {"oldestCode": {"$exists": True}}

        async def work(session: Session) -> list[Document]:
            return await steps.find(ours, session=session).sort("_id", 1).to_list()

        decode = CODECS["CallSchema"].decode
        return [decode(document) for document in await self._engine.read(work)]

    async def create(self, shape: Shape, steps: Sequence[SchemaStep]) -> None:
        for name, one in shape.items():
            await self._create(name, from_json(one.rules))
            if models := [_model(*index) for index in one.indexes.items()]:
                await self._engine.doing(self._index(name, models))
        for step in reversed(steps):  # whoever looks meanwhile sees none of them, or the last
            await self.record(step)

    async def _index(self, collection: str, models: list[IndexModel]) -> None:
        """Once a majority has them, as with writes: the default waits for members that are down."""
        await self._db[collection].create_indexes(models, commitQuorum="majority")

    async def _create(self, name: str, validator: Document) -> None:
        async def work() -> None:
            try:
                await self._db.create_collection(name, validator=validator, check_exists=False)
            except OperationFailure as error:
                if error.code != _EXISTS:  # another was faster
                    raise

        await self._engine.doing(work())

    async def record(self, step: SchemaStep) -> None:
        document = CODECS["CallSchema"].encode(step)
        where = {"_id": document.pop("_id")}
        inserting = {"$setOnInsert": document}
        await self._engine.doing(self._db["CallSchema"].update_one(where, inserting, upsert=True))

    async def forget(self, step: int) -> None:
        await self._engine.doing(self._db["CallSchema"].delete_one({"_id": step}))

    async def apply(self, change: Change, progress: Progress) -> None:
        if change.what == "collection":
            await self._create(change.collection, from_json(change.wanted.rules))
        elif change.what == "rules":
            await self._restate(change)
        else:
            if change.kind == "changed":
                await self.remove(change)
            await self._build(change, progress)

    async def _restate(self, change: Change) -> None:
        rules = from_json(change.wanted or {})
        misfits = await self._engine.doing(
            self._db[change.collection].find({"$nor": [rules]}, {"_id": 1}).limit(3).to_list()
        )
        if rules and misfits:
            ids = ", ".join(str(each["_id"]) for each in misfits)
            wrong = await self._wrong(change.collection, misfits[0]["_id"], rules)
            raise Conflict(
                f"{change}: rows do not fit, {ids} among them; of the first {'; '.join(wrong)}"
            )
        stated = {"validator": rules, "validationLevel": "strict", "validationAction": "error"}
        await self._engine.doing(self._db.command({"collMod": change.collection, **stated}))

    async def _wrong(self, collection: str, id: Any, rules: Document) -> list[str]:
        """What it is of a row that does not fit."""
        rows = self._db[collection]
        return [
            what
            for what, fits in ddl.parts(rules)
            if await self._engine.doing(rows.find_one({"_id": id, "$nor": [fits]}, {"_id": 1}))
        ]

    async def _build(self, change: Change, progress: Progress) -> None:
        async def work() -> None:
            models = [_model(change.name, change.wanted)]
            try:
                with translated():
                    await self._index(change.collection, models)
            except (Unwritable, WriteConflict) as error:
                raise Conflict(f"{change} cannot be built: {error}") from error

        building = asyncio.create_task(self._engine.doing(work()))
        most = 0
        try:
            while not (await asyncio.wait([building], timeout=_LOOK_EVERY))[0]:
                for done, total in await self._building(change.name):
                    most = max(most, done)
                    progress(str(change), most, total)
        finally:
            await stop(building)
        await building
        rows = await self.count(change.collection)
        progress(str(change), rows, rows)

    async def _building(self, index: str) -> list[tuple[int, int]]:
        """How far it is, where we may ask, as it is built by no user's thread: keys are gathered,
        then they are put in."""
        wanted = {"command.indexes.name": index, "progress.total": {"$gt": 0}}
        pipeline: list[Document] = [{"$currentOp": {"allUsers": True}}, {"$match": wanted}]
        with contextlib.suppress(PyMongoError):
            found = await self._db.client.admin.aggregate(pipeline)
            return [
                ((_gathered(each) + int(each["progress"]["done"])) // 2, total)
                async for each in found
                if (total := int(each["progress"]["total"]))
            ]
        return []

    async def remove(self, change: Change) -> None:
        async def work() -> None:
            if change.what == "collection":
                await self._db.drop_collection(change.collection)
                return
            if change.what == "field":
                having, without = {change.name: {"$exists": True}}, {"$unset": {change.name: ""}}
                await self._db[change.collection].update_many(having, without)
                return
            try:
                await self._db[change.collection].drop_index(change.name)
            except OperationFailure as error:
                if error.code != _NO_INDEX:
                    raise

        await self._engine.doing(work())

    async def lacking(self, fill: Fill, after: Any, limit: int) -> list[Any]:
        where = ddl.matching(tables.BY_NAME[fill.collection], fill.where)
        behind = where if after is None else {"_id": {"$gt": after}, **where}

        async def work(session: Session) -> list[Any]:
            # By another index each batch would sort all that lack it.
            found = self._db[fill.collection].find(behind, {"_id": 1}, session=session, hint="_id_")
            return [row["_id"] for row in await found.sort("_id", 1).limit(limit).to_list()]

        return await self._engine.read(work, long=True)

    async def fill(self, fill: Fill, keys: Sequence[Any]) -> None:
        work = partial(_fill, self._db, fill, keys)
        try:
            if len(keys) > 1:
                return await self._engine.transaction(work, LONG, LONG / 2)
            return await self._engine.write(work, LONG)
        except (WriteConflict, Unwritable) as error:
            if len(keys) == 1:
                message = f"{fill.collection} {keys[0]} cannot be filled: {error}"
                raise Conflict(message) from error
            # Commands write rows of live calls all the time: fewer at once. What is refused, too,
            # is found so.
            half = len(keys) // 2
            await self.fill(fill, keys[:half])
            await self.fill(fill, keys[half:])

    async def probe(self, rows: Sequence[ProbeRow]) -> str | None:
        return await outcome(self._engine.change(partial(self._probe, rows)))

    async def _probe(self, rows: Sequence[ProbeRow], session: Session) -> tuple[None, None]:
        for number, row in enumerate(rows, 1):
            document = CODECS[row.collection].encode(row.row)
            if row.spoiled is not None:
                document[key(row.spoiled)] = _WRONG
            try:
                await self._db[row.collection].insert_one(document, session=session)
            except WriteError as error:  # a duplicate, or what a validator rejects
                if number < len(rows):
                    raise
                raise Probed(error.details["errmsg"] if error.details else str(error)) from error
        raise Probed(None)

    async def holds(self) -> list[str]:
        some = self._db["CallSession"].find({"holds": {"$nin": [None, []]}}, {"holds": 1})
        found = await self._engine.doing(some.limit(100).to_list())
        in_force = self._db["CallHold"].find({"releasedAt": None}, {"_id": 1})
        latest = in_force.sort([("placedAt", -1), ("_id", -1)]).limit(100)
        rows = await self._engine.doing(latest.to_list())
        ids = [id for row in found for id in row["holds"]] + [row["_id"] for row in rows]
        return sorted({str(id) for id in ids})

    async def drop(self) -> None:
        # What says that this is callstore's is last: one that was cut off is dropped again.
        for collection in tables.COLLECTIONS:
            await self._engine.doing(self._db.drop_collection(collection.name))

    def fields(self, shape: CollectionShape) -> tuple[str, ...]:
        return ddl.fields(shape.rules)

    def rows_per_second(self, index: Definition) -> int:
        return 15_000 if "words" in self.fields_of(index) else 250_000

    def is_unique(self, index: Definition) -> bool:
        return bool(index.get("unique"))

    def identity(self, index: Definition) -> list[Any]:
        return identity(index)

    def fields_of(self, index: Definition) -> tuple[str, ...]:
        return tuple(name for name, _ in index["key"])

    def is_replaced(self, index: Definition, left: CollectionShape) -> bool:
        fields, use = self.fields_of(index), _use(index)
        return any(
            self.fields_of(each)[: len(fields)] == fields and _use(each) in ({}, use)
            for each in left.indexes.values()
        )


def _use(index: Definition) -> Document:
    """What says which queries it is for, besides its key: its rows, a collation, that it is
    hidden."""
    aside = ("key", "unique", "expireAfterSeconds")
    return {option: value for option, value in index.items() if value and option not in aside}


def _gathered(building: Document) -> int:
    """All keys, once that is over."""
    over = "scanning" not in building.get("msg", "")
    return int(building["progress"]["total"]) if over else 0


def _model(name: str, definition: Definition) -> IndexModel:
    options = {option: from_json(v) for option, v in definition.items() if option != "key"}
    return IndexModel([(field, way) for field, way in definition["key"]], name=name, **options)


async def _fill(
    db: Database, fill: Fill, keys: Sequence[Any], session: Session
) -> tuple[None, None]:
    collection = tables.BY_NAME[fill.collection]
    where = {"_id": {"$in": [*keys]}, **ddl.matching(collection, fill.where)}
    updates = []
    for row in await fetch(db, fill.collection, where, session, hint="_id_"):
        kept = {name: row.get(key(name)) for name in fill.reads}
        made = filled(fill, kept, decoder=decoder, encoder=encoder)
        writes = {key(name): value for name, value in made.items()}
        updates.append(UpdateOne(moving.place(collection, row), {"$set": writes}))
    if updates:
        await db[fill.collection].bulk_write(updates, session=session)
    return None, None


_WRONG = Regex("no field has this type")
