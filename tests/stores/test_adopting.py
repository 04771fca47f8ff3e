"""Databases that Prisma wrote to the letter of the document become callstore's."""

import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import DatetimeMS, ObjectId
from msgspec.structs import replace
from tests.stores import database
from tests.stores.adopting import (
    ANN,
    BOB,
    CAT,
    DAN,
    DOCUMENT,
    HALL,
    ROOM,
    a_history,
    many,
    plan,
    sound,
    up,
    within,
)
from tests.stores.adopting import db as db
from tests.stores.adopting import prisma as prisma
from tests.stores.explained import explained
from tests.stores.migrating import ended, killed_at
from tests.stores.prisma import Prisma, make_unique

from callstore import Guest, User, copy_calls, errors, open_calls
from callstore.ids import id_maker
from callstore.schema.adoption.adopt import Keeping, adopt
from callstore.schema.adoption.model import Adopted, Found
from callstore.schema.steps import HISTORY


class TestTakingOver:
    async def test_every_row_is_kept_and_what_it_lacked_is_filled(
        self, new_mongo: str, prisma: Prisma
    ) -> None:
        a_history(prisma)
        before = database.rows(new_mongo)
        report = await up(new_mongo)
        after = database.rows(new_mongo)
        assert (report.version, report.pending) == (HISTORY.current, [])
        assert report.adoption is not None
        assert report.adoption.rows == {name: len(before[name]) for name in DOCUMENT}
        changed: dict[str, int] = {}
        for name in DOCUMENT:
            rows = {row["_id"]: row for row in after[name]}
            assert rows.keys() == {row["_id"] for row in before[name]}
            for row in before[name]:
                for field, value in row.items():
                    if not within(value, rows[row["_id"]][field]):
                        changed[f"{name}.{field}"] = changed.get(f"{name}.{field}", 0) + 1
        assert changed == report.adoption.changes
        assert changed == {
            "CallSession.status": 1,  # answered, which the document's join does not write
            "CallSession.duration": 2,  # nor when, so that it counts 0 seconds
            "CallParticipant.status": 2,  # still connecting when the call had ended
            "CallParticipant.deviceInfo": 1,  # an address
        }
        async with open_calls(new_mongo) as calls:
            await sound(calls, new_mongo)
            assert all(probe.ok for probe in (await calls.schema.verify()).probes)

    async def test_calls_are_what_they_were(self, new_mongo: str, prisma: Prisma) -> None:
        made = a_history(prisma)
        await up(new_mongo)
        async with open_calls(new_mongo) as calls:
            talked = await calls.get(str(made["talked"]))
            assert (talked.outcome, talked.duration) == ("answered", 55)
            assert talked.initiator == talked.ended_by_party == User(str(ANN))
            assert [event.type for event in await calls.timeline(talked.id)] == [
                "call.adopted",
                "participant.joined",
                "participant.joined",
                "call.answered",
                "call.ended",
            ]
            group = await calls.get(str(made["group"]))
            assert (group.mode, group.peak_participants, group.joined_count) == ("sfu", 4, 4)
            assert sorted(row.status for row in group.participants or []) == [
                *["disconnected"] * 3,
                "failed",
            ]
            alone = await calls.get(str(made["alone"]))
            assert (alone.outcome, alone.duration) == ("missed", 0)
            analysis = await calls.quality.get(talked.id)
            assert (analysis.quality_score, analysis.total_data_sent) == (81.5, 10_000_000_000)
            assert [issue.type for issue in analysis.network_issues] == ["high_packet_loss"]
            log = {e.call_session_id: e for e in (await calls.log(User(str(ANN)))).items}
            assert log.keys() == {talked.id, group.id}
            own = log[talked.id]
            assert (own.direction, own.response, own.talk_seconds) == ("outgoing", "accepted", 55)
            page = await calls.history(str(ROOM), party=User(str(BOB)))
            assert [call.id for call in page.items] == [str(made["live"]), talked.id]

    async def test_what_was_live_goes_on(self, new_mongo: str, prisma: Prisma) -> None:
        made = a_history(prisma)
        await up(new_mongo)
        async with open_calls(new_mongo) as calls:
            live = await calls.live_in(str(ROOM))
            assert live is not None
            assert (live.id, live.status, live.live_count) == (str(made["live"]), "active", 2)
            current = await calls.current(User(str(DAN)))
            assert current is not None
            assert current.id == live.id
            with pytest.raises(errors.CallAlreadyLive):
                await calls.start(str(ROOM), User(str(CAT)))
            joined = await calls.join(live.id, Guest(str(CAT)))
            assert (joined.call.live_count, joined.mode_switch) == (3, ("p2p", "sfu"))
            assert (await calls.get(str(made["ringing"]))).status == "ringing"
            ended = await calls.end(live.id)
            assert ended.outcome == "answered"
            await sound(calls, new_mongo)

    async def test_rows_expire_as_those_of_callstore_do(
        self, new_mongo: str, prisma: Prisma
    ) -> None:
        made = a_history(prisma)
        await up(new_mongo)
        async with open_calls(new_mongo) as calls:
            group = await calls.get(str(made["group"]))
            assert group.ended_at is not None
            assert group.expires_at == group.ended_at + timedelta(days=90)
            talked = await calls.get(str(made["talked"]))
            assert talked.expires_at is None  # it has a file
        rows = {row["_id"]: row for row in database.rows(new_mongo)["CallTranscription"]}
        caption = rows[made["caption"]]
        assert caption["expiresAt"] == caption["createdAt"] + timedelta(days=30)

    async def test_indexes_that_refuse_or_delete_go_and_others_stay(
        self, new_mongo: str, db: Any
    ) -> None:
        make_unique(db)
        prisma = Prisma(db)
        prisma.join_call(prisma.create_call(ROOM, ANN), guest=CAT)  # all that they let in
        planned = await plan(new_mongo)
        report = await up(new_mongo)
        assert report.adoption is not None
        assert planned.adoption == report.adoption
        assert set(report.adoption.indexes) == {
            "CallSession endedAt_1",
            "CallTranscription createdAt_1",
            "CallParticipant CallParticipant_callSessionId_userId_key",
            "CallParticipant CallParticipant_callSessionId_anonymousUserId_key",
            "CallRecording CallRecording_callSessionId_key",
            "CallAnalytics CallAnalytics_callSessionId_key",
        }
        removed = {f"{c.collection} {c.name}" for c in planned.changes if c.action == "remove"}
        assert removed == set(report.adoption.indexes)
        left = (await plan(new_mongo)).changes
        assert {change.action for change in left} == {"leave"}
        assert "conversationId_status_createdAt" in {change.name for change in left}

    async def test_who_was_anonymised_stays_nobody(self, new_mongo: str, prisma: Prisma) -> None:
        call = prisma.create_call(ROOM, ANN)
        prisma.join_call(call, BOB, deviceInfo={"browser": "Safari"})
        prisma.join_call(call, CAT)
        prisma.later(60)
        for user in (ANN, BOB):
            prisma.anonymise(user)
        await up(new_mongo)
        async with open_calls(new_mongo) as calls:
            rows = (await calls.get(str(call))).participants or []
            assert [row.party for row in rows] == [None, None, User(str(CAT))]
            assert all(row.anonymized_at or row.party for row in rows)
            for user in (ANN, BOB):
                assert (await calls.log(User(str(user)))).items == []
            await calls.end(str(call))
            await sound(calls, new_mongo)

    async def test_what_else_is_in_a_row_stays_in_it(self, new_mongo: str, prisma: Prisma) -> None:
        call = prisma.create_call(ROOM, ANN, title="of the host")
        await up(new_mongo)
        (row,) = database.rows(new_mongo)["CallSession"]
        assert (row["_id"], row["title"]) == (call, "of the host")

    async def test_a_field_that_is_called_id_is_such_a_one(
        self, new_mongo: str, prisma: Prisma
    ) -> None:
        other = prisma.create_call(HALL, BOB)
        call = prisma.create_call(ROOM, ANN, id=str(other))
        prisma.join_call(call, BOB, id=7)
        await up(new_mongo)
        rows = {row["_id"]: row for row in database.rows(new_mongo)["CallSession"]}
        assert {id: row["conversationId"] for id, row in rows.items()} == {other: HALL, call: ROOM}
        assert (rows[call]["id"], "id" in rows[other]) == (str(other), False)
        people = database.rows(new_mongo)["CallParticipant"]
        assert [row["id"] for row in people if row["userId"] == BOB and "id" in row] == [7]
        async with open_calls(new_mongo) as calls:
            await sound(calls, new_mongo)

    async def test_a_row_that_is_not_there_any_more_is_told(
        self, new_mongo: str, prisma: Prisma
    ) -> None:
        call = str(prisma.create_call(ROOM, ANN))
        async with open_calls(new_mongo, check_schema=False) as calls:
            adopting = calls._store.structure.adopting
            assert adopting is not None

            def decide(found: list[Found]) -> list[Adopted]:
                keeping = Keeping(new_id=id_maker(), calls=timedelta(90), captions=timedelta(30))
                decided, _ = adopt(found[0], older=False, keeping=keeping)
                assert decided is not None
                another = replace(decided.call, id=str(ObjectId()))
                return [replace(decided, call=another)]

            with pytest.raises(errors.Conflict, match="of 1 rows of CallSession 0 are there"):
                await adopting.take_over([call], decide)

    async def test_more_than_fifty_in_a_call_are_let_stand(
        self, new_mongo: str, prisma: Prisma
    ) -> None:
        call = prisma.create_call(ROOM, ANN)
        for _ in range(60):
            prisma.join_call(call, ObjectId())
        await up(new_mongo)
        async with open_calls(new_mongo) as calls:
            taken = await calls.get(str(call))
            assert (taken.live_count, taken.max_participants) == (61, 61)
            with pytest.raises(errors.CallFull):
                await calls.join(taken.id, User(str(BOB)))

    async def test_an_empty_database_of_prismas_is_one_of_callstores(
        self, new_mongo: str, db: Any
    ) -> None:
        await up(new_mongo)
        async with open_calls(new_mongo) as calls:
            await calls.start(str(ROOM), User(str(ANN)))


