"""The doctor finds what others broke, and mends what can be mended."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from tests.stores import database

from callstore import Calls, User, open_calls
from callstore.retention.doctor import DoctorReport
from callstore.stores.mongo import examine as in_mongo
from callstore.stores.sqlite import examine as in_sqlite
from callstore.testing import FakeClock, fake_ids
from callstore.testing.contract.files import paths
from callstore.testing.contract.recordings import available

IDS = fake_ids(11)
CONVERSATION, ADA, BEN = IDS(), User(IDS()), User(IDS())

Damage = Callable[[str], None]


async def ended(calls: Calls, conversation: str = CONVERSATION) -> str:
    """The id of a call that has ended."""
    call = await calls.start(conversation, ADA, invite=[BEN])
    await calls.join(call.id, BEN)
    await calls.end(call.id)
    return call.id


async def broken(url: str, damage: Damage | None = None, *, fix: bool = False) -> DoctorReport:
    """Of one ended call, after somebody has done damage to the database."""
    clock = FakeClock()
    async with open_calls(url, clock=clock) as calls:
        await ended(calls)
    if damage is not None:
        damage(url)
    async with open_calls(url, clock=clock) as calls:
        report = await calls.doctor(fix=fix)
        return await calls.doctor() if fix else report


async def test_a_sound_database_has_no_findings(empty_url: str) -> None:
    report = await broken(empty_url)
    assert (report.calls, report.findings, report.fixed) == (1, [], 0)


def seven_joined(url: str) -> None:
    database.change(url, "CallSession", joinedCount=7)


async def test_wrong_counts_are_found(empty_url: str) -> None:
    report = await broken(empty_url, seven_joined)
    assert [(f.problem, f.collection) for f in report.findings] == [("counts", "CallSession")]
    assert "7" in report.findings[0].detail


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda url: database.change(url, "CallSession", peakParticipants=9),
            "peakParticipants is 9",
        ),
        (
            lambda url: database.change(url, "CallSession", modeSwitchCount=7),
            "modeSwitchCount is 7",
        ),
        (lambda url: database.delete(url, "CallLogEntry"), "2 participants, but 0 log entries"),
    ],
)
async def test_what_else_disagrees_is_found(empty_url: str, damage: Damage, said: str) -> None:
    (finding,) = (await broken(empty_url, damage)).findings
    assert finding.problem == "counts"
    assert said in finding.detail


async def test_mended_counts_are_right(empty_url: str) -> None:
    report = await broken(empty_url, seven_joined, fix=True)
    assert report.findings == []
    (call,) = database.rows(empty_url)["CallSession"]
    assert call["joinedCount"] == 2


async def test_counts_are_mended_with_the_peak_that_they_need(empty_url: str) -> None:
    clock = FakeClock()
    async with open_calls(empty_url, clock=clock) as calls:
        call = await calls.start(CONVERSATION, ADA, invite=[BEN])
        await calls.join(call.id, BEN)
    database.change(empty_url, "CallSession", liveCount=0, joinedCount=0, peakParticipants=0)
    async with open_calls(empty_url, clock=clock) as calls:
        assert (await calls.doctor(fix=True)).fixed >= 1
        mended = await calls.get(call.id)
        assert (mended.live_count, mended.joined_count, mended.peak_participants) == (2, 2, 2)
        assert (await calls.doctor()).findings == []


async def test_a_missing_event_is_found_and_cannot_be_mended(empty_url: str) -> None:
    report = await broken(empty_url, lambda url: database.delete(url, "CallEvent", seq=2), fix=True)
    assert [f.problem for f in report.findings] == ["seq_gap"]
    assert 2 not in {event["seq"] for event in database.rows(empty_url)["CallEvent"]}


OF_CALL = "CallParticipant", "CallLogEntry", "CallEvent"


def call_gone(url: str) -> None:
    database.delete(url, "CallSession", status="ended")


async def test_rows_whose_call_is_gone_are_found(empty_url: str) -> None:
    found = (await broken(empty_url, call_gone)).findings
    assert {f.problem for f in found} == {"orphan"}
    assert sorted(f.collection for f in found) == sorted(OF_CALL)
    assert set(database.rows(empty_url)) >= {*OF_CALL}


async def test_orphans_are_mended_and_no_other_row_goes(empty_url: str) -> None:
    clock = FakeClock()
    async with open_calls(empty_url, clock=clock) as calls:
        await calls.start(IDS(), ADA, invite=[BEN])
    kept = database.rows(empty_url)
    assert (await broken(empty_url, call_gone, fix=True)).findings == []
    assert database.rows(empty_url) == kept


async def test_the_file_of_an_orphan_goes_before_its_row(empty_url: str, tmp_path: Path) -> None:
    at, files = FakeClock(), f"file://{tmp_path}/files"
    async with open_calls(empty_url, clock=at, recordings=files) as calls:
        await calls.end((await available(calls)).call_session_id)
        assert len(await paths(calls)) == 1
        call_gone(empty_url)
    async with open_calls(empty_url, clock=at, recordings="file:///proc/nowhere") as calls:
        assert "CallRecording" in [f.collection for f in (await calls.doctor(fix=True)).findings]
        assert database.rows(empty_url)["CallRecording"]  # its file could not be reached
    async with open_calls(empty_url, clock=at, recordings=files) as calls:
        await calls.doctor(fix=True)
        assert await paths(calls) == []
        assert (await calls.doctor()).findings == []


@pytest.mark.parametrize("on", ["call_id", "conversation_id", "party"])
async def test_an_orphan_that_may_be_held_stays(empty_url: str, on: str) -> None:
    settings = {"secret": "of the tests"}
    async with open_calls(empty_url, clock=FakeClock(), settings=settings) as calls:
        call_id = await ended(calls)
        place: dict[str, Any] = {"call_id": call_id, "conversation_id": CONVERSATION, "party": ADA}
        hold = await calls.holds.place(**{on: place[on]}, reason="a lawsuit")
        call_gone(empty_url)
        report = await calls.doctor(fix=True)
        assert ({f.problem for f in report.findings}, report.fixed) == ({"orphan"}, 0)
        await calls.holds.release(hold.id)
        assert (await calls.doctor(fix=True)).fixed > 0


async def test_whoever_is_in_no_call_any_more_is_in_none(empty_mongo: str) -> None:
    async with open_calls(empty_mongo, clock=FakeClock()) as calls:
        call = await calls.start(CONVERSATION, ADA)
        later = await calls.start(IDS(), ADA)
        database.delete(empty_mongo, "CallSession", conversationId=ObjectId(later.conversation_id))
        current = await calls.current(ADA)
        assert current is not None
        assert current.id == call.id
        database.delete(empty_mongo, "CallSession", live=True)
        assert await calls.current(ADA) is None


async def test_orphans_are_found_once_each_however_many_rows_are_read_at_a_time(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On MongoDB a batch ends within the rows of a call."""
    monkeypatch.setattr(in_mongo, "_ROWS", 3)
    monkeypatch.setattr(in_sqlite, "_BATCH", 2)
    async with open_calls(empty_url, clock=FakeClock()) as calls:
        gone = {await ended(calls, IDS()) for _ in range(5)}
        call_gone(empty_url)
        findings = (await calls.doctor()).findings
        for name in OF_CALL:
            of_one = len(database.rows(empty_url)[name]) // 5
            assert [f.detail for f in findings if f.collection == name] == [
                f"{of_one} rows whose call is gone"
            ] * 5
            assert {f.id for f in findings if f.collection == name} == gone
        assert (await calls.doctor(fix=True)).fixed == 15
        left = database.rows(empty_url)
        assert [left.get(name, []) for name in OF_CALL] == [[], [], []]


