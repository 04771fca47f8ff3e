"""The shape of a database: validators and indexes, as extended JSON."""

import json
from collections.abc import Mapping
from typing import Any

from bson import json_util

from callstore.schema.declaration import Collection
from callstore.schema.shape import CollectionShape, Shape
from callstore.schema.tables import COLLECTIONS
from callstore.stores.mongo import ddl
from callstore.stores.mongo.connection import Database

_OPTIONS = ("unique", "sparse", "expireAfterSeconds", "partialFilterExpression", "collation")


def declared() -> Shape:
    return {c.name: _declared(c) for c in COLLECTIONS}


def _declared(collection: Collection) -> CollectionShape:
    models = [ddl.model(collection, index).document for index in collection.mongo_indexes]
    return CollectionShape(
        rules=to_json(ddl.validator(collection)),
        indexes={model["name"]: _index(model) for model in models},
    )


async def live(db: Database) -> Shape:
    """Of all collections that are there."""
    found: Shape = {}
    async for collection in await db.list_collections(filter={"type": "collection"}):
        name = collection["name"]
        listed = await db[name].list_indexes()
        indexes = {i["name"]: _index(i) async for i in listed if i["name"] != "_id_"}
        rules = collection["options"].get("validator")
        found[name] = CollectionShape(rules=rules and to_json(rules), indexes=indexes)
    return found


def _index(document: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: document[name] for name in _OPTIONS if name in document}
    return {"key": [[f, d] for f, d in document["key"].items()], **to_json(options)}


def to_json(value: Any) -> Any:
    """What plain JSON can keep: ids and times as extended JSON has them."""
    return json.loads(json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS))


def from_json(value: Any) -> Any:
    return json_util.loads(json.dumps(value))
