"""What is exported: the collections, and the kinds of objects that stand in their fields."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from callstore.schema import tables
from callstore.schema.declaration import Collection, Field

COLLECTIONS = tables.KEPT
PARTY_RULE = "Either userId or anonymousUserId must be set (not both)"


def of_parties(collection: Collection) -> bool:
    """Whether a row of it is somebody's, by the two columns that a party is in."""
    return any(rule.name == "exactlyOneParty" for rule in collection.rules)


def is_optional(field: msgspec.inspect.Field, of: type[Struct]) -> bool:
    """Whether an object may leave it out, as it does where it is as usual."""
    return not field.required and bool(of.__struct_config__.omit_defaults)


def type_of(field: Field) -> Any:
    """Its type as msgspec sees it."""
    return msgspec.inspect.type_info(field.type)


def derived(collection: Collection) -> tuple[msgspec.inspect.Field, ...]:
    """What a row has in callstore's JSON, and not where it is stored."""
    info = msgspec.inspect.type_info(collection.row)
    assert isinstance(info, msgspec.inspect.StructType)
    return info.fields[len(collection.fields) :]


def objects() -> list[tuple[msgspec.inspect.StructType, bool]]:
    """Each kind of object within rows, those that it is made of before it; and whether its times
    are those of its row, not of JSON."""
    rows = {collection.row for collection in COLLECTIONS}
    found: dict[type, tuple[msgspec.inspect.StructType, bool]] = {}
    for collection in COLLECTIONS:
        for field in collection.fields:
            for each in _within(type_of(field)):
                if each.cls not in rows:
                    found.setdefault(each.cls, (each, field.native))
    return list(found.values())


def _within(type_: Any) -> Iterator[msgspec.inspect.StructType]:
    match type_:
        case msgspec.inspect.StructType(fields=fields):
            for field in fields:
                yield from _within(field.type)
            yield type_
        case msgspec.inspect.UnionType(types=types):
            for each in types:
                yield from _within(each)
        case msgspec.inspect.ListType(item_type=item):
            yield from _within(item)


def said(of: type[Struct]) -> str:
    """The first sentence of its docstring, or nothing."""
    return re.split(r"(?<=\.)\s", " ".join((of.__doc__ or "").split()))[0]