class TestBeforeIt:
    async def test_it_is_not_opened(self, new_mongo: str, db: Any) -> None:
        a_history(Prisma(db))
        before = database.rows(new_mongo, but=())
        with pytest.raises(errors.SchemaMismatch, match=r"something else.*schema plan.*schema up"):
            async with open_calls(new_mongo):
                pass
        with pytest.raises(errors.Invalid, match="/to"):
            await up(new_mongo, to=1)
        assert database.rows(new_mongo, but=()) == before

    async def test_unless_the_settings_say_so(self, new_mongo: str, db: Any) -> None:
        made = a_history(Prisma(db))
        async with open_calls(new_mongo, settings={"auto_migrate": True}) as calls:
            assert (await calls.get(str(made["talked"]))).outcome == "answered"

    async def test_a_plan_changes_nothing(self, new_mongo: str, db: Any) -> None:
        a_history(Prisma(db))
        before = database.rows(new_mongo, but=())
        report = await plan(new_mongo)
        assert report.adoption is not None
        assert report.adoption.problems == []
        assert (report.version, sorted(report.foreign)) == (0, sorted(DOCUMENT))
        assert database.rows(new_mongo, but=()) == before


@pytest.mark.parametrize("batch", [1, 2])  # of four
async def test_one_that_is_killed_at_any_batch_goes_on(new_mongo: str, db: Any, batch: int) -> None:
    many(Prisma(db), 1000)
    killed_at("taking over calls", batch, new_mongo)
    adopted = db["CallSession"].count_documents({"version": 1})
    assert 250 * batch <= adopted < 1000
    async with open_calls(new_mongo, check_schema=False) as calls:
        await calls._store.change_lease("schema", lambda old: old and ended(old))
        report = await calls.schema.up()
    assert report.adoption is not None
    assert report.adoption.rows.get("CallSession", 0) == 1000 - adopted
    rows = database.rows(new_mongo)
    assert len(rows["CallSession"]) == 1000
    assert len(rows["CallParticipant"]) == len(rows["CallLogEntry"]) == 2000
    assert len(rows["CallEvent"]) == 5000
    async with open_calls(new_mongo) as calls:
        assert (await calls.doctor()).findings == []


