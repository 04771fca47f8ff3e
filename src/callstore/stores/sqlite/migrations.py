"""Bringing a file to the declared schema."""

import sqlite3
from collections.abc import Callable
from datetime import datetime

from callstore.schema import tables
from callstore.schema.steps import Step
from callstore.schema.tables import Collection, Index
from callstore.stores.sqlite import batches, connection, ddl, queries


def apply(db: sqlite3.Connection, *, step: Step, now: Callable[[], datetime]) -> None:
    there = db.execute(queries.HAS_SCHEMA).fetchone()
    if there and db.execute(queries.HAS_STEP, (step.id,)).fetchone():
        return  # another process was faster
    db.execute(f"PRAGMA application_id = {connection.APPLICATION_ID}")
    for collection in tables.COLLECTIONS:
        if collection.name in step.creates:
            db.execute(ddl.create_table(collection))
            for index in collection.indexes:
                db.execute(ddl.create_index(collection, index))
    batches.insert(db, tables.SCHEMA, [step.applied(now())])


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
    """Whether they were dropped. What foreign keys refer to stays."""
    if db.execute(queries.ANY_CALL).fetchone():
        return False
    for collection in tables.COLLECTIONS:
        for index in collection.indexes:
            if index.name != "CallSession_call":
                db.execute(f"DROP INDEX {index.name}")
    return True
