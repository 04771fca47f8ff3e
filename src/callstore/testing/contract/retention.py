"""Rows say when they go, and go then: none before, no call before what is of it."""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from callstore import Calls, Settings, errors, open_calls
from callstore.testing.clock import FakeClock
from callstore.testing.contract.captions import say
from callstore.testing.contract.files import content, paths
from callstore.testing.contract.quality import report_at
from callstore.testing.contract.recordings import available, stopped
from callstore.testing.contract.world import ANN, BOB, ROOM, Opening, answered, told

DAY = 86_400
CHILDREN = (
    "CallParticipant",
    "CallPulse",
    "CallLogEntry",
    "CallEvent",
    "CallQualitySample",
    "CallAnalytics",
    "CallTranscription",
    "CallRecording",
)


async def rows(calls: Calls, collection: str) -> list[Any]:
    found, _ = await calls._store.rows(collection, None, 10_000)
    return found


async def counts(calls: Calls) -> dict[str, int]:
    names = ("CallSession", *CHILDREN)
    found = {name: len(await rows(calls, name)) for name in names}
    return {name: count for name, count in found.items() if count}


async def past(calls: Calls, clock: FakeClock) -> datetime:
    """A call with a caption, a sample and what comes of them has ended; gives when."""
    call = await answered(calls)
    await say(calls, call.id, BOB, "hello")
    await calls.quality.report(call.id, ANN, report_at(clock(), 5))
    clock.advance(40)
    await calls.heartbeat(call.id, BOB)
    ended = await calls.end(call.id)
    clock.advance(360)
    await calls.sweep()
    assert ended.ended_at is not None
    return ended.ended_at


