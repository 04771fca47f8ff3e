"""What stands in the way of taking a database over: told, and dealt with as it is said."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from bson import DatetimeMS, ObjectId
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

FAR = DatetimeMS(2**50)  # past what Python's dates can be


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
    "a time that no one has": (spoil("CallSession", endedAt=FAR), "/endedAt"),
    "a call as text": (spoil("CallParticipant", callSessionId=str(ObjectId())), "callSessionId"),
    "a list of calls": (spoil("CallParticipant", callSessionId=[ObjectId()]), "callSessionId"),
    "an object for a call": (spoil("CallParticipant", callSessionId={"a": 1}), "callSessionId"),
    "no text in a language": (
        spoil("CallTranscription", translations={"fr": 7}),
        "/translations",
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


async def test_a_row_that_tells_no_time_is_named(new_mongo: str, db: Any) -> None:
    made = a_history(Prisma(db))
    caption = db["CallTranscription"].find_one_and_delete({})
    del caption["createdAt"], caption["timestamp"]
    db["CallTranscription"].insert_one({**caption, "_id": ObjectId("f" * 24)})
    await refused(new_mongo, "CallTranscription f{24}: /createdAt")
    db["CallTranscription"].delete_many({})
    call = db["CallSession"].find_one({"_id": made["alone"]})
    db["CallSession"].insert_one({**call, "_id": ObjectId("0" * 24)})
    await refused(new_mongo, "CallSession 0{24}: /id: must not be 24 zeros")


async def refused(url: str, said: str) -> None:
    """What stands in the way is in the plan, and nothing is changed."""
    before, shape = database.rows(url, but=()), await live_shape(url)
    report = (await plan(url)).adoption
    assert report is not None
    assert report.troubles == {"impossible": 1}
    with pytest.raises(errors.Conflict, match=said):
        await up(url, close_older=True, drop_orphans=True)
    assert (database.rows(url, but=()), await live_shape(url)) == (before, shape)


async def live_shape(url: str) -> Any:
    async with open_calls(url, check_schema=False) as calls:
        return await calls._store.structure.live()


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "a view": ({"viewOn": "CallSession"}, "is view"),
    "capped": ({"capped": True, "size": 10_000}, "is capped"),
    "a time series": ({"timeseries": {"timeField": "at"}}, "is timeseries"),
    "a collation": ({"collation": {"locale": "de"}}, "has a collation"),
    "clustered": (
        {"clusteredIndex": {"key": {"_id": 1}, "unique": True, "name": "mine"}},
        "is clustered by an index with a name of its own",
    ),
}


@pytest.mark.parametrize("collection", ["CallParticipant", "CallEvent"])
@pytest.mark.parametrize("what", UNUSABLE)
async def test_a_collection_that_nothing_can_be_kept_in_is_named(
    new_mongo: str, what: str, collection: str
) -> None:
    options, said = UNUSABLE[what]
    with database.mongo_database(new_mongo) as db:
        Prisma(db).create_call(ROOM, ANN)
        db[collection].drop()
        db.create_collection(collection, **options)
    await refused(new_mongo, f"{collection}: {said}")


@pytest.mark.parametrize("collection", ["CallEvent", "CallLease", "CallSchema", "CallLogEntry"])
async def test_a_collection_of_the_hosts_with_a_name_of_callstores_is_named(
    new_mongo: str, db: Any, collection: str
) -> None:
    a_history(Prisma(db))
    made = db[collection].insert_one({"callSessionId": ObjectId(), "note": "the host's"})
    await refused(new_mongo, f"{collection} {made.inserted_id}: is of callstore's name")


class TestWhatAHostHas:
    """That is in nobody's way, or goes."""

    async def test_numbers_as_a_shell_writes_them(self, new_mongo: str, prisma: Prisma) -> None:
        made = a_history(prisma)
        recordings = prisma.db["CallRecording"]
        recordings.update_one({"_id": made["recording"]}, {"$set": {"duration": 60.0}})
        await up(new_mongo)
        (row,) = database.rows(new_mongo)["CallRecording"]
        assert (row["duration"], type(row["duration"])) == (60, int)

    async def test_fields_of_callstores_names(self, new_mongo: str, prisma: Prisma) -> None:
        a_history(prisma)
        prisma.db["CallSession"].update_many({}, {"$set": {"version": 3}})
        prisma.db["CallParticipant"].update_many({}, {"$set": {"conversationId": "theirs"}})
        await up(new_mongo)
        async with open_calls(new_mongo) as calls:
            await sound(calls, new_mongo)

    async def test_a_validator(self, new_mongo: str, prisma: Prisma) -> None:
        a_history(prisma)
        theirs = {"$jsonSchema": {"properties": {"version": {"bsonType": "string"}}}}
        prisma.db.command({"collMod": "CallSession", "validator": theirs})
        await up(new_mongo)
        async with open_calls(new_mongo) as calls:
            assert (await calls.schema.plan()).pending == []

    async def test_indexes_that_are_callstores_own_or_refuse_languages(
        self, new_mongo: str, prisma: Prisma
    ) -> None:
        a_history(prisma)
        key = [("conversationId", 1), ("callSessionId", 1), ("_id", 1)]
        prisma.db["CallParticipant"].create_index(key, name="mine")
        prisma.db["CallTranscription"].create_index([("text", "text")], name="words")
        report = await up(new_mongo)
        assert report.adoption is not None
        assert {"CallParticipant mine", "CallTranscription words"} <= {*report.adoption.indexes}
        async with open_calls(new_mongo) as calls:
            assert all(probe.ok for probe in (await calls.schema.verify()).probes)

    async def test_conversations_as_text(self, new_mongo: str, prisma: Prisma) -> None:
        for room in (ROOM, str(ROOM), str(ROOM).upper()):
            prisma.create_call(room, ANN)
            prisma.later(60)
        report = (await plan(new_mongo)).adoption
        assert report is not None
        assert report.troubles == {"several_live": 2}
        await up(new_mongo, close_older=True)
        async with open_calls(new_mongo) as calls:
            await sound(calls, new_mongo)

    async def test_language_tags_in_another_form(self, new_mongo: str, prisma: Prisma) -> None:
        made = a_history(prisma)
        others = {"EN": "hello again", "pt_br": "olá"}
        prisma._update("CallTranscription", made["caption"], {"language": "fr_fr"})
        prisma._update("CallTranscription", made["caption"], {"translations": others})
        report = await up(new_mongo)
        assert report.adoption is not None
        assert report.adoption.changes["CallTranscription.language"] == 1
        async with open_calls(new_mongo) as calls:
            (caption,) = (await calls.captions.list(str(made["talked"]))).items
            assert caption.language == "fr-FR"
            assert caption.translations == {"en": "hello again", "pt-BR": "olá"}
            found = await calls.captions.search("again", call_id=str(made["talked"]))
            assert found.items == [caption]

    async def test_json_that_looks_like_a_reference(self, new_mongo: str, prisma: Prisma) -> None:
        made = a_history(prisma)
        capabilities = {"codecs": {"$ref": "a", "$id": 1, "more": {"at": 2**53}}}
        prisma._update("CallSession", made["live"], {"rtpCapabilities": capabilities})
        await up(new_mongo)
        async with open_calls(new_mongo) as calls:
            call = await calls.get(str(made["live"]))
        assert call.rtp_capabilities == capabilities
        assert msgspec.json.decode(msgspec.json.encode(call))["rtpCapabilities"] == capabilities


async def test_rows_past_their_time_are_counted(new_mongo: str, prisma: Prisma) -> None:
    call = prisma.create_call(ROOM, ANN)
    prisma.end_call(call, ANN)
    prisma._update("CallSession", call, {"endedAt": prisma.now + timedelta(days=1)})
    report = (await plan(new_mongo)).adoption
    assert report is not None
    assert report.expired == {}
    ago = datetime.now(UTC) - timedelta(days=200)
    for fields in ({"createdAt": ago}, {"startedAt": None}, {"endedAt": ago}):
        prisma._update("CallSession", call, fields)
    report = (await plan(new_mongo)).adoption
    assert report is not None
    assert report.expired["CallSession"] == 1
