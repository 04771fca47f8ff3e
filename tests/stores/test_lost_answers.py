"""Commands whose answers are lost, or that the server fails: each is done once, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from bson import ObjectId
from pymongo import MongoClient
from tests.stores import database
from tests.stores.failing import Document, Failing
from tests.stores.failing import failing as failing
from tests.stores.filling import said_and_recorded
from tests.stores.listening import Failed, asked, listening

from callstore import Call, Calls, errors, open_calls
from callstore.calls.lifecycle.turn import Erased
from callstore.calls.model import replace
from callstore.stores.mongo import batches
from callstore.stores.protocol import Changed
from callstore.testing.contract.quality import report_at
from callstore.testing.contract.races import at_once, kinds
from callstore.testing.contract.recordings import SOUND, stream
from callstore.testing.contract.world import ANN, BOB, ROOM, check_sound, told
from callstore.testing.data import chosen_id, conversation, user


@pytest.fixture
async def calls(empty_mongo: str) -> AsyncIterator[Calls]:
    # After each lost answer the driver looks for a server anew, half a second later: on a machine
    # that has much to do five of them take longer than a deadline.
    patient = {"command_deadline": 30}
    async with open_calls(empty_mongo, recordings="memory:", settings=patient) as opened:
        yield opened
        await check_sound(opened)


DONE_BUT_NOT_SAID: Document = {
    "writeConcernError": {"code": 91, "errmsg": "shutting down", "errorLabels": []}
}
CUT_OFF: Document = {"closeConnection": True}
ABORTED: Document = {"errorCode": 251, "errorLabels": ["TransientTransactionError"]}
CONFLICT: Document = {"errorCode": 112, "errorLabels": ["TransientTransactionError"]}
NOT_PRIMARY: Document = {"errorCode": 10107, "errorLabels": ["TransientTransactionError"]}
STEPPING_DOWN: Document = {"errorCode": 189}
TOOK_TOO_LONG: Document = {"errorCode": 290}
DONE_BUT_TOOK_TOO_LONG: Document = {"writeConcernError": {"code": 290, "errmsg": "too long"}}


@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize(
    "how",
    [DONE_BUT_NOT_SAID, DONE_BUT_TOOK_TOO_LONG, CUT_OFF, ABORTED, NOT_PRIMARY, STEPPING_DOWN],
    ids=["done but not said", "done late", "cut off", "aborted", "not primary", "stepping down"],
)
async def test_what_a_commit_is_not_told_of_is_done_once(
    calls: Calls, failing: Failing, how: Document, times: int
) -> None:
    call = await calls.start(ROOM, ANN, invite=[BOB])
    with failing("commitTransaction", times, **how):
        results = await at_once(
            [
                calls.join(call.id, BOB),
                *(calls.join(call.id, user(n)) for n in range(10, 30)),
                *(calls.start(conversation(n), ANN) for n in range(10, 30)),
            ]
        )
    assert kinds(results) == {"Joined": 21, "Call": 20}
    after = await calls.get(call.id)
    assert (after.live_count, after.joined_count) == (22, 22)
    types = await told(calls, call.id)
    assert types.count("participant.joined") == 22
    for result in results:
        if isinstance(result, Call):
            assert await told(calls, result.id) == ["call.started", "participant.joined"]


async def test_what_is_found_done_is_told_when_a_majority_has_it(
    calls: Calls, failing: Failing
) -> None:
    """A transaction sees what its primary has, which may be lost with it: the look is committed."""
    call = await calls.start(ROOM, ANN, invite=[BOB])
    with asked("commitTransaction") as sent, failing("commitTransaction", **DONE_BUT_TOOK_TOO_LONG):
        await calls.join(call.id, BOB)
    assert len(sent) == 2


@pytest.mark.parametrize(
    "code", [112, 24, 11601], ids=["write conflict", "lock timeout", "interrupted"]
)
async def test_a_look_that_fails_leaves_the_doubt(
    calls: Calls, failing: Failing, client: MongoClient[Document], code: int
) -> None:
    """What was committed is not decided again, which would refuse a start for its own call."""
    how = {"failCommands": ["find"], "appName": "callstore", "errorCode": code}
    next_find = {"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": how}
    in_doubt: list[Failed] = []

    def failed(event: Failed) -> None:
        if event.command_name == "commitTransaction" and not in_doubt:
            in_doubt.append(event)
            client.admin.command(next_find)

    with listening(failed=failed), failing("commitTransaction", **DONE_BUT_TOOK_TOO_LONG):
        call = await calls.start(ROOM, ANN)
    assert in_doubt
    assert await told(calls, call.id) == ["call.started", "participant.joined"]


async def test_reports_whose_commit_is_not_told_of_are_kept_once(
    calls: Calls, failing: Failing
) -> None:
    """They write no session row and no event that a second attempt would stumble over."""
    call = await calls.start(ROOM, ANN)
    with failing("commitTransaction", 2, **DONE_BUT_NOT_SAID):
        await calls.quality.report(call.id, ANN, report_at(datetime.now(UTC), 100))
    assert len(await calls._store.samples(call.id)) == 1


@pytest.mark.parametrize("how", [DONE_BUT_NOT_SAID, CUT_OFF], ids=["done", "cut off"])
async def test_recordings_whose_commits_are_not_told_of_come_and_go_once(
    calls: Calls, failing: Failing, how: Document
) -> None:
    """An upload that begins or is given up, and a deletion that begins, write no event."""
    call = await calls.start(ROOM, ANN)
    rows = []
    for _ in range(3):
        with failing("commitTransaction", 1, **how):
            row = await calls.recordings.start(call.id, ANN)
            rows.append(await calls.recordings.stop(row.id))
    with failing("commitTransaction", 4, **how):
        done = await at_once(calls.recordings.put(row.id, stream(SOUND)) for row in rows)
    assert kinds(done) == {"Recording": 3}
    with failing("commitTransaction", 3, **how):
        gone = await at_once(calls.recordings.delete(row.id) for row in rows)
    assert {row.status for row in gone} == {"deleted"}
    types = await told(calls, call.id)
    for step in ("started", "stopped", "available", "deleted"):
        assert types.count(f"recording.{step}") == 3


@pytest.mark.parametrize(
    "how",
    [CUT_OFF, NOT_PRIMARY, CONFLICT, TOOK_TOO_LONG],
    ids=["cut", "primary", "conflict", "too long"],
)
@pytest.mark.parametrize("command", ["find", "insert", "update"])
async def test_what_fails_on_the_way_is_done_again(
    calls: Calls, failing: Failing, command: str, how: Document
) -> None:
    call = await calls.start(ROOM, ANN, invite=[BOB])
    with failing(command, 3, **how):
        joined = await calls.join(call.id, BOB)
    assert joined.call.live_count == 2
    assert (await told(calls, call.id)).count("call.answered") == 1


MOVED = {"plan killed": 175, "snapshot too old": 239, "snapshot unavailable": 246}


@pytest.mark.parametrize("code", MOVED.values(), ids=MOVED)
async def test_what_a_migration_changes_while_it_is_read_is_read_again(
    calls: Calls, failing: Failing, code: int
) -> None:
    """Of collections that are made, and indexes that go, while others read."""
    call = await calls.start(ROOM, ANN)
    with failing("aggregate", 3, errorCode=code):
        assert await calls.get(call.id) == call
    with failing("find", 3, errorCode=code):
        assert (await calls.history(ROOM)).items == [call]
    with failing("find", 3, errorCode=code):
        assert (await calls.schema.status()).pending == []
    with failing("find", 3, errorCode=code):
        assert await told(calls, call.id) == ["call.started", "participant.joined"]
    with failing("find", 3, errorCode=code):
        assert (await calls.join(call.id, BOB)).call.live_count == 2


async def test_a_read_that_finds_no_snapshot_ends_at_its_deadline(
    empty_mongo: str, failing: Failing
) -> None:
    async with open_calls(empty_mongo, settings={"command_deadline": 0.5}) as calls:
        call = await calls.start(ROOM, ANN)
        with (
            failing("aggregate", 1000, errorCode=MOVED["snapshot unavailable"]),
            pytest.raises(errors.StoreUnavailable, match="the collections changed meanwhile"),
        ):
            await calls.get(call.id)
        assert await calls.get(call.id) == call


async def test_a_commit_without_an_answer_says_that_its_outcome_is_unknown(
    empty_mongo: str, failing: Failing
) -> None:
    async with open_calls(empty_mongo, settings={"command_deadline": 1}) as calls:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        with (
            failing("commitTransaction", 1000, **CUT_OFF),
            pytest.raises(errors.StoreUnavailable) as refusal,
        ):
            await calls.join(call.id, BOB)
        assert refusal.value.outcome_unknown
    async with open_calls(empty_mongo) as calls:  # asked again, it is told what became of it
        joined = await calls.join(call.id, BOB)
        assert joined.call.live_count == 2
        assert (await told(calls, call.id)).count("participant.joined") == 2


async def test_one_who_gave_up_and_asks_again_is_told_what_was_committed(
    calls: Calls, failing: Failing
) -> None:
    call = await calls.start(ROOM, ANN, invite=[BOB])
    with failing("commitTransaction", 1, blockConnection=True, blockTimeMS=300):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(calls.join(call.id, BOB), 0.1)
        joined = await calls.join(call.id, BOB)
    assert (joined.call.live_count, joined.call.version) == (2, call.version + 1)
    assert (await told(calls, call.id)).count("call.answered") == 1


async def test_a_row_that_a_validator_rejects_harms_no_other(
    new_mongo: str, client: MongoClient[Document]
) -> None:
    async with open_calls(new_mongo) as calls:
        made = [await calls.start(conversation(n), ANN) for n in range(1, 51)]
        database = client.get_database(new_mongo.rpartition("/")[2])
        only = {"$nor": [{"callSessionId": ObjectId(made[7].id), "type": "participant.joined"}]}
        database.command({"collMod": "CallEvent", "validator": only})
        results = await at_once(calls.join(call.id, BOB) for call in made)
        assert kinds(results) == {"Joined": 49, "StoreError": 1}
        assert isinstance(results[7], errors.StoreError)
        assert (await calls.get(made[7].id)).live_count == 1


@pytest.mark.parametrize("option", ["socketTimeoutMS", "timeoutMS"])
async def test_an_index_may_take_longer_than_an_answer_else_does(
    new_mongo: str, failing: Failing, option: str
) -> None:
    async with open_calls(new_mongo):
        pass
    database.drop_index(new_mongo, "CallSession", "CallSession_history")
    async with open_calls(f"{new_mongo}?{option}=300", check_schema=False) as calls:
        with failing("createIndexes", blockConnection=True, blockTimeMS=1000):
            report = await calls.schema.up()
    assert [each.index for each in report.built] == ["CallSession_history"]


@pytest.mark.parametrize("how", [DONE_BUT_NOT_SAID, CUT_OFF, ABORTED])
async def test_captions_whose_commit_had_no_answer(
    empty_mongo: str, failing: Failing, how: Document
) -> None:
    async with open_calls(empty_mongo) as calls:
        call = await calls.start(ROOM, ANN)
        said: Document = {"segment_id": "1", "language": "en"}
        with failing("commitTransaction", 2, **how):
            first = await calls.captions.add(call.id, ANN, text="one", **said)
        with failing("commitTransaction", 2, **how):
            second = await calls.captions.add(call.id, ANN, text="two", revision=1, **said)
        assert (second.id, second.text) == (first.id, "two")
        with failing("commitTransaction", 2, **how):
            await calls.captions.translate(first.id, "fr", "deux")
        (kept,) = (await calls.captions.list(call.id)).items
        assert (kept.text, kept.translations) == ("two", {"fr": "deux"})
        with failing("commitTransaction", 2, **how):
            await calls.captions.delete(first.id)
        assert (await calls.captions.list(call.id)).items == []


@pytest.mark.parametrize("how", [DONE_BUT_NOT_SAID, CUT_OFF, ABORTED], ids=["done", "cut", "no"])
async def test_acts_whose_commit_had_no_answer_are_written_down_once(
    calls: Calls, failing: Failing, how: Document
) -> None:
    with failing("commitTransaction", 2, **how):
        await at_once(calls.audit.record("hold.place", by=str(n)) for n in range(5))
    page = await calls.audit.list()
    assert sorted(str(entry.by) for entry in page.items) == ["0", "1", "2", "3", "4"]
    assert (await calls.audit.verify()).ok


async def test_what_is_of_a_call_that_goes_is_not_looked_for(calls: Calls) -> None:
    """A caption that comes in the same group: it is gone in any case."""
    call = await calls.start(ROOM, ANN)
    (caption,) = said_and_recorded(call)["CallTranscription"]
    goes = Erased(erasure_id=chosen_id(1), call=call, at=call.created_at)
    for before in (None, replace(caption, text="before")):
        marker = batches._marker(Changed(captions=[(before, caption)], erased=[goes]))
        assert marker is not None
        assert (marker.collection, marker.matching, marker.others) == ("CallSession", None, ())


async def test_where_others_are_in_the_way_of_a_migration(calls: Calls, failing: Failing) -> None:
    with failing("listCollections", **CONFLICT), pytest.raises(errors.Busy):
        await calls.schema.plan()
