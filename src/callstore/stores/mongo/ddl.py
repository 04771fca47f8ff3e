"""The declared schema as MongoDB's: validators and indexes."""

from collections.abc import Iterator, Mapping
from typing import Any, get_origin

from bson import ObjectId
from pymongo import IndexModel

from callstore.ids import NOBODY
from callstore.schema.declaration import PRESENT, TTL_AFTER, Collection, Field, Index
from callstore.stores.mongo.codec import key
from callstore.times import EPOCH
from callstore.validation import EARLIEST, LATEST

_TYPES = {
    "id": ["objectId"],
    "text": ["string"],
    "time": ["date"],
    "int": ["int", "long"],
    "real": ["double"],
    "bool": ["bool"],
}


def validator(collection: Collection) -> dict[str, Any]:
    """What a document must match."""
    schema = {
        "bsonType": "object",
        "required": [key(field.name) for field in collection.fields if not field.coming],
        "properties": {key(field.name): _property(field) for field in collection.fields},
    }
    ranges = [_range(field) for field in collection.fields if field.kind == "time"]
    rules = [rule.mongo for rule in collection.rules]
    return {"$and": [{"$jsonSchema": schema}, *ranges, *rules]}


def fields(validator: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that one made by `validator` names."""
    return tuple(validator["$and"][0]["$jsonSchema"]["properties"])


def parts(validator: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each field, and those that each other rule is about, with what a row must match for it."""
    schema, *rules = validator["$and"]
    needed = schema["$jsonSchema"]["required"]
    for name, of in schema["$jsonSchema"]["properties"].items():
        required = {"required": [name]} if name in needed else {}
        yield name, {"$jsonSchema": {**required, "properties": {name: of}}}
    for rule in rules:
        yield ", ".join(dict.fromkeys(_named(rule))), rule


def _named(rule: Any) -> Iterator[str]:
    """The fields that a filter or an expression speaks of."""
    if isinstance(rule, dict):
        for name, of in rule.items():
            if not name.startswith("$"):
                yield name
            yield from _named(of)
    elif isinstance(rule, list):
        for each in rule:
            yield from _named(each)
    elif isinstance(rule, str) and rule.startswith("$") and not rule.startswith("$$"):
        yield rule[1:].partition(".")[0]


def _property(field: Field) -> dict[str, Any]:
    if field.type is Any:
        return {}
    types = _TYPES.get(field.kind) or [_container(field)]
    found: dict[str, Any] = {"bsonType": [*types, *(["null"] if field.nullable else [])]}
    if field.choices:
        found["enum"] = [*field.choices, *([None] if field.nullable else [])]
    low, high = ("minLength", "maxLength") if field.kind == "text" else ("minimum", "maximum")
    if field.low is not None:
        found[low] = field.low
    if field.high is not None and field.high < 2**63 - 1:
        found[high] = field.high
    return found


def _container(field: Field) -> str:
    return "array" if get_origin(field.type) is list else "object"


def _range(field: Field) -> dict[str, Any]:
    """$jsonSchema knows no range of dates; null is outside every comparison with one."""
    return {"$nor": [{field.name: {"$lt": EARLIEST}}, {field.name: {"$gt": LATEST}}]}


def model(collection: Collection, index: Index) -> IndexModel:
    options: dict[str, Any] = {"name": index.name}
    if index.unique:
        options["unique"] = True
    if index.where:
        options["partialFilterExpression"] = matching(collection, index.where)
    if index.ttl:
        options["expireAfterSeconds"] = int(TTL_AFTER.total_seconds())
    return IndexModel([(key(name), 1) for name in index.fields], **options)


def matching(collection: Collection, where: Mapping[str, Any]) -> dict[str, Any]:
    """What rows match where each field has this value, None or PRESENT."""
    kinds = {field.name: field.kind for field in collection.fields}
    return {
        key(name): ANY[kinds[name]] if value is PRESENT else value for name, value in where.items()
    }


ANY: dict[str, Any] = {
    "id": {"$gt": ObjectId(NOBODY)},
    "text": {"$gt": ""},
    "time": {"$gt": EPOCH},
}
"""What every value of a kind matches, and null does not. Not `$type`: an index that is partial by
that serves no equality."""
