"""The declared schema as SQLite's: STRICT tables, CHECKs, foreign keys, indexes."""

from collections.abc import Iterator, Mapping
from typing import Any

from callstore.schema.declaration import PRESENT, Collection, Field, Index
from callstore.schema.tables import CALL
from callstore.stores.sqlite.codec import ms
from callstore.validation import EARLIEST, LATEST

_TYPES = {
    "id": "TEXT",
    "text": "TEXT",
    "time": "INTEGER",
    "int": "INTEGER",
    "real": "REAL",
    "bool": "INTEGER",
    "json": "TEXT",
}


def create_table(collection: Collection) -> str:
    parts = [_column(field) for field in collection.fields]
    if collection.numbered:
        parts.insert(0, f"{NUMBER} INTEGER PRIMARY KEY")
    key = "UNIQUE" if collection.numbered else "PRIMARY KEY"
    parts.append(f"{key} ({', '.join(collection.key)})")
    if collection.of_call:
        parts.append(
            "FOREIGN KEY (conversationId, callSessionId)"
            f" REFERENCES {CALL.name} (conversationId, id)"
            f" ON DELETE {'RESTRICT' if collection.owns else 'CASCADE'}"
        )
    parts += [f"CONSTRAINT {rule.name} CHECK ({rule.sql})" for rule in collection.rules]
    options = "STRICT, WITHOUT ROWID" if collection.clustered else "STRICT"
    body = ",\n  ".join(parts)
    return f"CREATE TABLE {collection.name} (\n  {body}\n) {options}"


def _column(field: Field) -> str:
    null = "" if field.nullable else " NOT NULL"
    check = " AND ".join(_checks(field))
    if check and field.nullable:
        check = f"{field.name} IS NULL OR {check}"
    return f"{field.name} {_TYPES[field.kind]}{null}" + (f" CHECK ({check})" if check else "")


def _checks(field: Field) -> Iterator[str]:
    name = field.name
    match field.kind:
        case "id":
            yield f"length({name}) = 24 AND {name} NOT GLOB '*[^0-9a-f]*'"
        case "time":
            yield f"{name} BETWEEN {ms(EARLIEST)} AND {ms(LATEST)}"
        case "bool":
            yield f"{name} IN (0, 1)"
        case "json":
            yield f"json_valid({name})"
        case "int" | "real":
            if field.low is not None:
                yield f"{name} >= {field.low}"
            if field.high is not None and field.high < 2**63 - 1:
                yield f"{name} <= {field.high}"
        case "text":
            if field.choices:
                yield f"{name} IN ({', '.join(map(literal, field.choices))})"
            if field.low is not None:
                yield f"length({name}) >= {field.low}"
            if field.high is not None:
                yield f"length({name}) <= {field.high}"


def indexes(collection: Collection) -> tuple[Index, ...]:
    return tuple(index for index in collection.indexes if index.only != "mongodb")


NUMBER = "number"
"""Of a row, in the order that its collection says."""
OF_CONVERSATION, OF_CALL = ".conversation", ".call"
"""Before an id: where a row belongs, as words that none in it is."""
_WORDS = "CREATE VIRTUAL TABLE"


Definition = str | list[str]
"""A statement, or of an index of words those that make it and keep it as its rows are."""


def create_index(collection: Collection, index: Index) -> Definition:
    if index.words:
        return _index_of_words(collection.name, index.name, index.words)
    unique = "UNIQUE " if index.unique else ""
    where = f" WHERE {' AND '.join(conditions(index.where))}" if index.where else ""
    columns = ", ".join(index.fields)
    return f"CREATE {unique}INDEX {index.name} ON {collection.name} ({columns}){where}"


def _index_of_words(collection: str, name: str, words: str) -> list[str]:
    # Words come folded: whatever is not ASCII is part of one, as it is.
    options = """content='', detail=none, prefix='3 4 5', tokenize="ascii tokenchars '.'\""""
    new, old = (_entry(words, alias) for alias in ("new", "old"))
    put = (
        f"INSERT INTO {name} (rowid, {words}) SELECT new.{NUMBER}, {new} WHERE new.{words} <> '[]'"
    )
    take = (
        f"INSERT INTO {name} ({name}, rowid, {words})"
        f" SELECT 'delete', old.{NUMBER}, {old} WHERE old.{words} <> '[]'"
    )
    moved = f"UPDATE OF {NUMBER}, {words}"
    trigger = f"CREATE TRIGGER {name}_{{}} AFTER {{}} ON {collection} BEGIN {{}}; END"
    return [
        f"{_WORDS} {name} USING fts5({words}, {options})",
        trigger.format("delete", "DELETE", take),
        trigger.format("insert", "INSERT", put),
        trigger.format("update", moved, f"{take}; {put}"),
    ]


def _entry(words: str, alias: str) -> str:
    """The words of a row, and where it belongs as words of their own."""
    listed = f"(SELECT group_concat(value, ' ') FROM json_each({alias}.{words}))"
    conversation, call = f"{alias}.conversationId", f"{alias}.callSessionId"
    return f"'{OF_CONVERSATION}' || {conversation} || ' {OF_CALL}' || {call} || ' ' || {listed}"


def build_index(collection: str, name: str, index: Definition) -> list[str]:
    """What makes an index of the rows that are there."""
    if isinstance(index, str):
        return [index]
    words = words_of(index)
    every = f"SELECT r.{NUMBER}, {_entry(words, 'r')} FROM {collection} r WHERE r.{words} <> '[]'"
    return [*drop_index(name, index), *index, f"INSERT INTO {name} (rowid, {words}) {every}"]


def drop_index(name: str, index: Definition) -> list[str]:
    if isinstance(index, str):
        return [f"DROP INDEX {name}"]
    triggers = [f"DROP TRIGGER IF EXISTS {name}_{when}" for when in ("insert", "delete", "update")]
    return [*triggers, f"DROP TABLE IF EXISTS {name}"]


def words_of(index: list[str]) -> str:
    """The field whose words they are."""
    return index[0].partition("fts5(")[2].partition(",")[0]


def rows_of(index: Definition) -> str:
    """The condition of the rows that it is of; empty: it is of all."""
    return index.partition(" WHERE ")[2] if isinstance(index, str) else ""


def conditions(where: Mapping[str, Any]) -> Iterator[str]:
    for name, value in where.items():
        if value is None:
            yield f"{name} IS NULL"
        elif value is PRESENT:
            yield f"{name} IS NOT NULL"
        else:
            yield f"{name} = {literal(value)}"


def literal(value: Any) -> str:
    if isinstance(value, bool | int):
        return str(int(value))
    return "'" + str(value).replace("'", "''") + "'"
