"""Zod validators of the rows.

The document's two, CallSessionSchema and CallParticipantSchema, ask for what the document's ask
for; the others for every field that is never null. Null is as good as missing where a field may be
null.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import inspect

from callstore.schema.declaration import ID_PATTERN, Collection, Field
from callstore.schema.export.rows import (
    COLLECTIONS,
    PARTY_RULE,
    is_optional,
    objects,
    of_parties,
    said,
    type_of,
)

_HEAD = """\
// Made by `callstore schema export --format zod`; do not edit.
import { z } from 'zod';

const id = z.string().regex(/^[a-f\\d]{24}$/i, 'Invalid ObjectId');
/** ISO 8601 text, as callstore's JSON has it, or a Date, as Prisma's client gives it. */
const time = z.union([z.date(), z.string().datetime({ offset: true })]);
/** Past 32 bits Prisma's client gives a bigint. */
const int64 = z.union([z.number().int().min(0), z.bigint().refine((n) => n >= 0n, 'Too small')]);
const json = z.unknown().optional();
/** Lengths are of characters: an emoji is one, where JavaScript counts two. */
const text = (least: number, most: number, pattern = /^/) =>
  z.string().regex(pattern).refine((value) => {
    const length = [...value].length;
    return least <= length && length <= most;
  }, `Must have ${least} to ${most} characters`);

type Party = {
  userId?: string | null | undefined;
  anonymousUserId?: string | null | undefined;
  anonymizedAt?: string | Date | null | undefined;
};
const isSomebodys = (row: Party) =>
  Boolean(row.userId) !== Boolean(row.anonymousUserId) ||
  (!row.userId && !row.anonymousUserId && Boolean(row.anonymizedAt));
"""
_ASKED = {
    "CallSession": {"conversationId", "mode", "type", "status", "initiatorId"},
    "CallParticipant": {"callSessionId", "role", "status", "audioEnabled", "videoEnabled"},
}
"""What the document's own validators ask for."""


def render() -> str:
    parts = [_HEAD, *(_object(type_) for type_, _ in objects()), *map(_row, COLLECTIONS)]
    return "\n".join(parts)


def _object(type_: inspect.StructType) -> str:
    fields = (
        f"  {field.encode_name}: "
        + _asked(_type(field.type), asked=not is_optional(field, type_.cls))
        for field in type_.fields
    )
    name = type_.cls.__name__
    return _const(f"{name}Schema", said(type_.cls), _braces(fields), "")


def _row(collection: Collection) -> str:
    asked = _ASKED.get(collection.name)
    fields = (
        f"  {field.name}: " + _asked(_of_field(field), asked=asked is None or field.name in asked)
        for field in collection.fields
    )
    rule = f".refine(isSomebodys, {{\n  message: '{PARTY_RULE}',\n}})"
    name, comment = f"{collection.name}Schema", said(collection.row)
    return _const(name, comment, _braces(fields), rule if of_parties(collection) else "")


def _asked(type_: str, *, asked: bool) -> str:
    """May be left out unless it is asked for."""
    return type_ if asked or type_.endswith(".nullish()") else f"{type_}.optional()"


def _const(name: str, comment: str, braces: str, rule: str) -> str:
    head = f"/** {comment} */\n" if comment else ""
    type_ = f"export type {name.removesuffix('Schema')} = z.infer<typeof {name}>;\n"
    return f"{head}export const {name} = z.object({braces}){rule};\n{type_}"


def _braces(fields: Iterable[str]) -> str:
    return "{\n" + "".join(f"{field},\n" for field in fields) + "}"


def _of_field(field: Field) -> str:
    if field.wide:
        return "int64" + (".nullish()" if field.nullable else "")
    return _type(type_of(field))


def _type(type_: Any) -> str:
    match type_:
        case inspect.StrType(pattern=pattern) if pattern == ID_PATTERN:
            return "id"
        case inspect.StrType(min_length=low, max_length=int(high), pattern=pattern):
            return f"text({low or 0}, {high}{f', /{pattern}/' if pattern else ''})"
        case inspect.StrType(pattern=pattern):
            return "z.string()" + (f".regex(/{pattern}/)" if pattern else "")
        case inspect.IntType(ge=low, le=high):
            return f"z.number().int(){_bounds(low, high)}"
        case inspect.FloatType(ge=low, le=high):
            return f"z.number(){_bounds(low, high)}"
        case inspect.LiteralType(values=values):
            return f"z.enum([{', '.join(repr(value) for value in values)}])"
        case inspect.UnionType(types=types):
            (one,) = (each for each in types if not isinstance(each, inspect.NoneType))
            return f"{_type(one)}.nullish()"
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return f"z.array({_type(item)})"
        case inspect.TupleType(item_types=items):
            return f"z.tuple([{', '.join(map(_type, items))}])"
        case inspect.DictType(value_type=value):
            return f"z.record(z.string(), {_type(value)})"
        case inspect.StructType(cls=cls):
            return f"{cls.__name__}Schema"
    return _PLAIN[type(type_)]


_PLAIN: dict[type, str] = {
    inspect.AnyType: "json",
    inspect.BoolType: "z.boolean()",
    inspect.DateTimeType: "time",
}
_SAFE = 2**53  # past it a number of JavaScript's is not exact


def _bounds(low: float | None, high: float | None) -> str:
    least = "" if low is None else f".min({low:g})"
    return least + ("" if high is None or high >= _SAFE else f".max({high:g})")
