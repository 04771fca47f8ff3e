"""Indexes of a stranger's that MongoDB takes for callstore's own: it refuses to have both."""

from typing import Any

import pytest
from pymongo.errors import OperationFailure
from tests.stores import database
from tests.stores.adopting import ANN, ROOM, plan, up
from tests.stores.adopting import db as db
from tests.stores.prisma import Prisma

from callstore import open_calls
from callstore.stores.mongo import shape

HISTORY = ["conversationId", "createdAt", "_id"]
UNIQUE = {"unique": True, "partialFilterExpression": {"live": {"$eq": True}}}
THEIRS = pytest.mark.parametrize(
    ("ours", "fields", "options"),
    [
        ("CallSession_history", HISTORY, {}),
        ("CallSession_history", HISTORY, {"hidden": True}),
        ("CallSession_oneLive", HISTORY[:1], UNIQUE),
        ("CallSession_oneLive", HISTORY[:1], {**UNIQUE, "expireAfterSeconds": 10**8}),
    ],
)
LIVE = {"live": True}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"hidden": True},
    {"expireAfterSeconds": 9},
    {"sparse": True},
    {"sparse": False},
    {"unique": True},
    {"unique": True, "hidden": True},
    {"collation": {"locale": "en"}},
    {"collation": {"locale": "simple"}},
    {"partialFilterExpression": LIVE},
    {"partialFilterExpression": LIVE, "expireAfterSeconds": 9},
    {"partialFilterExpression": LIVE, "unique": True},
    {"partialFilterExpression": {"live": {"$eq": True}}},
    {"partialFilterExpression": {"$and": [LIVE, LIVE]}},
    {"partialFilterExpression": {"live": False}},
    {"partialFilterExpression": {"live": 1}},
    {"partialFilterExpression": {"n": {"$gt": 1, "$lt": 3}}},
    {"partialFilterExpression": {"$and": [{"n": {"$lt": 3}}, {"n": {"$gt": 1}}]}},
]


def made(rows: Any, name: str, options: dict[str, Any]) -> bool:
    try:
        rows.create_index([("at", 1)], name=name, **options)
    except OperationFailure:
        return False
    return True


async def test_which_are_the_same_is_as_the_server_has_it(new_mongo: str) -> None:
    async with open_calls(new_mongo) as calls:
        with database.mongo_database(new_mongo) as db:
            for number, options in enumerate(OPTIONS):
                assert made(db[f"CallTried{number}"], "one", options)
            live = await calls._store.structure.live()
            found = [live[f"CallTried{number}"].indexes["one"] for number in range(len(OPTIONS))]
            for number, one in enumerate(found):
                rows = db[f"CallTried{number}"]
                for options, other in zip(OPTIONS, found, strict=True):
                    both = made(rows, "other", options)
                    same = shape.identity(one) == shape.identity(other)
                    assert same != both, (one, other)
                    if both:
                        rows.drop_index("other")


@THEIRS
async def test_it_goes_with_the_taking_over(
    new_mongo: str, db: Any, ours: str, fields: list[str], options: dict[str, Any]
) -> None:
    Prisma(db).create_call(ROOM, ANN)
    db["CallSession"].create_index(fields, name="theirs", **options)
    planned = {(each.action, each.name) for each in (await plan(new_mongo)).changes}
    assert {("remove", "theirs"), ("make", ours)} <= planned
    report = await up(new_mongo)
    assert report.adoption is not None
    assert "CallSession theirs" in report.adoption.indexes
    assert (report.pending, report.foreign) == ([], [])


@THEIRS
async def test_it_goes_where_callstores_own_is_to_be(
    new_mongo: str, ours: str, fields: list[str], options: dict[str, Any]
) -> None:
    async with open_calls(new_mongo):
        pass
    with database.mongo_database(new_mongo) as db:
        db["CallSession"].drop_index(ours)
        db["CallSession"].create_index(fields, name="theirs", **options)
    planned = {(each.action, each.name) for each in (await plan(new_mongo)).changes}
    assert planned == {("remove", "theirs"), ("make", ours)}
    report = await up(new_mongo)
    assert (report.pending, report.lost) == ([], [])
    assert (await plan(new_mongo)).changes == []


async def test_one_that_only_has_its_name_is_made_anew(new_mongo: str) -> None:
    async with open_calls(new_mongo):
        pass
    with database.mongo_database(new_mongo) as db:
        db["CallSession"].drop_index("CallSession_history")
        db["CallSession"].create_index(HISTORY, name="CallSession_history", hidden=True)
    ((action, name),) = {(each.action, each.name) for each in (await plan(new_mongo)).changes}
    assert (action, name) == ("change", "CallSession_history")
    assert (await up(new_mongo)).pending == []
    assert (await plan(new_mongo)).changes == []
