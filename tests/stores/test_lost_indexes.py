"""What a migration tells of queries that had an index before it, and have none after it."""

from typing import Any

import pytest
from bson import ObjectId
from msgspec.structs import replace
from tests.stores import database
from tests.stores.adopting import db as db
from tests.stores.adopting import up
from tests.stores.migrating import NEWEST, made_of, schema_of
from tests.stores.prisma import Prisma, make_unique

from callstore import open_calls
from callstore.schema.steps import HISTORY, History, Made, Step
from callstore.schema.tables import COLLECTIONS


def without(*names: str) -> History:
    """A history whose last step takes these indexes away."""

    def made(step: int) -> Made:
        if step <= NEWEST:
            return HISTORY.made(step)
        return made_of(
            *(
                replace(one, indexes=tuple(i for i in one.indexes if i.name not in names))
                for one in COLLECTIONS
                if any(index.name in names for index in one.indexes)
            )
        )

    step = Step(id=NEWEST + 1, name="fewer indexes", oldest_code=1)
    return History(steps=(*HISTORY.steps, step), made=made)


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (["CallSession_fewSince"], ["CallSession by fewSince (index CallSession_fewSince)"]),
        # Another begins with the same fields, and is not of all the rows.
        (["CallLogEntry_log"], ["CallLogEntry by party, createdAt, id (index CallLogEntry_log)"]),
        (
            ["CallLogEntry_unseen"],
            ["CallLogEntry by party, createdAt, id (index CallLogEntry_unseen)"],
        ),
        # Another does, and is; or the key does.
        (["CallSession_oneLive"], []),
        (["CallQualitySample_new"], []),
    ],
)
async def test_an_up_that_takes_an_index_away(
    new_url: str, names: list[str], lost: list[str]
) -> None:
    async with open_calls(new_url, check_schema=False) as calls:
        await calls.schema.up()
        schema = schema_of(calls, without(*names))
        told = (await schema.up()).lost
        assert sorted(each.replace("_id", "id") for each in told) == sorted(lost)
        assert (await schema.up()).lost == []
        back = await schema.down(to=NEWEST)
        assert ({built.index for built in back.built}, back.lost) == ({*names}, [])


async def test_of_two_that_stood_for_each_other_none_is_left(new_mongo: str) -> None:
    async with open_calls(new_mongo, check_schema=False) as calls:
        await calls.schema.up()
        report = await schema_of(calls, without("CallSession_oneLive", "CallSession_history")).up()
        assert sorted(report.lost) == [
            "CallSession by conversationId (index CallSession_oneLive)",
            "CallSession by conversationId, createdAt, _id (index CallSession_history)",
        ]


async def test_a_down_that_takes_an_index_away_tells_what_it_serves(new_url: str) -> None:
    async with open_calls(new_url, check_schema=False) as calls:
        await calls.schema.up()
        lost = (await calls.schema.down(to=1, yes=True)).lost
        assert "CallSession by horizons, expiresAt (sweep: ended calls" in " ".join(lost)
        assert {each.partition(" ")[0] for each in lost} <= {"CallSession", "CallQualitySample"}
        assert (await calls.schema.up()).lost == []


async def test_an_index_that_is_made_anew_of_other_fields(new_url: str) -> None:
    async with open_calls(new_url) as calls:
        database.drop_index(new_url, "CallSession", "CallSession_history")
        database.add_index(new_url, "CallSession", "CallSession_history", "type")
        lost = (await calls.schema.up()).lost
        assert lost == ["CallSession by type (index CallSession_history)"]


async def test_what_loses_nothing(new_url: str) -> None:
    async with open_calls(new_url, check_schema=False) as calls:
        for _ in range(2):
            assert (await calls.schema.up()).lost == []
        database.drop_index(new_url, "CallSession", "CallSession_fewSince")
        assert (await calls.schema.up()).lost == []


async def test_taking_over_tells_which_queries_of_the_hosts_lost_theirs(
    new_mongo: str, db: Any
) -> None:
    make_unique(db)
    Prisma(db).create_call(ObjectId(), ObjectId())
    assert sorted((await up(new_mongo)).lost) == [
        "CallAnalytics by callSessionId (index CallAnalytics_callSessionId_key)",
        *(
            f"CallParticipant by callSessionId, {party}"
            f" (index CallParticipant_callSessionId_{party}_key)"
            for party in ("anonymousUserId", "userId")
        ),
        "CallSession by endedAt (index endedAt_1)",
        "CallTranscription by createdAt (index createdAt_1)",
    ]
