"""What a database is made of, and how far one is from what it should be. Pure.

A store describes each part by whatever it is built from, SQL or JSON: parts are the same where
their definitions are equal.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct

Definition = Any
LONGEST = 200
"""Characters that are told of a definition."""
Kind = Literal["missing", "changed", "unknown"]
What = Literal["collection", "field", "rules", "index"]


class CollectionShape(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`fields` where the engine declares them one by one; `rules` are what a row must match."""

    fields: dict[str, Definition] = {}
    rules: Definition = None
    indexes: dict[str, Definition] = {}


Shape = dict[str, CollectionShape]


class Change(Struct, frozen=True, kw_only=True):
    """A difference of a database from a shape. `unknown` is what the shape does not have."""

    kind: Kind
    what: What
    collection: str
    name: str = ""  # of the field or index
    found: Definition = None
    wanted: Definition = None

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.name or self.collection) if part)


def changes(found: Shape, wanted: Shape) -> list[Change]:
    """What leads from `found` to `wanted`, in the order in which it is done. Collections that
    `wanted` does not name are somebody else's."""
    listed: list[Change] = []
    for name, shape in wanted.items():
        if name not in found:
            listed.append(Change(kind="missing", what="collection", collection=name, wanted=shape))
        there = found.get(name, CollectionShape(fields=shape.fields, rules=shape.rules))
        listed += _differences("field", name, there.fields, shape.fields)
        if there.rules != shape.rules:
            listed.append(
                Change(
                    kind="changed" if there.rules else "missing",
                    what="rules",
                    collection=name,
                    found=there.rules,
                    wanted=shape.rules,
                )
            )
        listed += _differences("index", name, there.indexes, shape.indexes)
    return listed


def _kind(*, there: bool, asked: bool) -> Kind:
    if not there:
        return "missing"
    return "changed" if asked else "unknown"


def _differences(
    what: What, collection: str, found: dict[str, Definition], wanted: dict[str, Definition]
) -> Iterator[Change]:
    for name in (*wanted, *(name for name in found if name not in wanted)):
        if found.get(name) != wanted.get(name):
            yield Change(
                kind=_kind(there=name in found, asked=name in wanted),
                what=what,
                collection=collection,
                name=name,
                found=found.get(name),
                wanted=wanted.get(name),
            )


def differing(found: Definition, wanted: Definition, name: str = "") -> Iterator[str]:
    """What differs between two definitions, part by part: its name, what is there, what should be.

    Lists of different lengths are told whole: which part is which nobody knows."""
    if found == wanted:
        return
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in dict.fromkeys((*wanted, *found)):
            inner = ".".join(filter(None, (name, key)))
            yield from differing(found.get(key, _ABSENT), wanted.get(key, _ABSENT), inner)
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for number, pair in enumerate(zip(found, wanted, strict=True)):
            yield from differing(*pair, f"{name}[{number}]")
    else:
        yield f"{name}: ".removeprefix(": ") + f"{_short(found)} → {_short(wanted)}"


_ABSENT = object()  # which null is not: an index may be of rows where a field is null


def _short(definition: Definition) -> str:
    if definition is _ABSENT:
        return "none"
    text = definition if isinstance(definition, str) else json.dumps(definition)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
