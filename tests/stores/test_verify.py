"""What a database must refuse is tried, and told where it is taken; on every store."""

from pathlib import Path
from typing import Any

import pytest
from tests.stores import database
from tests.stores.filling import filled

from callstore import errors, open_calls
from callstore.schema.tables import COLLECTIONS


async def test_all_that_must_be_refused_is(new_url: str) -> None:
    await filled(new_url)
    before = database.rows(new_url)
    async with open_calls(new_url) as calls:
        probes = (await calls.schema.verify()).probes
    assert [probe for probe in probes if not probe.ok] == []
    names = {(probe.collection, probe.name) for probe in probes}
    for collection in COLLECTIONS:
        for rule in collection.rules:
            assert (collection.name, rule.name) in names
        for field in collection.fields:
            chosen = (collection.name, f"{field.name} none of its choices")
            assert (chosen in names) == bool(field.choices)
        for index in collection.indexes:
            assert not index.unique or (collection.name, f"{index.name}, twice") in names
    assert database.rows(new_url) == before


async def test_where_others_are_at_it_nothing_is_said_of_a_probe(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    async with open_calls(url, settings={"command_deadline": 1}) as calls:
        with database.sqlite_file(url) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(errors.Busy):
                await calls.schema.verify()


async def test_what_is_taken_that_must_not_be_is_told(new_url: str) -> None:
    await filled(new_url)
    database.drop_index(new_url, "CallSession", "CallSession_oneLive")
    async with open_calls(new_url, check_schema=False) as calls:
        probes = (await calls.schema.verify()).probes
    assert [(p.name, p.detail) for p in probes if not p.ok] == [
        ("CallSession_oneLive, twice", "it was taken")
    ]


LOST = {  # of CallSession: what a CHECK says, what instead
    "mode IN ('p2p', 'sfu')": "true",
    "maxParticipants >= 2": "true",
    "maxParticipants <= 10000": "true",
    "length(routerId) >= 1": "true",
    "length(routerId) <= 255": "true",
    "fewSince BETWEEN 946684800000 AND 4102444800000": "true",
    "live = (endedAt IS NULL)": "live >= (endedAt IS NULL)",
}


def loosen(parts: Any) -> None:
    """The same parts of a validator."""
    fields = parts[0]["$jsonSchema"]["properties"]
    for field, keyword in (
        ("mode", "enum"),
        ("maxParticipants", "minimum"),
        ("maxParticipants", "maximum"),
        ("routerId", "minLength"),
        ("routerId", "maxLength"),
    ):
        del fields[field][keyword]
    (ranges,) = (n for n, part in enumerate(parts) if "fewSince" in str(part.get("$nor")))
    del parts[ranges]
    ended = {"$eq": ["$endedAt", None]}
    rule = parts.index({"$expr": {"$eq": ["$live", ended]}})
    parts[rule] = {"$expr": {"$gte": ["$live", ended]}}


async def test_rules_that_lost_one_part_are_told(new_url: str) -> None:
    async with open_calls(new_url):
        pass
    if new_url.startswith("sqlite"):
        with database.sqlite_file(new_url) as db:
            db.execute("PRAGMA writable_schema = ON")
            loose = "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = 'CallSession'"
            db.executemany(loose, LOST.items())
    else:
        with database.mongo_database(new_url) as db:
            validator = db["CallSession"].options()["validator"]
            loosen(validator["$and"])
            db.command({"collMod": "CallSession", "validator": validator})
    async with open_calls(new_url, check_schema=False) as calls:
        probes = (await calls.schema.verify()).probes
    assert {(p.name, p.detail) for p in probes if not p.ok} == {
        (name, "it was taken")
        for name in (
            "mode none of its choices",
            "maxParticipants below its range",
            "maxParticipants above its range",
            "routerId below its range",
            "routerId above its range",
            "fewSince too early",
            "fewSince too late",
            "liveUntilEnded, the other way",
        )
    }
