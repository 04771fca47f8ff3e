"""The doctor finds what others broke, and mends what can be mended."""

import sqlite3
from pathlib import Path

import pytest

from callstore import User, open_calls
from callstore.retention.doctor import DoctorReport
from callstore.testing import FakeClock, fake_ids

IDS = fake_ids(11)
CONVERSATION, ADA, BEN = IDS(), User(IDS()), User(IDS())


async def broken(path: Path, *statements: str, fix: bool = False) -> DoctorReport:
    """Of one ended call, after somebody has run `statements` on the file."""
    url, clock = f"sqlite:///{path}/calls.db", FakeClock()
    async with open_calls(url, clock=clock) as calls:
        call = await calls.start(CONVERSATION, ADA, invite=[BEN])
        await calls.join(call.id, BEN)
        await calls.end(call.id)
    with sqlite3.connect(path / "calls.db") as db:
        for statement in statements:
            db.execute(statement)
    db.close()
    async with open_calls(url, clock=clock) as calls:
        report = await calls.doctor(fix=fix)
        return await calls.doctor() if fix else report


async def test_a_sound_database_has_no_findings(tmp_path: Path) -> None:
    report = await broken(tmp_path)
    assert (report.calls, report.findings, report.fixed) == (1, [], 0)


async def test_wrong_counts_are_found_and_mended(tmp_path: Path) -> None:
    report = await broken(tmp_path, "UPDATE CallSession SET joinedCount = 7")
    assert [(f.problem, f.collection) for f in report.findings] == [("counts", "CallSession")]
    assert "7" in report.findings[0].detail


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE CallSession SET peakParticipants = 9", "peakParticipants is 9"),
        ("UPDATE CallSession SET modeSwitchCount = 7", "modeSwitchCount is 7"),
        ("DELETE FROM CallLogEntry", "2 participants, but 0 log entries"),
    ],
)
async def test_what_else_disagrees_is_found(tmp_path: Path, statement: str, said: str) -> None:
    (finding,) = (await broken(tmp_path, statement)).findings
    assert finding.problem == "counts"
    assert said in finding.detail


async def test_mended_counts_are_right(tmp_path: Path) -> None:
    report = await broken(tmp_path, "UPDATE CallSession SET joinedCount = 7", fix=True)
    assert report.findings == []


async def test_counts_are_mended_with_the_peak_that_they_need(tmp_path: Path) -> None:
    clock = FakeClock()
    url = f"sqlite:///{tmp_path}/calls.db"
    async with open_calls(url, clock=clock) as calls:
        call = await calls.start(CONVERSATION, ADA, invite=[BEN])
        await calls.join(call.id, BEN)
    with sqlite3.connect(tmp_path / "calls.db") as db:
        db.execute("UPDATE CallSession SET liveCount = 0, joinedCount = 0, peakParticipants = 0")
    db.close()
    async with open_calls(url, clock=clock) as calls:
        assert (await calls.doctor(fix=True)).fixed >= 1
        mended = await calls.get(call.id)
        assert (mended.live_count, mended.joined_count, mended.peak_participants) == (2, 2, 2)
        assert (await calls.doctor()).findings == []


async def test_a_missing_event_is_found_and_cannot_be_mended(tmp_path: Path) -> None:
    report = await broken(tmp_path, "DELETE FROM CallEvent WHERE seq = 2", fix=True)
    assert [f.problem for f in report.findings] == ["seq_gap"]


async def test_rows_whose_call_is_gone_are_found_and_deleted(tmp_path: Path) -> None:
    gone = "PRAGMA foreign_keys = OFF", "DELETE FROM CallSession"
    found = await broken(tmp_path, *gone)
    assert {f.problem for f in found.findings} == {"orphan"}
    assert {f.collection for f in found.findings} == {
        "CallParticipant",
        "CallLogEntry",
        "CallEvent",
    }


async def test_orphans_are_mended(tmp_path: Path) -> None:
    gone = "PRAGMA foreign_keys = OFF", "DELETE FROM CallSession"
    assert (await broken(tmp_path, *gone, fix=True)).findings == []


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
