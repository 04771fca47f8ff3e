"""The statements that make, change and look at the tables themselves, and fill their rows. Pure."""

from collections.abc import Iterable
from typing import Any

from callstore.schema import tables
from callstore.schema.declaration import Collection
from callstore.schema.steps import Fill
from callstore.stores.sqlite import ddl, queries

HAS_TABLE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
FORGET_STEP = "DELETE FROM CallSchema WHERE id = ?"
SCHEMA = f"SELECT {queries.columns(tables.SCHEMA, 'm')} FROM CallSchema m ORDER BY m.id"
INDEX_STATEMENTS = """
SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL
ORDER BY name"""
# An index of words is a table and triggers; it keeps its own in tables that have its name before
# theirs. Its name begins with that of the collection.
WORDS_STATEMENTS = """
SELECT t.name, substr(t.name, 1, instr(t.name, '_') - 1), s.sql
FROM sqlite_master t CROSS JOIN sqlite_master s
WHERE t.type = 'table' AND t.sql LIKE 'CREATE VIRTUAL TABLE%'
  AND (s.name = t.name OR s.type = 'trigger' AND s.name GLOB t.name || '_*')
ORDER BY t.name, s.type, s.name"""
TABLE_STATEMENTS = """
SELECT name, sql FROM sqlite_master WHERE type = 'table' AND instr(name, '_') = 0"""
RESTATE = "UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = ?"
HOLDS_OF_CALLS = "SELECT value FROM CallSession, json_each(holds) WHERE holds <> '[]' LIMIT 100"
HOLDS_IN_FORCE = "SELECT id FROM CallHold WHERE releasedAt IS NULL LIMIT 100"


def count(collection: str, where: dict[str, Any] | None = None) -> str:
    condition = " AND ".join(ddl.conditions(where)) if where else "1"
    return f"SELECT count(*) FROM {collection} WHERE {condition}"


def has_values(collection: str, field: str) -> str:
    return f"SELECT EXISTS (SELECT 1 FROM {collection} WHERE {field} IS NOT NULL)"


def lacking(collection: Collection, fill: Fill, *, first: bool) -> str:
    """The keys of the next rows to fill. Bound: the key that they are behind, unless they are the
    first; how many."""
    key = ", ".join(collection.key)
    # By another index each batch would sort all that lack it.
    condition = " AND ".join(f"+{each}" for each in ddl.conditions(fill.where))
    where = condition if first else f"{queries.past_key(collection)} AND {condition}"
    return f"SELECT {key} FROM {collection.name} WHERE {where} ORDER BY {key} LIMIT ?"


def still_lacking(collection: Collection, fill: Fill) -> str:
    """What a fill reads of a row, if it is to be filled. Bound: its key."""
    where = " AND ".join((_is(collection), *ddl.conditions(fill.where)))
    return f"SELECT {', '.join(fill.reads)} FROM {collection.name} WHERE {where}"


def fill(collection: Collection, writes: Iterable[str]) -> str:
    """Bound: what is written, the key."""
    sets = ", ".join(f"{name} = ?" for name in writes)
    return f"UPDATE {collection.name} SET {sets} WHERE {_is(collection)}"


def _is(collection: Collection) -> str:
    return " AND ".join(f"{name} = ?" for name in collection.key)
