"""Clocks that step back, leap, stand in the future, or are finer than what is kept."""

from datetime import datetime, timedelta

import pytest

from callstore import Calls
from callstore.stores.leases import take
from callstore.testing.clock import FakeClock
from callstore.testing.contract.world import ANN, BOB, CAT, ROOM, Opening, answered, row_of


class TestClock:
    async def test_event_times_never_fall_when_it_steps_back(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(-30)
        joined = await calls.join(call.id, BOB)
        assert joined.call.started_at == joined.participant.joined_at == call.created_at
        clock.advance(-3600)
        gone = await calls.end(call.id)
        assert (gone.ended_at, gone.duration) == (call.created_at, 0)
        assert len({event.at for event in await calls.timeline(call.id)}) == 1

    async def test_a_leap_while_a_command_is_decided_loses_no_beat(
        self, opening: Opening, clock: FakeClock
    ) -> None:
        leap = 0

        def leaping() -> datetime:
            nonlocal leap
            now = clock()
            clock.advance(leap)
            leap = 0
            return now

        async with opening(clock=leaping) as calls:
            call = await answered(calls, BOB, CAT)
            clock.advance(60)
            await calls.heartbeat(call.id, BOB)
            await calls.leave(call.id, BOB)
            await calls.join(call.id, BOB)
            leap = 60
            await calls.heartbeat(call.id, BOB)
            seen = clock()
            await calls.end(call.id, by=ANN)
            assert leap == 0
            assert (await row_of(calls, call.id, BOB)).last_seen_at == seen

    @pytest.mark.parametrize("back", [-16, -30, -60])
    async def test_a_step_back_behind_a_beat_refuses_nobody(
        self, calls: Calls, clock: FakeClock, back: float
    ) -> None:
        call = await answered(calls, BOB, CAT)
        clock.advance(31)
        await calls.set_media(call.id, BOB, audio=False)
        clock.advance(back)
        await calls.heartbeat(call.id, BOB)
        await calls.set_media(call.id, BOB, audio=True)
        assert (await row_of(calls, call.id, BOB)).audio_enabled

    async def test_what_is_finer_than_a_millisecond_is_cut(
        self, opening: Opening, clock: FakeClock
    ) -> None:
        late = timedelta(microseconds=999)
        async with opening(clock=lambda: clock() + late) as calls:
            call = await calls.start(ROOM, ANN, invite=[BOB])
            assert call.created_at == clock()
            assert (await calls.get(call.id)).created_at == clock()

    async def test_a_sweep_as_of_the_past_changes_nothing(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        report = await calls.sweep(now=clock() - timedelta(days=365))
        assert (report.timed_out, report.lost, report.switched) == (0, 0, 0)
        assert (await calls.get(call.id)).version == call.version

    async def test_a_sweep_as_of_the_future_does_not_keep_later_ones_from_seeing_who_is_lost(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        await calls.sweep(now=clock() + timedelta(days=1))
        await answered(calls)
        await calls.sweep()
        clock.advance(120)
        assert (await calls.sweep()).lost == 2

    async def test_a_sweeper_that_died_with_its_clock_ahead_is_followed(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        await calls.start(ROOM, ANN, invite=[BOB])
        tomorrow = clock() + timedelta(days=1)
        await calls._store.change_lease("sweep", take("sweep", "dead", tomorrow))
        clock.advance(61)
        assert (await calls.sweep()).timed_out == 1
