"""The shape of a file: read from SQLite's own record of the statements that made it."""

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

from callstore.schema.declaration import Collection
from callstore.schema.shape import CollectionShape, Shape
from callstore.schema.tables import COLLECTIONS
from callstore.stores.sqlite import ddl, structure_queries

OPTIONS = "options"


def declared() -> Shape:
    return {c.name: shape_of(c) for c in COLLECTIONS}


def shape_of(collection: Collection) -> CollectionShape:
    indexes = {i.name: ddl.create_index(collection, i) for i in ddl.indexes(collection)}
    return _parsed(ddl.create_table(collection), indexes)


def live(db: sqlite3.Connection) -> Shape:
    """Of all tables that are there."""
    indexes: dict[str, dict[str, Any]] = {}
    for name, table, sql in db.execute(structure_queries.INDEX_STATEMENTS):
        indexes.setdefault(table, {})[name] = sql
    for name, table, sql in db.execute(structure_queries.WORDS_STATEMENTS):
        indexes.setdefault(table, {}).setdefault(name, []).append(sql)
    tables = db.execute(structure_queries.TABLE_STATEMENTS)
    return {name: _parsed(sql, indexes.get(name, {})) for name, sql in tables}


def create_table(name: str, shape: CollectionShape) -> str:
    fields = [f"{field} {definition}" for field, definition in shape.fields.items()]
    rules = [rule for kind, rule in shape.rules.items() if kind != OPTIONS]
    body = ",\n  ".join([*fields, *rules])
    return f"CREATE TABLE {name} (\n  {body}\n) {shape.rules[OPTIONS]}"


def _parsed(sql: str, indexes: dict[str, Any]) -> CollectionShape:
    body, options = sql[sql.index("(") + 1 : sql.rindex(")")], sql[sql.rindex(")") + 1 :]
    fields: dict[str, str] = {}
    rules = {OPTIONS: options.strip()}
    for part in _parts(body):
        word, _, rest = part.partition(" ")
        if word in ("PRIMARY", "UNIQUE", "FOREIGN"):
            rules[word] = part
        elif word == "CONSTRAINT":
            rules[rest.partition(" ")[0]] = part
        else:
            fields[word] = rest
    return CollectionShape(fields=fields, rules=rules, indexes=indexes)


_PIECES = re.compile(r"'(?:[^']|'')*'|[(),]|[^'(),]+")


def _parts(body: str) -> Iterator[str]:
    """Split at the commas that are in no parentheses and no string."""
    depth, part = 0, ""
    for piece in _PIECES.findall(body):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if piece == "," and depth == 0:
            yield part.strip()
            part = ""
        else:
            part += piece
    yield part.strip()
