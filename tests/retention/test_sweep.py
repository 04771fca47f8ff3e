"""A sweep does what it can, whatever one call may be like."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from callstore import User, open_calls
from callstore.testing import FakeClock, fake_ids

IDS = fake_ids(12)
ADA, BEN = User(IDS()), User(IDS())


async def test_a_call_that_cannot_be_swept_does_not_keep_the_sweep_from_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url, clock = f"sqlite:///{tmp_path}/calls.db", FakeClock()
    async with open_calls(url, clock=clock) as calls:
        broken = await calls.start(IDS(), ADA, invite=[BEN])
        sound = await calls.start(IDS(), ADA, invite=[BEN])
    with sqlite3.connect(tmp_path / "calls.db") as db:
        change = "UPDATE CallParticipant SET stints = '[]' WHERE callSessionId = ?"
        db.execute(change, (broken.id,))
    db.close()
    async with open_calls(url, clock=clock) as calls:
        clock.advance(61)
        report = await calls.sweep()
        assert (report.timed_out, report.failed) == (1, 1)
        assert (await calls.get(sound.id)).outcome == "missed"
        assert (await calls.get(broken.id)).live
        assert broken.id in caplog.text


async def test_two_sweeps_of_one_process_do_not_run_side_by_side() -> None:
    clock = FakeClock()
    async with open_calls("memory:", clock=clock) as calls:
        await calls.start(IDS(), ADA, invite=[BEN])
        clock.advance(61)
        first, second = await asyncio.gather(calls.sweep(), calls.sweep())
        assert (first.timed_out, second.timed_out) == (1, 0)


async def test_samples_that_came_during_an_analysis_bring_another() -> None:
    clock = FakeClock()
    report = [{"type": "inbound-rtp", "kind": "audio", "packetsReceived": 5}]
    async with open_calls("memory:", clock=clock) as calls:
        call = await calls.start(IDS(), ADA, invite=[BEN])
        await calls.join(call.id, BEN)
        for _ in range(3):
            await calls.quality.report(call.id, BEN, report, at=clock.advance(1))
        await calls.end(call.id)
        made = await calls.quality.analyse(call.id)
        late = clock.advance(1)
        await calls.quality.report(call.id, BEN, report, at=late)
        # As if this analysis had been under way when the report came.
        seen = [s for s in await calls._store.samples(call.id) if s.at < late]
        await calls._store.save_analysis(made)
        await calls._store.mark_analysed(seen, late)
        assert await calls._store.unanalysed() == [call.id]
        assert (await calls.sweep()).analysed == 1
        assert (await calls.sweep()).analysed == 0
