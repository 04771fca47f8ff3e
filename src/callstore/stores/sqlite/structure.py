"""Making and changing the tables of a file."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from callstore.errors import Conflict
from callstore.schema import papers, tables
from callstore.schema.declaration import Collection
from callstore.schema.model import SchemaStep
from callstore.schema.shape import Change, CollectionShape, Definition, Shape
from callstore.schema.steps import Fill, Values
from callstore.stores.filling import filled
from callstore.stores.probing import Probed, outcome
from callstore.stores.protocol import Unwritable
from callstore.stores.sqlite import batches, connection, ddl, queries, shape, structure_queries
from callstore.stores.sqlite.codec import CODECS, decoder, encoder
from callstore.stores.sqlite.engine import Engine
from callstore.stores.structure import ProbeRow, Progress

_TICK = 100_000  # steps of SQLite's machine between two tellings of progress
_FIELD_STEPS, _ROW_STEPS = 1, 9  # of that machine for an index entry: a field's, and the rest


class SqliteStructure:
    """A `Structure`. Each change is a transaction; rows are counted, not estimated."""

    kind = "sqlite"
    adopting = None  # a file that something else made is refused

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def live(self) -> Shape:
        return await self._engine.read(shape.live)

    async def count(self, collection: str, where: Values | None = None) -> int:
        def work(db: sqlite3.Connection) -> int:
            (rows,) = db.execute(structure_queries.count(collection, where)).fetchone()
            return int(rows)

        return await self._engine.read(work)

    async def has_values(self, collection: str, field: str) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            if field not in shape.live(db)[collection].fields:
                return False
            (found,) = db.execute(structure_queries.has_values(collection, field)).fetchone()
            return bool(found)

        return await self._engine.read(work)

    async def applied(self) -> list[SchemaStep]:
        def work(db: sqlite3.Connection) -> list[SchemaStep]:
            if not _has(db, tables.SCHEMA):
                return []
            return [
                CODECS["CallSchema"].decode(row) for row in db.execute(structure_queries.SCHEMA)
            ]

        return await self._engine.read(work)

    async def create(self, shape: Shape, steps: Sequence[SchemaStep]) -> None:
        await self._engine.change(partial(_create, wanted=shape, steps=steps))

    async def record(self, step: SchemaStep) -> None:
        await self._engine.change(lambda db: batches.insert(db, tables.SCHEMA, [step]))

    async def forget(self, step: int) -> None:
        await self._engine.change(lambda db: db.execute(structure_queries.FORGET_STEP, (step,)))

    async def apply(self, change: Change, progress: Progress) -> None:
        if change.what != "index":
            work = _APPLY[change.what, change.kind == "missing"]
            await self._engine.change(partial(work, change=change))
        else:
            await self._build(change, progress)

    async def _build(self, change: Change, progress: Progress) -> None:
        rows = await self.count(change.collection)
        told = partial(progress, str(change))

        def work(db: sqlite3.Connection) -> None:
            if change.kind == "changed":
                _drop_index(db, change.collection, change.name)
            steps = _ROW_STEPS + _FIELD_STEPS * len(self.fields_of(change.wanted))
            with _Counted(db, rows, steps, told):
                _make_index(db, change.collection, change.name, change.wanted)

        try:
            await self._engine.write(work)
        except Unwritable as error:
            raise Conflict(f"{change} cannot be built: {error}") from error
        told(rows, rows)

    async def remove(self, change: Change) -> None:
        def work(db: sqlite3.Connection) -> None:
            match change.what:
                case "collection":
                    _drop_table(db, change.collection)
                case "field":
                    _drop_field(db, change)
                case "index":
                    _drop_index(db, change.collection, change.name)

        await self._engine.change(work)

    async def lacking(self, fill: Fill, after: Any, limit: int) -> list[Any]:
        collection = tables.BY_NAME[fill.collection]
        query = structure_queries.lacking(collection, fill, first=after is None)
        bound = (*(after or ()), limit)
        return await self._engine.read(lambda db: db.execute(query, bound).fetchall())

    async def fill(self, fill: Fill, keys: Sequence[Any]) -> None:
        await self._engine.change(partial(_fill, fill=fill, keys=keys))

    async def probe(self, rows: Sequence[ProbeRow]) -> str | None:
        return await outcome(self._engine.change(partial(_probe, rows=rows)))

    async def holds(self) -> list[str]:
        def work(db: sqlite3.Connection) -> list[str]:
            found = db.execute(structure_queries.HOLDS_OF_CALLS).fetchall()
            if _has(db, papers.HOLD):  # older code has none
                found += db.execute(structure_queries.HOLDS_IN_FORCE).fetchall()
            return sorted({id for (id,) in found})

        return await self._engine.read(work)

    async def drop(self) -> None:
        def work(db: sqlite3.Connection) -> None:
            ours, there = [c.name for c in tables.COLLECTIONS], shape.live(db)
            for name in reversed(ours):  # rows of a call before their call
                if name in there:
                    _drop_table(db, name)

        await self._engine.change(work)

    def fields(self, shape: CollectionShape) -> tuple[str, ...]:
        return tuple(shape.fields)

    def rows_per_second(self, index: Definition) -> int:
        return 700_000 if isinstance(index, str) else 50_000

    def is_unique(self, index: Definition) -> bool:
        return isinstance(index, str) and index.startswith("CREATE UNIQUE")

    def identity(self, index: Definition) -> Any:
        return index  # which has its name in it

    def fields_of(self, index: Definition) -> tuple[str, ...]:
        if not isinstance(index, str):
            return (ddl.words_of(index),)
        inside = index.partition("(")[2].partition(")")[0]
        return tuple(part.strip() for part in inside.split(","))

    def is_replaced(self, index: Definition, left: CollectionShape) -> bool:
        fields, rows = self.fields_of(index), ddl.rows_of(index)
        keys = [left.rules[kind] for kind in ("PRIMARY", "UNIQUE") if kind in left.rules]
        return any(
            self.fields_of(each)[: len(fields)] == fields and ddl.rows_of(each) in ("", rows)
            for each in (*left.indexes.values(), *keys)
        )


def _has(db: sqlite3.Connection, collection: Collection) -> bool:
    return db.execute(structure_queries.HAS_TABLE, (collection.name,)).fetchone() is not None


def _create(db: sqlite3.Connection, wanted: Shape, steps: Sequence[SchemaStep]) -> None:
    if _has(db, tables.SCHEMA):
        return  # another was faster
    db.execute(f"PRAGMA application_id = {connection.APPLICATION_ID}")
    for name, one in wanted.items():
        db.execute(shape.create_table(name, one))
        for index, definition in one.indexes.items():
            _make_index(db, name, index, definition)
    batches.insert(db, tables.SCHEMA, steps)


def _make_index(db: sqlite3.Connection, collection: str, name: str, index: Definition) -> None:
    for statement in ddl.build_index(collection, name, index):
        db.execute(statement)


def _drop_index(db: sqlite3.Connection, collection: str, name: str) -> None:
    for statement in ddl.drop_index(name, shape.live(db)[collection].indexes[name]):
        db.execute(statement)


def _drop_table(db: sqlite3.Connection, name: str) -> None:
    for index, definition in shape.live(db)[name].indexes.items():
        if not isinstance(definition, str):
            _drop_index(db, name, index)
    db.execute(f"DROP TABLE {name}")


def _create_table(db: sqlite3.Connection, change: Change) -> None:
    db.execute(shape.create_table(change.collection, change.wanted))


def _add_field(db: sqlite3.Connection, change: Change) -> None:
    definition = change.wanted.replace(" NOT NULL", "", 1)
    db.execute(f"ALTER TABLE {change.collection} ADD COLUMN {change.name} {definition}")


def _drop_field(db: sqlite3.Connection, change: Change) -> None:
    if change.name in shape.live(db)[change.collection].fields:
        db.execute(f"ALTER TABLE {change.collection} DROP COLUMN {change.name}")


def _restate(db: sqlite3.Connection, change: Change) -> None:
    """Changes what rows must match, in place: not a row is written. SQLite's own way for it
    (lang_altertable.html, section 7)."""
    was = shape.live(db)[change.collection]
    fields = {**was.fields, change.name: change.wanted} if change.what == "field" else was.fields
    rules = was.rules if change.what == "field" else change.wanted
    sql = shape.create_table(change.collection, CollectionShape(fields=fields, rules=rules))
    (version,) = db.execute("PRAGMA schema_version").fetchone()
    db.execute("PRAGMA writable_schema = ON")
    db.execute(structure_queries.RESTATE, (sql, change.collection))
    db.execute(f"PRAGMA schema_version = {version + 1}")
    db.execute("PRAGMA writable_schema = OFF")
    found = [row for (row,) in db.execute(f"PRAGMA quick_check({change.collection})")]
    if found != ["ok"]:
        raise Conflict(f"{change} of {change.collection}: rows do not fit: {'; '.join(found[:3])}")


_APPLY = {
    ("collection", True): _create_table,
    ("field", True): _add_field,
    ("field", False): _restate,
    ("rules", False): _restate,
}


class _Counted:
    """Tells how many rows are done, about: by the steps of SQLite's machine, of so many a row."""

    def __init__(
        self, db: sqlite3.Connection, rows: int, steps: int, progress: Callable[[int, int], object]
    ) -> None:
        self._db, self._rows, self._steps, self._progress = db, rows, steps, progress
        self._done = 0

    def __enter__(self) -> None:
        self._db.set_progress_handler(self._tick, _TICK)

    def __exit__(self, *_: object) -> None:
        self._db.set_progress_handler(None, 0)

    def _tick(self) -> int:
        self._done += _TICK
        self._progress(min(self._done // self._steps, self._rows - 1), self._rows)
        return 0


def _fill(db: sqlite3.Connection, fill: Fill, keys: Sequence[Any]) -> None:
    collection = tables.BY_NAME[fill.collection]
    reading = structure_queries.still_lacking(collection, fill)
    bounds = []
    for key in keys:
        for row in db.execute(reading, key):
            kept = dict(zip(fill.reads, row, strict=True))
            made = filled(fill, kept, decoder=decoder, encoder=encoder)
            bounds.append([*made.values(), *key])
    db.executemany(structure_queries.fill(collection, fill.writes), bounds)


_WRONG = {"json": "{"}  # of every other kind: a BLOB, which no STRICT column takes


def _probe(db: sqlite3.Connection, rows: Sequence[ProbeRow]) -> None:
    for number, row in enumerate(rows, 1):
        collection = tables.BY_NAME[row.collection]
        values = CODECS[collection.name].encode(row.row)
        for index, field in enumerate(collection.fields):
            if field.name == row.spoiled:
                values[index] = _WRONG.get(field.kind, b"")
        try:
            db.execute(queries.insert(collection), values)
        except sqlite3.Error as error:
            if number < len(rows):
                raise
            raise Probed(str(error)) from error
    raise Probed(None)
