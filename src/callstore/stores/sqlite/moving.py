"""Whole collections, a batch at a time: for moving from store to store."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from callstore.errors import Conflict
from callstore.schema.declaration import Collection
from callstore.stores.sqlite import queries
from callstore.stores.sqlite.codec import CODECS
from callstore.stores.sqlite.connection import singly


def rows(
    db: sqlite3.Connection, collection: Collection, after: list[Any] | None, limit: int
) -> tuple[list[Any], list[Any] | None]:
    """The next rows in the order of their key, and the last one's key (None: no more)."""
    codec = CODECS[collection.name]
    bound = [*(after or ()), limit]
    found = db.execute(queries.next_rows(collection, first=after is None), bound).fetchall()
    listed = [codec.decode(row) for row in found]
    return listed, key(collection, listed[-1]) if len(listed) == limit else None


def rows_like(
    db: sqlite3.Connection, collection: Collection, rows: Sequence[Any]
) -> dict[str, Any]:
    """The rows that are there under the keys of these, by id."""
    keys = json.dumps([key(collection, row) for row in rows])
    found = db.execute(queries.keyed(collection), [keys])
    return {row.id: row for row in map(CODECS[collection.name].decode, found)}


def put(db: sqlite3.Connection, collection: Collection, rows: Sequence[Any]) -> None:
    encode = CODECS[collection.name].encode
    try:
        with singly(f"{collection.name} has another row in place of one"):
            db.executemany(queries.put(collection), [encode(row) for row in rows])
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
            raise
        # An id that has begun anew in another conversation, and there are rows of the old one.
        raise Conflict(f"{collection.name}: rows of another call are there: {error}") from error


def delete(db: sqlite3.Connection, collection: Collection, rows: Sequence[Any]) -> None:
    keys = [key(collection, row) for row in rows]
    db.executemany(queries.delete(collection), keys)


def key(collection: Collection, row: Any) -> list[Any]:
    """What of it its table is ordered by."""
    codec = CODECS[collection.name]
    return [codec.column(row, name) for name in collection.key]