def without(url: str, collection: str, *fields: str) -> None:
    """Takes the fields out of every row, as whoever had switched the validator off."""
    with database.mongo_database(url) as db:
        db.command({"collMod": collection, "validationLevel": "off"})
        db[collection].update_many({}, {"$unset": dict.fromkeys(fields, "")})
        db.command({"collMod": collection, "validationLevel": "strict"})


@pytest.mark.parametrize("rows_at_a_time", [1, 20_000])
async def test_missing_nulls_are_found_and_written(
    empty_mongo: str, monkeypatch: pytest.MonkeyPatch, rows_at_a_time: int
) -> None:
    monkeypatch.setattr(in_mongo, "_ROWS", rows_at_a_time)
    async with open_calls(empty_mongo, clock=FakeClock()) as calls:
        await ended(calls)
        before = database.rows(empty_mongo)
        assert (await calls.doctor()).findings == []
        without(empty_mongo, "CallParticipant", "anonymizedAt", "deviceInfo")
        without(empty_mongo, "CallLogEntry", "hiddenAt")
        findings = (await calls.doctor()).findings
        assert sorted((f.problem, f.collection, f.detail) for f in findings) == [
            *[("missing_nulls", "CallLogEntry", "lacks hiddenAt")] * 2,
            *[("missing_nulls", "CallParticipant", "lacks deviceInfo, anonymizedAt")] * 2,
        ]
        ids = {str(row["_id"]) for n in ("CallLogEntry", "CallParticipant") for row in before[n]}
        assert {f.id for f in findings} == ids
        assert (await calls.doctor(fix=True)).fixed == 4
        assert (await calls.doctor()).findings == []
    assert database.rows(empty_mongo) == before


async def test_a_row_that_lacks_a_null_has_it_before_anything_else_of_it_is_mended(
    empty_mongo: str,
) -> None:
    def damage(url: str) -> None:
        seven_joined(url)
        without(url, "CallSession", "routerId")

    assert (await broken(empty_mongo, damage, fix=True)).findings == []


async def test_what_older_code_may_leave_out_is_no_finding(empty_mongo: str) -> None:
    report = await broken(empty_mongo, lambda url: without(url, "CallSession", "horizons"))
    assert report.findings == []


async def test_what_must_not_be_null_is_not_made_up(empty_mongo: str) -> None:
    def damage(url: str) -> None:
        without(url, "CallParticipant", "deviceInfo", "role")

    report = await broken(empty_mongo, damage, fix=True)
    assert [f.problem for f in report.findings] == ["missing_nulls"] * 2


async def test_an_overdue_live_call_is_found_and_ended(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_calls(f"sqlite:///{tmp_path}/calls.db", clock=clock) as calls:
        call = await calls.start(CONVERSATION, ADA, invite=[BEN], ring_seconds=30)
        assert (await calls.doctor()).findings == []
        clock.advance(seconds=31)
        assert [f.problem for f in (await calls.doctor()).findings] == ["overdue"]
        assert (await calls.doctor(fix=True)).fixed == 1
        assert (await calls.get(call.id)).outcome == "missed"
        assert (await calls.doctor()).findings == []


async def test_a_silent_party_is_overdue_but_not_lost_before_somebody_watched(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with open_calls(f"sqlite:///{tmp_path}/calls.db", clock=clock) as calls:
        call = await calls.start(CONVERSATION, ADA)
        clock.advance(seconds=121)
        report = await calls.doctor(fix=True)
        assert [f.problem for f in report.findings] == ["overdue"]
        assert report.fixed == 0
        assert (await calls.get(call.id)).live