class TestStamps:
    async def test_every_row_of_an_ended_call_says_when_it_goes(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        begun = clock()
        ended = await past(calls, clock)
        quarter = ended + timedelta(days=90)
        for name in ("CallSession", "CallParticipant", "CallPulse", "CallLogEntry", "CallEvent"):
            assert {row.expires_at for row in await rows(calls, name)} == {quarter}, name
        assert {row.expires_at for row in await rows(calls, "CallAnalytics")} == {quarter}
        (caption,) = await rows(calls, "CallTranscription")
        assert caption.expires_at == begun + timedelta(days=30)
        (sample,) = await rows(calls, "CallQualitySample")
        assert sample.expires_at == ended + timedelta(days=7)

    async def test_nothing_of_a_live_call_does_nor_of_one_just_ended(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        await say(calls, call.id, BOB, "hello")
        clock.advance(200 * DAY)
        await calls.sweep()
        assert {row.expires_at for row in await rows(calls, "CallEvent")} == {None}
        await calls.end(call.id)
        clock.advance(359.999)
        await calls.sweep()
        assert (await calls.retention.plan()).unstamped == 1
        assert {row.expires_at for row in await rows(calls, "CallTranscription")} == {None}
        assert (await calls.retention.plan()).rows == {}
        clock.advance(0.001)
        await calls.sweep()
        assert None not in {row.expires_at for row in await rows(calls, "CallTranscription")}
        assert (await calls.retention.plan()).unstamped == 0

    async def test_a_call_stays_for_what_stays_longer(
        self, opening: Opening, clock: FakeClock
    ) -> None:
        longer = {"keep_captions_days": 200, "keep_samples_days": 150}
        async with opening(settings=longer) as calls:
            begun = clock()
            ended = await past(calls, clock)
            (call,) = await rows(calls, "CallSession")
            assert call.expires_at == begun + timedelta(days=200)
            for name in ("CallParticipant", "CallEvent", "CallLogEntry"):  # each by its own date
                assert {row.expires_at for row in await rows(calls, name)} == {call.expires_at}
            assert ended < call.expires_at

    async def test_another_horizon_stamps_anew(self, opening: Opening, clock: FakeClock) -> None:
        async with opening() as calls:
            ended = await past(calls, clock)
            version = (await rows(calls, "CallSession"))[0].version
            stamped = await counts(calls)
            shorter = Settings(keep_calls_days=40, keep_captions_days=3)
            calls.retention._horizons = shorter.horizons
            await calls.sweep()
            assert await counts(calls) == stamped
            for name in ("CallSession", "CallEvent", "CallLogEntry"):
                found = {row.expires_at for row in await rows(calls, name)}
                assert found == {ended + timedelta(days=40)}
            assert (await rows(calls, "CallSession"))[0].version == version


class TestRetention:
    async def test_each_class_goes_in_its_time(self, calls: Calls, clock: FakeClock) -> None:
        ended = await past(calls, clock)
        before = await counts(calls)
        gone = {
            7: {"CallQualitySample": 1},
            30: {"CallTranscription": 1},
            90: {
                name: count
                for name, count in before.items()
                if name not in ("CallQualitySample", "CallTranscription")
            },
        }
        for day, expected in gone.items():
            at = ended + timedelta(days=day)
            clock.set(at - timedelta(seconds=41, milliseconds=1))
            assert (await calls.retention.run(by="cron")).rows == {}
            clock.set(at)
            planned = await calls.retention.plan()
            report = await calls.retention.run(by="cron")
            assert report == planned
            assert (report.now, report.rows, report.files) == (at, expected, 0)
        assert await counts(calls) == {}

    async def test_calls_that_nobody_answered_go_as_well(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        missed = await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(60)
        await calls.sweep()
        failed = await calls.start(ROOM, ANN, invite=[BOB])
        await calls.end(failed.id, reason="error")
        live = await answered(calls)
        clock.advance(91 * DAY)
        report = await calls.retention.run()
        assert report.rows["CallSession"] == 2
        for id in (missed.id, failed.id):
            with pytest.raises(errors.NotFound):
                await calls.get(id)
        assert (await calls.get(live.id)).live
        assert len((await calls.log(BOB)).items) == 1

    async def test_a_file_goes_before_its_call_and_the_call_at_the_next_run(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        row = await available(calls)
        ended = await calls.end(row.call_session_id)
        clock.advance(360)
        await calls.sweep()
        stamped = await calls.recordings.get(row.id)
        assert stamped.expires_at == row.stopped_at + timedelta(days=30)  # type: ignore[operator]
        clock.advance(30 * DAY)
        planned = await calls.retention.plan()
        assert (planned.rows, planned.files) == ({}, 1)
        assert await calls.retention.run(planned) == planned
        assert await paths(calls) == []
        assert (await calls.recordings.get(row.id)).status == "deleted"
        assert (await told(calls, ended.id))[-1] == "recording.deleted"
        await calls.sweep()
        assert None not in {row.expires_at for row in await rows(calls, "CallEvent")}
        clock.advance(60 * DAY)
        report = await calls.retention.run()
        assert (report.rows["CallSession"], report.rows["CallRecording"]) == (1, 1)
        assert await counts(calls) == {}

    async def test_a_call_with_a_file_stays_though_its_time_is_over(
        self, opening: Opening, clock: FakeClock
    ) -> None:
        async with opening(settings={"keep_recordings_days": 365}) as calls:
            row = await available(calls)
            await calls.end(row.call_session_id)
            clock.advance(364 * DAY)
            await calls.sweep()
            assert (await calls.retention.run()).rows == {}
            assert await content(calls, row.id)
            clock.advance(2 * DAY)
            assert (await calls.retention.run()).files == 1
            assert (await calls.retention.run()).rows["CallSession"] == 1
            assert await counts(calls) == {}

    async def test_what_was_stamped_by_other_horizons_is_stamped_before_anything_goes(
        self, opening: Opening, clock: FakeClock
    ) -> None:
        async with opening() as calls:
            await past(calls, clock)
            before = await counts(calls)
            longer = Settings(keep_calls_days=400, keep_captions_days=400, keep_samples_days=400)
            calls.retention._horizons = longer.horizons
            clock.advance(100 * DAY)
            assert (await calls.retention.plan()).unstamped == 1
            assert (await calls.retention.run()).rows == {}
            assert await counts(calls) == before
            clock.advance(300 * DAY)
            assert (await calls.retention.run()).rows == before

    async def test_a_plan_can_be_run_later(self, calls: Calls, clock: FakeClock) -> None:
        ended = await past(calls, clock)
        planned = await calls.retention.plan(now=ended + timedelta(days=8))
        assert planned.rows == {"CallQualitySample": 1}
        with pytest.raises(errors.Invalid, match="/plan/now: has not come yet"):
            await calls.retention.run(planned)
        clock.advance(100 * DAY)
        assert await calls.retention.run(planned) == planned
        with pytest.raises(errors.Invalid, match="/plan"):
            await calls.retention.run({"rows": {}})  # type: ignore[arg-type]
        with pytest.raises(errors.Invalid, match="/now"):
            await calls.retention.plan(now="tomorrow")  # type: ignore[arg-type]

    async def test_what_a_hold_keeps_is_told(self, calls: Calls, clock: FakeClock) -> None:
        await past(calls, clock)
        (call,) = await rows(calls, "CallSession")
        hold = await calls.holds.place(call_id=call.id, reason="a")
        clock.advance(89 * DAY)
        await calls.sweep()
        assert (await calls.retention.plan()).held == 0
        clock.advance(2 * DAY)
        planned = await calls.retention.plan()
        assert (planned.held, planned.rows.get("CallSession", 0)) == (1, 0)
        assert await calls.retention.run(planned) == planned
        await calls.holds.release(hold.id)
        await calls.sweep()
        assert (await calls.retention.plan()).held == 0

    async def test_what_it_does_is_measured(self, opening: Opening, clock: FakeClock) -> None:
        told: dict[tuple[str, str], float] = {}

        def tell(name: str, value: float, labels: Mapping[str, str]) -> None:
            key = name, ",".join(labels.values())
            told[key] = told.get(key, 0) + value
            raise ValueError("a bad day")

        async with opening(metrics=tell) as calls:
            await past(calls, clock)
            assert told["callstore_sweep_total", "analysed"] == 1
            assert told["callstore_sweep_seconds", ""] > 0
            clock.advance(91 * DAY)
            report = await calls.retention.run()
        for name, count in report.rows.items():
            assert told["callstore_retention_rows_total", name] == count
        assert told["callstore_retention_files_total", ""] == 0
        assert told["callstore_retention_seconds", ""] > 0

    async def test_of_two_runs_at_once_one_works(self, calls: Calls, clock: FakeClock) -> None:
        for _ in range(30):
            await calls.end((await answered(calls)).id)
        clock.advance(91 * DAY)
        reports = await asyncio.gather(*(calls.retention.run() for _ in range(4)))
        assert sorted(report.rows.get("CallSession", 0) for report in reports) == [0, 0, 0, 30]

    async def test_what_goes_on_meanwhile_is_not_touched(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        for _ in range(20):
            await calls.end((await answered(calls)).id)
        clock.advance(91 * DAY)
        call = await answered(calls)
        told_rows: list[int] = []
        running = asyncio.create_task(calls.retention.run(progress=told_rows.append))
        for n in range(50):
            await calls.set_media(call.id, (ANN, BOB)[n % 2], audio=n % 4 < 2)
        report = await running
        assert sum(told_rows) == sum(report.rows.values())
        assert (await calls.get(call.id)).live_count == 2
        assert len((await calls.history(ROOM)).items) == 1

    async def test_while_anyone_is_in_a_call_less_goes_at_once(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        alone: list[int] = []
        beside: list[int] = []
        for told_rows in (alone, beside):
            for _ in range(30):
                await calls.end((await answered(calls)).id)
            clock.advance(91 * DAY)
            if told_rows is beside:
                await answered(calls)
            await calls.retention.run(progress=told_rows.append)
        assert sum(alone) == sum(beside)
        assert max(alone) > 2 * max(beside)
        assert len((await calls.history(ROOM)).items) == 1

    async def test_a_store_that_is_away_for_a_moment_ends_no_run(
        self, calls: Calls, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor where it is asked whether anyone is in a call: then it goes gently."""
        for _ in range(12):
            await calls.end((await answered(calls)).id)
        clock.advance(91 * DAY)
        asked = []

        async def away() -> bool:
            asked.append(1)
            raise errors.Busy("others keep the file")

        monkeypatch.setattr(calls._store, "anyone_live", away)
        told_rows: list[int] = []
        report = await calls.retention.run(progress=told_rows.append)
        assert report.rows["CallSession"] == 12
        assert len(asked) > 3
        assert len(told_rows) == 3

    @pytest.mark.parametrize("seed", [1, 2])
    async def test_a_year_of_runs_takes_each_row_on_its_day_as_planned(
        self, fresh_store: Callable[[], str], clock: FakeClock, seed: int
    ) -> None:
        dice = random.Random(seed)
        async with open_calls(fresh_store(), clock=clock, recordings="memory:") as calls:
            await calls.seed(60, seed=seed, until=clock())
            call = await answered(calls)
            await stopped(calls, call)
            for days in (*(dice.randint(1, 40) for _ in range(12)), 365):
                clock.advance(days * DAY)
                await calls.sweep()
                planned = await calls.retention.plan()
                before = await counts(calls)
                report = await calls.retention.run()
                assert report == planned
                after = await counts(calls)
                for name, count in before.items():
                    assert count - after.get(name, 0) == report.rows.get(name, 0), name
                await check_times(calls, clock())
                assert {found.problem for found in (await calls.doctor()).findings} <= {"overdue"}
            assert [left.id for left in await rows(calls, "CallSession")] in ([], [call.id])


async def check_times(calls: Calls, now: datetime) -> None:
    """What is left is not over, and no child goes after its call."""
    sessions = {row.id: row for row in await rows(calls, "CallSession")}
    for name in CHILDREN:
        for row in await rows(calls, name):
            call = sessions[row.call_session_id]
            assert row.expires_at is None or row.expires_at > now
            if call.expires_at is not None and row.expires_at is not None:
                assert row.expires_at <= call.expires_at
