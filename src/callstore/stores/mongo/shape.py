"""The shape of a database: validators and indexes, as extended JSON."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bson import json_util
from pymongo.errors import OperationFailure

from callstore.schema.declaration import Collection
from callstore.schema.shape import CollectionShape, Definition, Shape
from callstore.schema.tables import COLLECTIONS, PREFIX
from callstore.stores.mongo import ddl
from callstore.stores.mongo.connection import Database

_OPTIONS = (
    "unique",
    "sparse",
    "hidden",
    "expireAfterSeconds",
    "partialFilterExpression",
    "collation",
)
_ENFORCED = {"validationLevel": "strict", "validationAction": "error"}


def declared() -> Shape:
    return {c.name: shape_of(c) for c in COLLECTIONS}


def shape_of(collection: Collection) -> CollectionShape:
    models = [ddl.model(collection, index).document for index in collection.mongo_indexes]
    return CollectionShape(
        rules=to_json(ddl.validator(collection)),
        indexes={model["name"]: _index(model) for model in models},
    )


async def live(db: Database) -> Shape:
    """Of the collections that have a name as callstore's have."""
    ours = {"name": {"$regex": f"^{PREFIX}"}}
    listed = await db.list_collections(filter=ours)
    return {each["name"]: await _live(db, each) async for each in listed}


async def _live(db: Database, collection: Mapping[str, Any]) -> CollectionShape:
    options = collection["options"]
    if collection["type"] != "collection":
        return CollectionShape(rules={"type": collection["type"]})
    indexes = await _indexes(db, collection["name"])
    rules = options.get("validator")
    how = {name: options.get(name, usual) for name, usual in _ENFORCED.items()}
    if rules and how != _ENFORCED:
        rules = {"validator": rules, **how}
    return CollectionShape(
        rules=rules and to_json(rules),
        indexes={each["name"]: _index(each) for each in indexes if each["name"] != "_id_"},
    )


async def _indexes(db: Database, collection: str) -> list[Mapping[str, Any]]:
    """Those that are built: the server lists those that it is building too, for whoever began that
    and may have been killed since. Whoever asks for such a one waits for it."""
    try:
        found = await db.command({"listIndexes": collection, "includeBuildUUIDs": True})
    except OperationFailure as error:
        if error.code != _NO_COLLECTION:
            raise
        return []  # it went meanwhile
    return [each for each in found["cursor"]["firstBatch"] if "buildUUID" not in each]


_NO_COLLECTION = 26


def _index(document: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: document[name] for name in _OPTIONS if name in document}
    return {"key": [[f, d] for f, d in document["key"].items()], **to_json(options)}


def identity(index: Definition) -> list[Any]:
    """Two that have the same the server refuses to have, whatever they are called. What else they
    say, that they are hidden or when rows expire, it does not look at."""
    rows = sorted(_conditions(index.get("partialFilterExpression", {})))
    return [index["key"], rows, *(index.get(option) or None for option in _OF_IDENTITY)]


_OF_IDENTITY = ("unique", "sparse", "collation")


def _conditions(where: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """One by one, however they are put."""
    for name, value in where.items():
        if name == "$and":
            for each in value:
                yield from _conditions(each)
        else:
            said = value if isinstance(value, dict) and value else {"$eq": value}
            for operator, operand in said.items():
                yield name, operator, json.dumps(operand, sort_keys=True)


def to_json(value: Any) -> Any:
    """What plain JSON can keep: ids and times as extended JSON has them."""
    return json.loads(json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS))


def from_json(value: Any) -> Any:
    return json_util.loads(json.dumps(value))
