"""Bringing a file to the declared schema."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from callstore.schema import tables
from callstore.schema.steps import Step
from callstore.schema.tables import Collection, Index
from callstore.stores.sqlite import batches, connection, ddl, queries

UP: dict[int, tuple[str, ...]] = {1: ()}
"""What each step does to a database of the step before it: literal SQL, never changed again."""


def migrate(db: sqlite3.Connection, *, steps: Sequence[Step], at: datetime) -> None:
    """Makes a new database whole, or takes an older one through the steps it lacks."""
    fresh = not db.execute(queries.HAS_SCHEMA).fetchone()
    if fresh:
        db.execute(f"PRAGMA application_id = {connection.APPLICATION_ID}")
        for collection in tables.COLLECTIONS:
            db.execute(ddl.create_table(collection))
        build_indexes(db)
    for step in steps:
        if not db.execute(queries.HAS_STEP, (step.id,)).fetchone():
            for statement in () if fresh else UP[step.id]:
                db.execute(statement)
            batches.insert(db, tables.SCHEMA, [step.applied(at)])


def missing_indexes(db: sqlite3.Connection) -> list[tuple[Collection, Index]]:
    there = {name for (name,) in db.execute(queries.INDEX_NAMES)}
    return [
        (collection, index)
        for collection in tables.COLLECTIONS
        for index in collection.indexes
        if index.name not in there
    ]


def build_indexes(db: sqlite3.Connection) -> None:
    for collection, index in missing_indexes(db):
        db.execute(ddl.create_index(collection, index))


def drop_indexes_if_empty(db: sqlite3.Connection) -> bool:
    """Whether they were dropped. The unique ones stay: what they forbid is forbidden meanwhile."""
    if db.execute(queries.ANY_CALL).fetchone():
        return False
    for collection in tables.COLLECTIONS:
        for index in collection.indexes:
            if not index.unique:
                db.execute(f"DROP INDEX {index.name}")
    return True