async def test_rows_of_a_call_are_found_by_the_documents_indexes(new_mongo: str, db: Any) -> None:
    """However many calls there are, what reads a collection whole does so once: to look for what is
    strange, for what came meanwhile, for what does not fit."""
    prisma = Prisma(db)
    many(prisma, 300)
    killed_at("taking over calls", 1, new_mongo)
    for call in [*db["CallSession"].find({"version": 1}).limit(3)]:
        prisma.join_call(call["_id"], CAT)
    prisma.transcribe(ObjectId(), ObjectId(), "an orphan")
    async with open_calls(new_mongo, check_schema=False) as calls:
        await calls._store.change_lease("schema", lambda old: old and ended(old))
        with explained(db) as queries:
            await calls.schema.up(drop_orphans=True)
    costly = (t for t in queries if "COLLSCAN" in t.stages or t.documents > t.returned + 1)
    times = Counter(re.sub(r"ObjectId\('\w+'\)", "an id", str(t.command)) for t in costly)
    assert set(times.values()) == {1, 2}  # once more, to drop what belongs to nothing


async def test_what_a_host_keeps_in_its_rows_is_in_nobodys_way(
    new_mongo: str, db: Any, tmp_path: Path
) -> None:
    """Whatever it is: JavaScript's last date is past Python's."""
    made = a_history(Prisma(db))
    never = {"$set": {"remindAt": DatetimeMS(8_640_000_000_000_000), "tenant": ["x", {"y": 1.5}]}}
    for name in DOCUMENT:
        db[name].update_many({}, never)
    await up(new_mongo)
    async with open_calls(new_mongo) as calls:
        assert (await calls.get(str(made["live"]))).live
        assert (await calls.history(str(ROOM))).items
        assert (await calls.sweep()).failed == 0
        await calls.end(str(made["live"]))
        await sound(calls, new_mongo)
    assert (await copy_calls(new_mongo, f"sqlite:///{tmp_path}/calls.db", live=True)).verified
    for row in database.rows(new_mongo)["CallSession"]:
        assert row["tenant"] == ["x", {"y": 1.5}]
