"""Rows to SQLite's values and back: times as integer milliseconds, bools as 0 and 1, the rest as
JSON text. One codec a collection, made from its declared fields."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from callstore.schema import tables
from callstore.schema.declaration import Collection, Field
from callstore.stores.making import maker
from callstore.times import from_ms, to_ms

R = TypeVar("R", bound=Struct)

ms, moment = to_ms, from_ms


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class Codec(Generic[R]):
    def __init__(self, collection: Collection) -> None:
        row: type[R] = collection.row  # type: ignore[assignment]
        self.decode = maker(row, collection.fields, decoder)
        self._names = [field.attribute for field in collection.fields]
        self._count = len(collection.fields)
        self._out = [(i, e) for i, f in enumerate(collection.fields) if (e := encoder(f))]
        self._encoders = {f.attribute: encoder(f) for f in collection.fields}
        self._fields = {f.attribute: f.name for f in collection.fields}
        self._attributes = {f.name: f.attribute for f in collection.fields}

    def encode(self, row: R) -> list[Any]:
        """The row's values in the order of the declared fields."""
        values = list(msgspec.structs.astuple(row)[: self._count])
        for index, convert in self._out:
            if values[index] is not None:
                values[index] = convert(values[index])
        return values

    def column(self, row: R, name: str) -> Any:
        """The value of one column of a row."""
        attribute = self._attributes[name]
        return self.value(attribute, getattr(row, attribute))

    def value(self, attribute: str, value: Any) -> Any:
        convert = self._encoders[attribute]
        return convert(value) if convert is not None and value is not None else value

    def differences(self, old: R, new: R) -> dict[str, Any]:
        """Column -> value of what differs."""
        found: dict[str, Any] = {}
        before, after = msgspec.structs.astuple(old), msgspec.structs.astuple(new)
        for index, name in enumerate(self._names):
            if after[index] is before[index]:
                continue
            value = self.value(name, after[index])
            if value != self.value(name, before[index]):  # as stored, for in Python 1 == True
                found[self._fields[name]] = value
        return found


def encoder(field: Field) -> Callable[[Any], Any] | None:
    encoders: dict[str, Callable[[Any], Any]] = {"time": ms, "json": _json, "bool": int}
    return encoders.get(field.kind)


def decoder(field: Field) -> Callable[[Any], Any] | None:
    if field.kind == "json":
        return msgspec.json.Decoder(field.type).decode
    decoders: dict[str, Callable[[Any], Any]] = {"time": moment, "bool": bool}
    return decoders.get(field.kind)


CODECS: dict[str, Codec[Any]] = {c.name: Codec(c) for c in tables.COLLECTIONS}
