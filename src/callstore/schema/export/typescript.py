"""TypeScript types of the rows, and the relation types of the document."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import inspect

from callstore.schema.declaration import ID_PATTERN, Collection, Field
from callstore.schema.export.rows import COLLECTIONS, derived, is_optional, objects, said, type_of

_HEAD = """\
// Made by `callstore schema export --format typescript`; do not edit.

/** Rows as callstore's JSON has them: times are ISO 8601 text. */
export interface InJson {
  time: string;
  int64: number;
}

/** Rows as Prisma's client gives them: `CallSession<InPrisma>`. */
export interface InPrisma {
  time: Date;
  int64: bigint;
}

type Medium = { time: unknown; int64: unknown };

/** 24 hex digits. */
export type Id = string;
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

// -- the host's own models, as far as relations need them

export interface User {
  id: Id;
}

export interface AnonymousParticipant {
  id: Id;
}

export interface Conversation {
  id: Id;
}
"""
_RELATIONS = """\
// -- relations

export type CallSessionWithParticipants<In extends Medium = InJson> = CallSession<In> & {
  participants: CallParticipant<In>[];
};

export type CallParticipantWithUser<
  In extends Medium = InJson,
  U = User,
  A = AnonymousParticipant,
> = CallParticipant<In> & { user: U | null; anonymousUser: A | null };

export type CallTranscriptionWithParticipant<
  In extends Medium = InJson,
  U = User,
> = CallTranscription<In> & { participant: CallParticipant<In> & { user: U | null } };
"""


def render() -> str:
    parts = [_HEAD, "// -- objects within rows\n"]
    parts += [_object(type_, native=native) for type_, native in objects()]
    parts.append("// -- rows\n")
    parts += [_row(collection) for collection in COLLECTIONS]
    return "\n".join([*parts, _RELATIONS])


def _object(type_: inspect.StructType, *, native: bool) -> str:
    fields = (
        _line(field.encode_name, _type(field.type, native), optional=is_optional(field, type_.cls))
        for field in type_.fields
    )
    medium = "<In extends Medium = InJson>" if native else ""
    return _interface(type_.cls, type_.cls.__name__ + medium, fields)


def _row(collection: Collection) -> str:
    return _interface(
        collection.row, f"{collection.name}<In extends Medium = InJson>", _lines(collection)
    )


def _lines(collection: Collection) -> Iterator[str]:
    for field in collection.fields:
        yield _line(field.name, _of_field(field))
    if more := derived(collection):
        yield "  // derived: in callstore's JSON, never stored\n"
    for each in more:
        yield _line(each.encode_name, _type(each.type, native=True), optional=True)


def _of_field(field: Field) -> str:
    if field.wide:
        return 'In["int64"]' + (" | null" if field.nullable else "")
    return _type(type_of(field), native=field.native or field.kind == "time")


def _interface(of: type[msgspec.Struct], name: str, lines: Iterable[str]) -> str:
    comment = said(of)
    head = f"/** {comment} */\n" if comment else ""
    return f"{head}export interface {name} {{\n{''.join(lines)}}}\n"


def _line(name: str, type_: str, *, optional: bool = False) -> str:
    return f"  {name}{'?' if optional else ''}: {type_};\n"


_PLAIN: dict[type, str] = {
    inspect.AnyType: "Json",
    inspect.BoolType: "boolean",
    inspect.FloatType: "number",
    inspect.IntType: "number",
    inspect.NoneType: "null",
    inspect.StrType: "string",
}


def _type(type_: Any, native: bool) -> str:
    match type_:
        case inspect.StrType(pattern=pattern) if pattern == ID_PATTERN:
            return "Id"
        case inspect.DateTimeType():
            return 'In["time"]' if native else "string"
        case inspect.LiteralType(values=values):
            return " | ".join(f'"{value}"' for value in values)
        case inspect.UnionType(types=types):
            return " | ".join(_type(each, native) for each in types)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return f"{_bracketed(_type(item, native))}[]"
        case inspect.TupleType(item_types=items):
            return f"[{', '.join(_type(item, native) for item in items)}]"
        case inspect.DictType(value_type=value):
            return f"{{ [name: string]: {_type(value, native)} }}"
        case inspect.StructType(cls=cls):
            return _named(cls, native)
    return _PLAIN[type(type_)]


def _bracketed(type_: str) -> str:
    return f"({type_})" if " | " in type_ else type_


def _named(of: type[msgspec.Struct], native: bool) -> str:
    row = {collection.row: collection.name for collection in COLLECTIONS}.get(of)
    return f"{row or of.__name__}<In>" if native else of.__name__
