"""A Prisma schema of what callstore keeps, with minimal models of the host around it.

Prisma cannot say that an index is partial, nor what its rules are: the schema is for a client that
reads, not for `prisma db push`.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import inspect

from callstore.schema.declaration import Collection, Field, Index
from callstore.schema.export.rows import COLLECTIONS, objects, said, type_of

_HEAD = """\
// Made by `callstore schema export --format prisma`; do not edit.
//
// For a client that reads. `callstore schema up` makes the collections, their rules and indexes,
// the partial unique ones too, which Prisma cannot say: never run `prisma db push` with this.
// A required relation fails where it finds nobody: do not `include` the initiator of a call whose
// initiatorKind is guest, or whose initiatorId is 24 zeros as they were erased; of a recording the
// same holds for requestedBy.

datasource db {
  provider = "mongodb"
}

generator client {
  provider = "prisma-client-js"
}
"""
_TYPES = {
    "id": "String",
    "text": "String",
    "time": "DateTime",
    "int": "Int",
    "real": "Float",
    "bool": "Boolean",
}
_HOST = {
    "Conversation": ["calls CallSession[]"],
    "User": [
        'initiatedCalls CallSession[] @relation("CallInitiator")',
        'callParticipants CallParticipant[] @relation("CallParticipantUser")',
        'requestedRecordings CallRecording[] @relation("RecordingRequester")',
    ],
    "AnonymousParticipant": [
        'callParticipants CallParticipant[] @relation("CallParticipantAnonymous")',
    ],
}
"""Models of the host's, and their sides of the document's relations."""
_GUEST = (
    "anonymousUser AnonymousParticipant?"
    ' @relation("CallParticipantAnonymous", fields: [anonymousUserId]'
)
_RELATIONS = {
    "CallSession": [
        "conversation Conversation @relation(fields: [conversationId]",
        'initiator User @relation("CallInitiator", fields: [initiatorId]',
    ],
    "CallParticipant": [
        'user User? @relation("CallParticipantUser", fields: [userId]',
        _GUEST,
    ],
    "CallTranscription": ["participant CallParticipant @relation(fields: [participantId]"],
    "CallRecording": ['requestedByUser User @relation("RecordingRequester", fields: [requestedBy]'],
}
_TARGET = ", references: [id], onDelete: NoAction, onUpdate: NoAction)"
"""Nothing is cascaded by Prisma: callstore deletes itself."""


def render() -> str:
    native = [_composite(type_) for type_, is_native in objects() if is_native]
    models = [_model(collection) for collection in COLLECTIONS]
    host = [_host(name, lines) for name, lines in _HOST.items()]
    return "\n".join([_HEAD, *host, *native, *models])


def _host(name: str, relations: list[str]) -> str:
    return _block("model", name, "One of the host's.", [[_ID, *map(_split, relations)]])


def _composite(type_: inspect.StructType) -> str:
    lines = []
    for field in type_.fields:
        nullable = isinstance(field.type, inspect.UnionType)
        lines.append((field.encode_name, _scalar(field.type) + "?" * nullable, ""))
    return _block("type", type_.cls.__name__, said(type_.cls), [lines])


def _scalar(type_: Any) -> str:
    options = type_.types if isinstance(type_, inspect.UnionType) else (type_,)
    time = any(isinstance(each, inspect.DateTimeType) for each in options)
    return "DateTime" if time else "String"


def _model(collection: Collection) -> str:
    groups = [[_line(field, collection) for field in collection.fields]]
    groups.append([_split(each) for each in _relations(collection)])
    groups.append([(each, "", "") for each in _indexes(collection)])
    return _block("model", collection.name, said(collection.row), groups)


Line = tuple[str, str, str]  # name, type, attributes
_ID: Line = ("id", "String", '@id @map("_id") @db.ObjectId')


def _line(field: Field, collection: Collection) -> Line:
    if field.name == "id":
        return _ID
    type_, attributes = _of_field(field), ""
    if field.kind == "id" or _holds_ids(field):
        attributes = "@db.ObjectId"
    if field.choices:
        attributes = f"// {' | '.join(field.choices)}"
    if field.name == "callSessionId" and _one_per_call(collection):
        attributes = f"@unique {attributes}"
    return field.name, type_, attributes


def _of_field(field: Field) -> str:
    if field.kind != "json":
        return ("BigInt" if field.wide else _TYPES[field.kind]) + "?" * field.nullable
    match type_of(field):
        case inspect.ListType(item_type=inspect.StrType()):
            return "String[]"
        case inspect.ListType(item_type=inspect.StructType(cls=cls)) if field.native:
            return f"{cls.__name__}[]"
    return "Json" + "?" * field.nullable


def _holds_ids(field: Field) -> bool:
    type_ = type_of(field) if field.kind == "json" else None
    match type_:
        case inspect.ListType(item_type=inspect.StrType(pattern=pattern)):
            return pattern is not None
    return False


def _one_per_call(collection: Collection) -> bool:
    return collection.key == ("conversationId", "callSessionId")


def _relations(collection: Collection) -> Iterator[str]:
    for relation in _RELATIONS.get(collection.name, ()):
        yield relation + _TARGET
    if collection.of_call:
        yield f"callSession CallSession @relation(fields: [callSessionId]{_TARGET}"
    if collection.name == "CallParticipant":
        yield "transcriptions CallTranscription[]"
    if collection.name == "CallSession":
        for other in COLLECTIONS:
            if other.of_call:
                yield _of_call(other)


def _of_call(collection: Collection) -> str:
    """A call's side of the relation."""
    bare = collection.name.removeprefix("Call")
    name = bare[0].lower() + bare[1:]
    if _one_per_call(collection):
        return f"{name} {collection.name}?"
    plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
    return f"{plural} {collection.name}[]"


def _indexes(collection: Collection) -> Iterator[str]:
    for index in collection.mongo_indexes:
        if index.where:
            yield f"// partial: {'unique, ' if index.unique else ''}{_fields(index)}"
        else:
            kind = "@@unique" if index.unique else "@@index"
            yield f'{kind}([{_fields(index)}], map: "{index.name}")'


def _fields(index: Index) -> str:
    return ", ".join(index.fields)


def _split(relation: str) -> Line:
    name, type_, *rest = relation.split(" ", 2)
    return name, type_, rest[0] if rest else ""


def _block(kind: str, name: str, comment: str, groups: list[list[Line]]) -> str:
    """Columns are aligned as Prisma's own formatter does."""
    parts = []
    for lines in filter(None, groups):
        wide = max(len(name) for name, type_, _ in lines if type_) if lines[0][1] else 0
        wider = max(len(type_) for _, type_, _ in lines)
        parts.append(
            "".join(
                f"  {name:<{wide}} {type_:<{wider}} {more}".rstrip() + "\n"
                for name, type_, more in lines
            )
        )
    head = f"/// {comment}\n" if comment else ""
    return f"{head}{kind} {name} {{\n" + "\n".join(parts) + "}\n"
