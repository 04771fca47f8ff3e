"""What callstore writes into MongoDB is read through the document's own Prisma models: every field
of theirs is there, of a type that Prisma reads, and never null where they require it."""

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from msgspec import Struct
from tests.schema.writing import write
from tests.stores import database

from callstore import open_calls

TEXT = (Path(__file__).parent / "data" / "document.prisma").read_text()
SCALARS: dict[str, tuple[type, ...]] = {
    "String": (str,),
    "DateTime": (datetime,),
    "Boolean": (bool,),
    "Int": (int,),
    "BigInt": (int,),
    "Float": (float,),
    "Json": (object,),
}
# What does not fit: model and field, and what of it.
EXCEPTIONS = {
    ("CallRecording", "fileSize"): "a file over 2 GiB is past 32 bits",
    ("CallRecording", "callSessionId"): "unique there, and a call may have several recordings",
    ("CallSession", "initiator"): "finds nobody where they were erased, or are a guest",
}


class ModelField(Struct, frozen=True):
    model: str
    name: str
    type: str
    nullable: bool
    attributes: str


def fields() -> Iterator[ModelField]:
    for model, body in re.findall(r"^model (Call\w+) \{\n(.*?)^\}", TEXT, re.MULTILINE | re.DOTALL):
        for line in body.splitlines():
            found = re.match(r"\s+(\w+)\s+(\w+)(\?)?\s*(.*)", line.partition("//")[0])
            if found and found[2] in SCALARS:
                yield ModelField(model, found[1], found[2], bool(found[3]), found[4])


FIELDS = list(fields())


@pytest.fixture(scope="module")
def rows(request: pytest.FixtureRequest) -> database.Rows:
    mongod, client = request.getfixturevalue("mongod"), request.getfixturevalue("client")
    url = f"{mongod.url}/documents_models"

    async def written() -> None:
        async with open_calls(url) as calls:
            await write(calls)

    asyncio.run(written())
    found = database.rows(url)
    client.drop_database("documents_models")
    return found


def test_the_models_are_read_whole() -> None:
    assert len(FIELDS) == 76
    assert {field.model for field in FIELDS} == {
        *("CallSession", "CallParticipant", "CallTranscription", "CallRecording", "CallAnalytics")
    }


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: f"{field.model}.{field.name}")
def test_every_row_has_it_as_prisma_reads_it(rows: database.Rows, field: ModelField) -> None:
    name = "_id" if field.name == "id" else field.name
    kinds = (ObjectId,) if "@db.ObjectId" in field.attributes else SCALARS[field.type]
    values: list[Any] = [row[name] for row in rows[field.model]]
    assert values
    for value in values:
        if value is None:
            assert field.nullable
            continue
        assert isinstance(value, kinds)
        assert kinds != (int,) or not isinstance(value, bool)
        if field.type == "Int" and (field.model, field.name) not in EXCEPTIONS:
            assert isinstance(value, int)
            assert -(2**31) <= value < 2**31


def test_the_exceptions_are_real(rows: database.Rows) -> None:
    recordings: list[Any] = rows["CallRecording"]
    assert max(row["fileSize"] for row in recordings) >= 2**31
    assert len({row["callSessionId"] for row in recordings}) < len(recordings)
