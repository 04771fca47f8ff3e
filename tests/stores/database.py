"""A database as its engine has it, whatever callstore thinks of it."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

Rows = dict[str, list[dict[str, Any]]]


@contextmanager
def sqlite_file(url: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(Path(url.removeprefix("sqlite:///")))) as db:
        yield db
        db.commit()


@contextmanager
def mongo_database(url: str) -> Iterator[Any]:
    with MongoClient[dict[str, Any]](url, datetime_conversion="DATETIME_AUTO") as client:
        yield client.get_default_database()


def rows(url: str, *, but: tuple[str, ...] = ("CallLease", "CallSchema")) -> Rows:
    """Every row of every collection."""
    found: Rows = {}
    if url.startswith("sqlite"):
        with sqlite_file(url) as db:
            db.row_factory = sqlite3.Row
            tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in tables:
                found[name] = [dict(row) for row in db.execute(f"SELECT * FROM {name}")]
    else:
        with mongo_database(url) as database:
            for name in database.list_collection_names():
                found[name] = list(database[name].find())
    for name in found:
        found[name].sort(key=lambda row: json.dumps(row, sort_keys=True, default=str))
    return {name: found[name] for name in sorted(found) if name not in but}


def drop_index(url: str, collection: str, name: str) -> None:
    if url.startswith("sqlite"):
        with sqlite_file(url) as db:
            db.execute(f"DROP INDEX {name}")
    else:
        with mongo_database(url) as database:
            database[collection].drop_index(name)


def add_index(url: str, collection: str, name: str, field: str) -> None:
    if url.startswith("sqlite"):
        with sqlite_file(url) as db:
            db.execute(f"CREATE INDEX {name} ON {collection} ({field})")
    else:
        with mongo_database(url) as database:
            database[collection].create_index(field, name=name)


def hold(url: str) -> None:
    """Puts every call under a hold."""
    if url.startswith("sqlite"):
        with sqlite_file(url) as db:
            db.execute("UPDATE CallSession SET holds = ?", (json.dumps(["e" * 24]),))
    else:
        with mongo_database(url) as database:
            database["CallSession"].update_many({}, {"$set": {"holds": ["e" * 24]}})


def change(url: str, collection: str, **values: Any) -> None:
    """Writes these values into every row."""
    if url.startswith("sqlite"):
        with sqlite_file(url) as db:
            fields = ", ".join(f"{name} = ?" for name in values)
            db.execute(f"UPDATE {collection} SET {fields}", [*values.values()])
    else:
        with mongo_database(url) as database:
            database[collection].update_many({}, {"$set": values})


def delete(url: str, collection: str, **where: Any) -> None:
    """Deletes rows that have these values, and nothing with them."""
    if url.startswith("sqlite"):
        with sqlite_file(url) as db:
            db.execute("PRAGMA foreign_keys = OFF")
            bounds = " AND ".join(f"{name} = ?" for name in where) or "true"
            db.execute(f"DELETE FROM {collection} WHERE {bounds}", [*where.values()])
    else:
        with mongo_database(url) as database:
            database[collection].delete_many(where)


def all_else(url: str) -> Rows:
    """But for what a migration itself writes."""
    return rows(url, but=("CallLease", "CallSchema", "CallAudit"))


def until_building(url: str, index: str) -> None:
    """It is built, or waits to be."""
    wanted = [{"$currentOp": {}}, {"$match": {"command.indexes.name": index}}]
    with mongo_database(url) as db:
        while not [*db.client.admin.aggregate(wanted)]:
            pass
