"""Rows to MongoDB's documents and back: ids as ObjectIds, times as dates. What the declaration
calls JSON holds what JSON holds, for Prisma reads it as that; but for fields that are `native`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import itemgetter
from types import NoneType
from typing import Any, Generic, TypeVar, get_args

import msgspec
from bson import DatetimeMS, DBRef, MinKey, ObjectId
from msgspec import Struct

from callstore.errors import StoreError
from callstore.ids import Id
from callstore.schema import tables
from callstore.schema.declaration import Collection, Field, fields_of
from callstore.stores.making import Convert, maker
from callstore.times import EPOCH

R = TypeVar("R", bound=Struct)
Document = dict[str, Any]

oid = ObjectId


class Codec(Generic[R]):
    def __init__(self, collection: Collection) -> None:
        row: type[R] = collection.row  # type: ignore[assignment]
        self._fields = [
            (field.attribute, key(field.name), encoder(field)) for field in collection.fields
        ]
        self.decode = reader(row, collection.fields, [name for _, name, _ in self._fields])
        self._by_attribute = {each[0]: each for each in self._fields}
        self._attributes = {field.name: field.attribute for field in collection.fields}

    def encode(self, row: R) -> Document:
        """With every field, explicit nulls included."""
        document: Document = {}
        values = msgspec.structs.astuple(row)
        for (_, name, convert), value in zip(self._fields, values, strict=False):
            given = convert is None or value is None
            document[name] = value if given else convert(value)  # type: ignore[misc]
        return document

    def column(self, row: R, name: str) -> Any:
        """The value of one field of a row."""
        attribute = self._attributes[name]
        return self.value(attribute, getattr(row, attribute))

    def value(self, attribute: str, value: Any) -> Any:
        convert = self._by_attribute[attribute][2]
        return value if convert is None or value is None else convert(value)

    def differences(self, old: R, new: R) -> Document:
        """Field -> value of what differs."""
        found: Document = {}
        before, after = msgspec.structs.astuple(old), msgspec.structs.astuple(new)
        for index, (_, name, convert) in enumerate(self._fields):
            was, value = before[index], after[index]
            if value is was:
                continue
            # In Python 1 == True == 1.0; kept as it is, one of them is not the others.
            if value != was or type(value) is not type(was) or isinstance(value, (dict, list)):
                found[name] = value if convert is None or value is None else convert(value)
        return found


def reader(
    row: type[R], fields: Sequence[Field], names: Sequence[str]
) -> Callable[[Mapping[str, Any]], R]:
    """From a document to its row; a field that is missing is null."""
    make, values = maker(row, fields, decoder), itemgetter(*names)

    def decode(document: Mapping[str, Any]) -> R:
        try:
            given = values(document)
        except KeyError:
            given = [document.get(name) for name in names]
        return make(given)

    return decode


def key(name: str) -> str:
    """A field's name in documents and indexes."""
    return "_id" if name == "id" else name


def encoder(field: Field) -> Convert | None:
    match field.kind:
        case "id":
            return ObjectId
        case "real":
            return float
        case "json":
            return _json_encoder(field)
    return None


def _json_encoder(field: Field) -> Convert | None:
    if field.type == list[Id]:
        return lambda ids: [ObjectId(id) for id in ids]
    if field.type is Any:
        return _readable
    if field.native:
        return lambda value: msgspec.to_builtins(value, builtin_types=(datetime,))
    return msgspec.to_builtins


def decoder(field: Field) -> Convert | None:
    match field.kind:
        case "id":
            return str
        case "time":
            return utc
        case "int":
            return int  # of what is past 32 bits the driver makes a kind of its own
        case "real":
            return float
        case "json" if field.type == list[Id]:
            return lambda ids: [str(id) for id in ids]
        case "json" if field.type is Any:
            return _plain
        case "json" if field.native:
            (of,) = get_args(field.type)
            fields = fields_of(of)
            decode = reader(of, fields, [field.name for field in fields])
            return lambda items: [decode(item) for item in items]
        case "json" if _may_be_anything(field.type):
            given = _given(field.type)
            return lambda value: msgspec.convert(_plain(value), given)
        case "json":
            return partial(msgspec.convert, type=_given(field.type))
    return None


def _given(annotation: Any) -> Any:
    """Without the null that no decoder is asked about: a Struct's own type msgspec remembers, a
    union it looks through with each value, which takes six times as long."""
    parts = get_args(annotation)
    given = [part for part in parts if part is not NoneType]
    return given[0] if len(given) == 1 < len(parts) else annotation


def _may_be_anything(annotation: Any) -> bool:
    return annotation is Any or any(_may_be_anything(part) for part in get_args(annotation))


def utc(moment: datetime) -> datetime:
    """The driver gives times without a zone: five times faster, and they are UTC. Adding is five
    times faster again than `replace`. StoreError for one that Python cannot have."""
    try:
        return EPOCH + (moment - _NAIVE_EPOCH)
    except TypeError:  # it is the driver's DatetimeMS
        ms = int(moment)  # type: ignore[call-overload]
        raise StoreError(f"the database has a date that no call can have, {ms} ms") from None


_NAIVE_EPOCH = EPOCH.replace(tzinfo=None)


def _readable(value: Any) -> Any:
    """As it is, but for a null `$db` of what the driver reads as a reference, and forgets."""
    kind = type(value)
    if kind is dict:
        told = {name: _readable(item) for name, item in value.items()}
        if told.keys() >= _REFERENCE and told["$db"] is None:
            told["$db"] = MinKey()
        return told
    return [_readable(item) for item in value] if kind is list else value


_REFERENCE = {"$ref", "$id", "$db"}


def _plain(value: Any) -> Any:
    """Without the driver's own kinds of numbers, and references that it sees in `$ref`."""
    kind = type(value)
    if kind is str or kind is bool or kind is int or value is None:
        return value
    if kind is MinKey:
        return None
    if kind is dict:
        return {name: _plain(item) for name, item in value.items()}
    if kind is list:
        return [_plain(item) for item in value]
    if kind is datetime or kind is DatetimeMS:
        return utc(value)
    if kind is DBRef:
        return _plain(dict(value.as_doc()))
    return int(value) if isinstance(value, int) else value


CODECS: dict[str, Codec[Any]] = {c.name: Codec(c) for c in tables.COLLECTIONS}
