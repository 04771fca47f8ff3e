"""What stands in the way of taking a database over: told, and dealt with as it is said."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from tests.stores import database
from tests.stores.adopting import (
    ANN,
    BOB,
    CAT,
    ROOM,
    a_history,
    plan,
    sound,
    up,
)
from tests.stores.adopting import db as db
from tests.stores.adopting import prisma as prisma
from tests.stores.prisma import BEGUN, Prisma

from callstore import User, errors, open_calls


def several_live(prisma: Prisma) -> Any:
    old = prisma.create_call(ROOM, ANN)
    prisma.join_call(old, BOB)
    prisma.later(3600)
    prisma.create_call(ROOM, CAT)
    return old


def doubled(prisma: Prisma) -> Any:
    call = prisma.create_call(ROOM, ANN)
    first = prisma.join_call(call, BOB)
    prisma.later(10)
    prisma.leave(first)
    prisma.later(10)
    second = prisma.join_call(call, BOB)
    prisma.transcribe(call, second, "back")
    return second


def doubled_analysis(prisma: Prisma) -> Any:
    call = prisma.create_call(ROOM, ANN)
    prisma.db["CallAnalytics"].drop_index("CallAnalytics_callSessionId_key")
    first = prisma.analyse(call, ObjectId())
    prisma.later(1)
    prisma.analyse(call, ObjectId())
    return first


def orphan(prisma: Prisma) -> Any:
    """As the document's TTL index leaves them."""
    call = prisma.create_call(ROOM, ANN)
    prisma.db["CallSession"].delete_one({"_id": call})
    return prisma.db["CallParticipant"].find_one({"callSessionId": call})["_id"]


def orphaned_caption(prisma: Prisma) -> Any:
    call = prisma.create_call(ROOM, ANN)
    gone = prisma.join_call(call, BOB)
    caption = prisma.transcribe(call, gone, "gone")
    prisma.db["CallParticipant"].delete_one({"_id": gone})
    return caption


SOLVED: dict[str, tuple[Any, str, dict[str, bool]]] = {
    "several live": (several_live, "several_live", {"close_older": True}),
    "a doubled participant": (doubled, "doubled", {"close_older": True}),
    "a doubled analysis": (doubled_analysis, "doubled", {"close_older": True}),
    "an orphan": (orphan, "orphan", {"drop_orphans": True}),
    "an orphaned caption": (orphaned_caption, "orphan", {"drop_orphans": True}),
}


@pytest.mark.parametrize("name", SOLVED)
async def test_a_problem_is_told_and_stops_it_until_it_is_told_what_to_do(
    new_mongo: str, prisma: Prisma, name: str
) -> None:
    make_it, kind, choices = SOLVED[name]
    id = str(make_it(prisma))
    before = database.rows(new_mongo, but=("CallLease",))
    report = (await plan(new_mongo)).adoption
    assert report is not None
    assert report.troubles == {kind: 1}
    assert [(problem.kind, problem.id) for problem in report.problems] == [(kind, id)]
    others = {"close_older": True, "drop_orphans": True, **dict.fromkeys(choices, False)}
    for options in ({}, others):
        with pytest.raises(errors.Conflict, match=f"1 {kind}.*{id}.*schema plan"):
            await up(new_mongo, **options)
        assert database.rows(new_mongo, but=("CallLease",)) == before
    await up(new_mongo, **choices)
    async with open_calls(new_mongo) as calls:
        await sound(calls, new_mongo)


class TestWhatBecomesOfThem:
    async def test_the_newest_live_call_stays_the_older_were_lost(
        self, new_mongo: str, prisma: Prisma
    ) -> None:
        old = str(several_live(prisma))
        await up(new_mongo, close_older=True)
        async with open_calls(new_mongo) as calls:
            lost = await calls.get(old)
            assert (lost.status, lost.end_reason, lost.ended_by) == ("ended", "lost", None)
            assert lost.ended_at == lost.created_at  # the last that its rows tell of
            live = await calls.live_in(str(ROOM))
            assert live is not None
            assert live.initiator == User(str(CAT))

    async def test_doubled_rows_become_one_with_a_stint_each(
        self, new_mongo: str, prisma: Prisma
    ) -> None:
        second = doubled(prisma)
        await up(new_mongo, close_older=True)
        rows = database.rows(new_mongo)
        (bob,) = [row for row in rows["CallParticipant"] if row["userId"] == BOB]
        assert bob["_id"] != second
        assert [stint["reason"] for stint in bob["stints"]] == ["left", None]
        assert rows["CallTranscription"][0]["participantId"] == bob["_id"]


def spoil(collection: str, **fields: Any) -> Any:
    """Of a history, one row with values that no call can have."""

    def spoiled(prisma: Prisma) -> Any:
        made = a_history(prisma)
        rows = {
            "CallSession": made["talked"],
            "CallParticipant": made["live_bob"],
            "CallTranscription": made["caption"],
            "CallRecording": made["recording"],
            "CallAnalytics": made["analysis"],
        }
        prisma.db[collection].update_one({"_id": rows[collection]}, {"$set": fields})
        return rows[collection]

    return spoiled


IMPOSSIBLE = {
    "a status that is none": (spoil("CallSession", status="paused"), "/status"),
    "a conversation that is no id": (spoil("CallSession", conversationId="x"), "/conversationId"),
    "a time that is text": (spoil("CallSession", createdAt="yesterday"), "/createdAt"),
    "an end before the beginning": (
        spoil("CallSession", endedAt=BEGUN - timedelta(days=1)),
        "/endedAt",
    ),
    "a user and a guest": (spoil("CallParticipant", anonymousUserId=CAT), "a user and a guest"),
    "left before joined": (
        spoil("CallParticipant", leftAt=BEGUN - timedelta(days=1)),
        "leftAt is before joinedAt",
    ),
    "no text": (spoil("CallTranscription", text=""), "/text"),
    "a confidence of 2": (spoil("CallTranscription", confidenceScore=2.0), "/confidenceScore"),
    "a negative size": (spoil("CallRecording", fileSize=-1), "/fileSize"),
    "a score of 101": (spoil("CallAnalytics", qualityScore=101), "/qualityScore"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
async def test_an_impossible_row_is_named_and_stops_it_whatever_is_said(
    new_mongo: str, db: Any, name: str
) -> None:
    make_it, said = IMPOSSIBLE[name]
    id = str(make_it(Prisma(db)))
    before = database.rows(new_mongo, but=("CallLease",))
    report = (await plan(new_mongo)).adoption
    assert report is not None
    assert [problem.kind for problem in report.problems] == ["impossible"]
    assert said in report.problems[0].detail
    assert report.problems[0].id == id
    with pytest.raises(errors.Conflict, match="1 impossible"):
        await up(new_mongo, close_older=True, drop_orphans=True)
    assert database.rows(new_mongo, but=("CallLease",)) == before


async def test_every_wrong_field_of_a_row_is_named(new_mongo: str, db: Any) -> None:
    db["CallSession"].insert_one({"_id": ObjectId(), "status": 7})
    db["CallSession"].insert_one({"_id": "text"})
    report = (await plan(new_mongo)).adoption
    assert report is not None
    of_text, wrong = report.problems
    assert (of_text.id, of_text.detail) == ("text", "_id is no ObjectId")
    for field in ("conversationId", "mode", "status", "type", "initiatorId"):
        assert f"/{field}: " in wrong.detail
