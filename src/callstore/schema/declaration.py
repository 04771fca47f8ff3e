"""What a declaration of stored rows is made of: collections, fields, indexes, rules.

Fields, enumerations and ranges are derived from the Structs of the models; the rest is said.
"""

from datetime import timedelta
from typing import Any, Literal

import msgspec
from msgspec import Struct

from callstore.ids import Id

Kind = Literal["id", "text", "time", "int", "real", "bool", "json"]

ID_PATTERN = Id.__metadata__[0].pattern  # type: ignore[attr-defined]

PRESENT = object()
"""In the condition of a partial index: the field is not null."""


class Field(Struct, frozen=True, kw_only=True):
    name: str  # outside: camelCase
    attribute: str  # in Python
    kind: Kind
    nullable: bool
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    type: Any = None  # for kind json: what it decodes to
    native: bool = False  # for kind json: in MongoDB its times are dates
    wide: bool = False  # for kind int: grows past 32 bits
    coming: bool = False  # nullable, and rows of older code may lack it: the step after demands it


class Rule(Struct, frozen=True, kw_only=True):
    """What must hold within a row, beyond each field's own range."""

    name: str
    sql: str
    mongo: dict[str, Any]  # a query that the document matches


class Index(Struct, frozen=True, kw_only=True):
    """`where` makes it partial: field -> a value, None (is null) or PRESENT (is not null).
    `only` is the store that needs it, where the other one does not. With `words`, a list of words
    among its fields, rows are found by all of some words: on SQLite a full-text table, whose rows
    are numbered as the collection's are."""

    name: str
    fields: tuple[str, ...]
    serves: str
    unique: bool = False
    where: dict[str, Any] = {}
    only: Literal["sqlite", "mongodb"] | None = None
    ttl: bool = False  # MongoDB deletes a row TTL_AFTER its time
    words: str | None = None


TTL_AFTER = timedelta(days=3)
"""A net where no sweeper runs, not its rival."""


class Collection(Struct, frozen=True, kw_only=True, eq=False):
    """`key` is the primary key on SQLite, in whose order rows lie where `clustered`; on MongoDB,
    whose own is `_id`, a unique index. `guard` is a field that every update of a row changes: where
    a transaction does not tell that another writer was faster, as MongoDB's does, it tells by that.
    `shard` is what a cluster shards it by: every unique index begins with it. `numbered` is the
    time in whose order SQLite numbers the rows, for an index of words. `owns` something outside the
    database: on SQLite a row of it keeps its call from being deleted, else it goes with its call.
    """

    name: str
    row: type[Struct]
    fields: tuple[Field, ...]
    key: tuple[str, ...] = ("id",)
    clustered: bool = False
    of_call: bool = True  # has conversationId and callSessionId
    owns: bool = False
    numbered: str | None = None
    indexes: tuple[Index, ...] = ()
    rules: tuple[Rule, ...] = ()
    guard: str | None = None
    shard: tuple[str, ...] = ("conversationId",)

    @property
    def mongo_indexes(self) -> tuple[Index, ...]:
        """The key's, where it is not `_id`, and those declared."""
        declared = tuple(index for index in self.indexes if index.only != "sqlite")
        if self.key == ("id",):
            return declared
        by_key = Index(
            name=f"{self.name}_key",
            fields=self.key,
            unique="id" not in self.key,  # else `_id` sees to it
            serves="the rows of a call",
        )
        return (by_key, *declared)


def collection(
    name: str,
    row: type[Struct],
    *,
    derived: tuple[str, ...] = (),
    native: tuple[str, ...] = (),
    wide: tuple[str, ...] = (),
    coming: tuple[str, ...] = (),
    indexes: tuple[Index, ...] = (),
    ttl: bool = True,
    **rest: Any,
) -> Collection:
    """`ttl`: MongoDB expires its rows where nobody else does."""
    every = fields_of(row)
    fields = tuple(
        msgspec.structs.replace(
            field,
            native=field.attribute in native,
            wide=field.attribute in wide,
            coming=field.attribute in coming,
        )
        for field in every
        if field.attribute not in derived
    )
    # Codecs take the first values of a row: what is derived stands at its end.
    assert [field.attribute for field in every[len(fields) :]] == list(derived)
    if ttl and not any(index.ttl for index in indexes):
        indexes += (expiry(name, only="mongodb"),)
    return Collection(name=name, row=row, fields=fields, indexes=indexes, **rest)


def expiry(name: str, *, ttl: bool = True, only: Literal["mongodb"] | None = None) -> Index:
    swept = "" if only else "retention: what has expired"
    net = "rows go by themselves where no sweeper runs" if ttl else ""
    return Index(
        name=f"{name}_expiresAt",
        fields=("expiresAt",),
        where={"expiresAt": PRESENT},
        ttl=ttl,
        only=only,
        serves="; ".join(filter(None, (swept, net))),
    )


def fields_of(row: type[Struct]) -> tuple[Field, ...]:
    """As its Struct says."""
    info = msgspec.inspect.type_info(row)
    assert isinstance(info, msgspec.inspect.StructType)
    types = {f.name: f.type for f in msgspec.structs.fields(row)}
    return tuple(_field(field, types[field.name]) for field in info.fields)


def _field(field: msgspec.inspect.Field, annotation: Any) -> Field:
    type_, nullable = field.type, False
    if isinstance(type_, msgspec.inspect.UnionType):
        options = [t for t in type_.types if not isinstance(t, msgspec.inspect.NoneType)]
        nullable = len(options) < len(type_.types)
        type_ = options[0]
    known: dict[str, Any] = {}
    kind: Kind = "json"
    match type_:
        case msgspec.inspect.DateTimeType():
            kind = "time"
        case msgspec.inspect.BoolType():
            kind = "bool"
        case msgspec.inspect.FloatType(ge=low, le=high):
            kind, known = "real", {"low": low, "high": high}
        case msgspec.inspect.IntType(ge=low, le=high):
            kind, known = "int", {"low": low, "high": high}
        case msgspec.inspect.LiteralType(values=values):
            kind, known = "text", {"choices": values}
        case msgspec.inspect.StrType(pattern=pattern) if pattern == ID_PATTERN:
            kind = "id"
        case msgspec.inspect.StrType(min_length=low, max_length=high):
            kind, known = "text", {"low": low, "high": high}
        case msgspec.inspect.AnyType():
            nullable = True
    return Field(
        name=field.encode_name,
        attribute=field.name,
        kind=kind,
        nullable=nullable,
        type=annotation,
        **known,
    )
