"""Reports in, an analysis out: what of it is the store's. Scoring has tests of its own."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from callstore import Calls, Party, errors
from callstore.testing.clock import FakeClock
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    EVE,
    NOBODY_KNOWS,
    ROOM,
    answered,
    row_of,
)


def report_at(now: datetime, packets: int, lost: int = 0) -> list[dict[str, Any]]:
    """A getStats() report of one audio stream, as a browser gives it."""
    return [
        {
            "id": "IT01A",
            "type": "inbound-rtp",
            "kind": "audio",
            "timestamp": now.timestamp() * 1000,
            "ssrc": 1,
            "packetsReceived": packets,
            "packetsLost": lost,
            "bytesReceived": packets * 100,
            "jitter": 0.005,
        }
    ]


async def talk(
    calls: Calls, clock: FakeClock, id: str, *, reports: int = 13, parties: Any = (ANN, BOB)
) -> None:
    """A report of each party every five seconds."""
    for n in range(1, reports + 1):
        clock.advance(5)
        for party in parties:
            await calls.quality.report(id, party, report_at(clock(), 250 * n))


class TestReports:
    async def test_they_may_come_as_json_or_decoded(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls)
        report = report_at(clock(), 10)
        for form in (report, json.dumps(report), json.dumps(report).encode()):
            assert await calls.quality.report(call.id, BOB, form) == []

    async def test_they_move_neither_version_nor_events(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        await talk(calls, clock, call.id)
        after = await calls.get(call.id)
        assert (after.version, after.event_count, after.updated_at) == (
            call.version,
            call.event_count,
            call.updated_at,
        )

    async def test_they_fill_the_participants_metrics(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls)
        await calls.quality.report(call.id, BOB, report_at(clock(), 0))
        clock.advance(10)
        await calls.quality.report(call.id, BOB, report_at(clock(), 400, lost=100))
        metrics = (await row_of(calls, call.id, BOB)).quality_metrics
        assert metrics is not None
        assert metrics.packet_loss == pytest.approx(20)

    async def test_they_are_signs_of_life(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls, BOB, CAT)
        for _ in range(4):
            await calls.sweep()
            clock.advance(60)
            for party in (ANN, BOB):
                await calls.quality.report(call.id, party, report_at(clock(), 10))
        assert (await row_of(calls, call.id, BOB)).live
        assert not (await row_of(calls, call.id, CAT)).live

    @pytest.mark.parametrize("seconds", [0, 300])
    async def test_they_are_taken_until_five_minutes_after_the_end(
        self, calls: Calls, clock: FakeClock, seconds: int
    ) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.leave(call.id, CAT)
        await calls.end(call.id)
        before = await calls.get(call.id)
        clock.advance(seconds)
        for party in (BOB, CAT):
            await calls.quality.report(call.id, party, report_at(clock(), 10))
        assert await calls.get(call.id) == before

    async def test_later_the_call_has_ended(self, calls: Calls, clock: FakeClock) -> None:
        call = await calls.end((await answered(calls)).id)
        clock.advance(300.001)
        with pytest.raises(errors.CallEnded):
            await calls.quality.report(call.id, BOB, report_at(clock(), 10))

    @pytest.mark.parametrize("party", [EVE, CAT])
    async def test_who_was_never_in_it_cannot_report(
        self, calls: Calls, clock: FakeClock, party: Party
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        with pytest.raises(errors.InvalidTransition):
            await calls.quality.report(call.id, party, report_at(clock(), 10))

    async def test_an_unknown_call_is_not_found(self, calls: Calls, clock: FakeClock) -> None:
        with pytest.raises(errors.NotFound):
            await calls.quality.report(NOBODY_KNOWS, ANN, report_at(clock(), 10))

    @pytest.mark.parametrize(
        "report", [b"\xff", "{", "{}", 7, None, [1], [{"packetsLost": 1}], object()]
    )
    async def test_what_is_no_report_is_invalid(self, calls: Calls, report: Any) -> None:
        call = await answered(calls)
        with pytest.raises(errors.Invalid) as refusal:
            await calls.quality.report(call.id, BOB, report)
        assert refusal.value.errors[0][0].startswith("/report")

    @pytest.mark.parametrize("minutes", [-5.1, 5.1])
    async def test_a_clock_that_is_far_off_is_invalid(
        self, calls: Calls, clock: FakeClock, minutes: float
    ) -> None:
        call = await answered(calls)
        off = clock() + timedelta(minutes=minutes)
        with pytest.raises(errors.Invalid):
            await calls.quality.report(call.id, BOB, report_at(off, 10))


class TestAnalysis:
    async def test_it_is_made_from_the_samples_and_kept(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        await talk(calls, clock, call.id)
        await calls.end(call.id)
        made = await calls.quality.analyse(call.id)
        assert made.call_session_id == call.id
        assert {m.participant_id for m in made.participant_metrics} == {
            row.id for row in (await calls.get(call.id)).participants or []
        }
        assert made.quality_score is not None
        assert made.quality_score > 90
        assert await calls.quality.get(call.id) == made

    async def test_the_same_samples_give_the_same_again(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        await talk(calls, clock, call.id)
        await calls.end(call.id)
        first, second = [await calls.quality.analyse(call.id) for _ in range(2)]
        assert second.windows == first.windows
        assert second.participant_metrics == first.participant_metrics
        assert await calls.quality.get(call.id) == second

    async def test_before_there_is_one_it_is_not_found(self, calls: Calls) -> None:
        call = await answered(calls)
        with pytest.raises(errors.NotFound):
            await calls.quality.get(call.id)

    async def test_a_sweep_analyses_ended_calls_with_samples_once(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        await talk(calls, clock, call.id)
        assert (await calls.sweep()).analysed == 0
        await calls.end(call.id)
        assert (await calls.sweep()).analysed == 1
        assert (await calls.sweep()).analysed == 0
        assert (await calls.quality.get(call.id)).call_session_id == call.id

    async def test_a_late_report_has_it_analysed_again(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        await talk(calls, clock, call.id)
        await calls.end(call.id)
        await calls.sweep()
        clock.advance(1)
        await calls.quality.report(call.id, BOB, report_at(clock(), 5000))
        assert (await calls.sweep()).analysed == 1

    async def test_a_call_without_samples_has_no_score(self, calls: Calls) -> None:
        call = await calls.end((await answered(calls)).id)
        assert (await calls.sweep()).analysed == 0
        assert (await calls.quality.analyse(call.id)).quality_score is None
