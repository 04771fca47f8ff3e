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
    parts.append(f"PRIMARY KEY ({', '.join(collection.key)})")
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


def create_index(collection: Collection, index: Index) -> str:
    unique = "UNIQUE " if index.unique else ""
    where = f" WHERE {' AND '.join(conditions(index.where))}" if index.where else ""
    columns = ", ".join(index.fields)
    return f"CREATE {unique}INDEX {index.name} ON {collection.name} ({columns}){where}"


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
