"""What MongoDB itself refuses, whoever writes: types, ranges, choices, missing fields."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import WriteError
from tests.stores import database
from tests.stores.filling import a_row_in_every_collection

from callstore.schema import tables
from callstore.schema.declaration import Collection, Field
from callstore.validation import EARLIEST, LATEST

MS = timedelta(milliseconds=1)
REFUSED = 121  # DocumentValidationFailure
WRONG: dict[str, tuple[Any, ...]] = {
    "id": ("a" * 24, 7, b"a" * 12),
    "time": (EARLIEST - MS, LATEST + MS, "2026-01-01", 7),
    "bool": (1, "true"),
    "int": (1.5, "1"),
    "real": ("no such thing", "1.0"),
    "json": (7, "{}"),
    "text": (7, b"no text"),
}


def wrong_values(field: Field) -> Iterator[Any]:
    """Values that are not the field's: of another type, out of its range or choices, null."""
    if field.type is Any:
        return  # any JSON value
    if not field.nullable:
        yield None
    yield from WRONG[field.kind]
    number = float if field.kind == "real" else int
    match field.kind:
        case "int" | "real":
            if field.low is not None:
                yield number(field.low - 1)
            if field.high is not None and field.high < 2**63 - 1:
                yield number(field.high + 1)
        case "text":
            if field.choices:
                yield from ("", "no such thing", str(field.choices[0]).upper())
            if field.low:
                yield "x" * (int(field.low) - 1)
            if field.high:
                yield "x" * (int(field.high) + 1)


@pytest.mark.parametrize("collection", tables.COLLECTIONS, ids=lambda c: c.name)
async def test_a_wrong_value_is_refused(new_mongo: str, collection: Collection) -> None:
    async with a_row_in_every_collection(new_mongo):
        pass
    with database.mongo_database(new_mongo) as db:
        rows = db[collection.name]
        one = rows.find_one()
        for field in collection.fields:
            if field.name == "id":
                continue  # no update may change it
            changes = [{"$set": {field.name: value}} for value in wrong_values(field)]
            missing = [] if field.coming else [{"$unset": {field.name: ""}}]
            for change in (*changes, *missing):
                with pytest.raises(WriteError) as refusal:
                    rows.update_one({"_id": one["_id"]}, change)
                assert refusal.value.code == REFUSED, change
        assert rows.find_one() == one
