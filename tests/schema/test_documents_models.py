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
from callstore.ids import NOBODY
from callstore.testing import FakeClock
from callstore.testing.data import user

pytestmark = pytest.mark.xdist_group("documents models")  # rows that are written once for all
TEXT = (Path(__file__).parent / "data" / "document.prisma").read_text()
SCALARS: dict[str, tuple[type, ...]] = {
    "String": (str,),
    "DateTime": (datetime,),
    "Boolean": (bool,),
    "Int": (int,),
    "BigInt": (int,),
    "Float": (float,),
    "Json": (dict, list),
}
# What does not fit: model and field, and what of it.
EXCEPTIONS = {
    ("CallRecording", "fileSize"): "a file over 2 GiB is past 32 bits",
    ("CallRecording", "callSessionId"): "unique there, and a call may have several recordings",
    ("CallSession", "initiator"): "finds nobody where they were erased, or are a guest",
    ("CallRecording", "requestedByUser"): "the same",
}


class ModelField(Struct, frozen=True):
    model: str
    name: str
    type: str
    nullable: bool
    attributes: str


class Relation(Struct, frozen=True):
    model: str
    name: str
    target: str
    nullable: bool
    field: str  # that has the target's id


def models() -> list[tuple[str, str]]:
    """The names of callstore's, and what is in them."""
    return re.findall(r"^model (Call\w+) \{\n(.*?)^\}", TEXT, re.MULTILINE | re.DOTALL)


def fields() -> Iterator[ModelField]:
    for model, body in models():
        for line in body.splitlines():
            found = re.match(r"\s+(\w+)\s+(\w+)(\?)?\s*(.*)", line.partition("//")[0])
            if found and found[2] in SCALARS:
                yield ModelField(model, found[1], found[2], bool(found[3]), found[4])


def relations() -> Iterator[Relation]:
    to_one = r"^\s+(\w+)\s+(\w+)(\?)?\s+@relation\(.*fields: \[(\w+)\], references: \[id\]"
    for model, body in models():
        for name, target, mark, field in re.findall(to_one, body, re.MULTILINE):
            yield Relation(model, name, target, bool(mark), field)


FIELDS, RELATIONS = list(fields()), list(relations())


@pytest.fixture(scope="module", params=[False, True], ids=["", "erased"])
def rows(request: pytest.FixtureRequest) -> database.Rows:
    """Of calls, and of the same calls when who began one of them was erased."""
    mongod, client = request.getfixturevalue("mongod"), request.getfixturevalue("client")
    url, clock = f"{mongod.url}/documents_models", FakeClock()

    async def written() -> None:
        async with open_calls(url, clock=clock, settings={"secret": "s"}) as calls:
            await write(calls, clock)
            if request.param:
                await calls.privacy.erase(user(1), recordings="keep")

    asyncio.run(written())
    found = database.rows(url)
    client.drop_database("documents_models")
    return found


def test_the_models_are_read_whole() -> None:
    assert len(FIELDS) == 76
    assert len(RELATIONS) == TEXT.count("references: [id]") == 10
    assert {field.model for field in FIELDS} == {
        *("CallSession", "CallParticipant", "CallTranscription", "CallRecording", "CallAnalytics")
    }


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: f"{field.model}.{field.name}")
def test_every_row_has_it_as_prisma_reads_it(rows: database.Rows, field: ModelField) -> None:
    name = "_id" if field.name == "id" else field.name
    kinds = (ObjectId,) if "@db.ObjectId" in field.attributes else SCALARS[field.type]
    values: list[Any] = [row[name] for row in rows[field.model]]
    assert any(value is not None for value in values)
    for value in values:
        if value is None:
            assert field.nullable
            continue
        assert isinstance(value, kinds)
        assert kinds != (int,) or not isinstance(value, bool)
        assert field.type != "Json" or holds_json(value)
        if field.type == "Int" and (field.model, field.name) not in EXCEPTIONS:
            assert isinstance(value, int)
            assert -(2**31) <= value < 2**31


def holds_json(value: Any) -> bool:
    """Nothing that Prisma gives to its reader as something else, such as BSON's dates and ids."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and holds_json(it) for name, it in value.items())
    if isinstance(value, list):
        return all(map(holds_json, value))
    return value is None or isinstance(value, bool | int | float | str)


def test_only_stints_of_callstores_own_hold_dates(rows: database.Rows) -> None:
    """Of all that lies inside a field, whoever reads it."""
    inside = {
        (model, name)
        for model in {field.model for field in FIELDS}
        for row in rows[model]
        for name, value in row.items()
        if isinstance(value, dict | list) and not holds_json(value)
    }
    assert inside == {("CallParticipant", "stints")}
    assert inside.isdisjoint((field.model, field.name) for field in FIELDS)


def test_the_exceptions_are_real(rows: database.Rows) -> None:
    recordings: list[Any] = rows["CallRecording"]
    assert max(row["fileSize"] for row in recordings) >= 2**31
    assert len({row["callSessionId"] for row in recordings}) < len(recordings)


def finding_nobody(rows: database.Rows) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Relations, and the rows by which they find nobody. The host has everybody of whom the rows
    say that they are its user or guest."""
    kinds = (
        ("CallSession", "initiatorId", "initiatorKind"),
        ("CallRecording", "requestedBy", "requestedByKind"),
    )
    parties = rows["CallParticipant"]
    there = {
        name: {row["_id"] for row in rows[name]} for name in ("CallSession", "CallParticipant")
    }
    there["Conversation"] = {row["conversationId"] for row in rows["CallSession"]}
    there["AnonymousParticipant"] = {row["anonymousUserId"] for row in parties}
    there["User"] = {row["userId"] for row in parties} | {
        row[field] for name, field, kind in kinds for row in rows[name] if row[kind] == "user"
    }
    there["User"] -= {ObjectId(NOBODY)}
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in RELATIONS:
        for row in rows[each.model]:
            if row[each.field] is None:
                assert each.nullable
            elif row[each.field] not in there[each.target]:
                found.setdefault((each.model, each.name), []).append(row)
    return found


def test_every_relation_finds_its_row_but_for_the_exceptions(rows: database.Rows) -> None:
    found = finding_nobody(rows)
    assert found.keys() <= EXCEPTIONS.keys()
    for row in found.get(("CallSession", "initiator"), []):
        assert row["initiatorKind"] == "guest" or row["initiatorId"] == ObjectId(NOBODY)


@pytest.mark.parametrize("rows", [True], ids=["erased"], indirect=True)
def test_who_was_erased_is_found_by_no_relation(rows: database.Rows) -> None:
    assert user(1).id not in str(rows)
    found = finding_nobody(rows)
    began = {row["_id"] for row in found["CallSession", "initiator"]}
    asked = found["CallRecording", "requestedByUser"]
    assert len(asked) == 2
    assert {row["callSessionId"] for row in asked} <= began
    assert {row["requestedBy"] for row in asked} == {ObjectId(NOBODY)}
