"""What time does: rings that run out, parties that are lost, modes that switch back."""

from datetime import timedelta

import pytest

from callstore import Calls, errors
from callstore.testing.clock import FakeClock
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    DAN,
    HALL,
    ROOM,
    Opening,
    answered,
    entry_of,
    row_of,
    told,
    unchanged,
)


class TestRingDeadline:
    async def test_a_call_that_nobody_answers_is_missed(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(60)
        assert (await calls.sweep()).timed_out == 1
        gone = await calls.get(call.id)
        assert (gone.end_reason, gone.outcome, gone.status) == ("timeout", "missed", "ended")
        assert (gone.ended_at, gone.ended_by, gone.duration) == (clock(), None, 0)
        assert [(await entry_of(calls, p)).response for p in (ANN, BOB)] == ["missed"] * 2

    async def test_a_moment_before_it_is_not(self, calls: Calls, clock: FakeClock) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(59.999)
        assert (await calls.sweep()).timed_out == 0
        await unchanged(calls, call, calls.expire(call.id))

    async def test_an_answer_that_comes_before_the_sweep_counts(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(300)
        assert (await calls.join(call.id, BOB)).call.status == "active"

    async def test_expire_does_to_one_call_what_a_sweep_does(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        other = await calls.start(HALL, ANN, invite=[BOB])
        clock.advance(60)
        assert (await calls.expire(call.id)).end_reason == "timeout"
        assert (await calls.get(other.id)).live

    async def test_in_an_answered_call_the_ringing_stops(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.join(call.id, BOB)
        clock.advance(60)
        assert (await calls.sweep()).expired_rings == 1
        after = await calls.get(call.id)
        assert (after.live, after.ring_deadline) == (True, None)
        assert (await entry_of(calls, CAT)).response == "missed"
        assert (await told(calls, call.id))[-1] == "ring.expired"
        assert (await calls.sweep()).expired_rings == 0

    async def test_who_missed_the_ring_may_still_join(self, calls: Calls, clock: FakeClock) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.join(call.id, BOB)
        clock.advance(60)
        await calls.expire(call.id)
        await calls.join(call.id, CAT)
        assert (await entry_of(calls, CAT)).response == "accepted"

    async def test_where_everyone_has_answered_nothing_is_told(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        clock.advance(60)
        assert (await calls.sweep()).expired_rings == 0
        after = await calls.get(call.id)
        assert (after.ring_deadline, after.event_count) == (None, call.event_count)

    async def test_a_sweep_as_of_a_later_time_decides_as_of_then(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        then = clock() + timedelta(seconds=90)
        assert (await calls.sweep(now=then)).timed_out == 1
        assert (await calls.get(call.id)).ended_at == then


class TestLost:
    async def test_who_is_silent_is_lost(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.sweep()
        clock.advance(60)
        await calls.sweep()
        seen = clock()
        for party in (ANN, CAT):
            await calls.heartbeat(call.id, party)
        clock.advance(60)
        assert (await calls.sweep()).lost == 1
        row = await row_of(calls, call.id, BOB)
        assert (row.status, row.stints[0].reason) == ("disconnected", "lost")
        assert (row.left_at, row.last_seen_at) == (clock(), row.joined_at)
        assert (await row_of(calls, call.id, ANN)).live
        assert seen < clock()

    async def test_when_all_are_lost_the_call_ended_at_the_last_sign_of_life(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        await calls.sweep()
        clock.advance(40)
        await calls.heartbeat(call.id, BOB)
        seen = clock()
        clock.advance(60)
        await calls.sweep()
        clock.advance(60)
        assert (await calls.sweep()).lost == 2
        gone = await calls.get(call.id)
        assert (gone.ended_at, gone.end_reason, gone.ended_by) == (seen, "lost", None)
        assert (gone.status, gone.duration) == ("ended", 40)
        assert {row.left_at for row in gone.participants or []} == {seen}
        assert gone.updated_at == clock()
        last = (await calls.timeline(call.id))[-3:]
        assert [event.type for event in last] == ["participant.lost"] * 2 + ["call.ended"]
        assert {event.at for event in last} == {seen}

    async def test_an_unanswered_call_whose_initiator_is_lost_has_failed(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB], ring_seconds=3600)
        await calls.sweep()
        clock.advance(120)
        await calls.sweep()
        gone = await calls.get(call.id)
        assert (gone.end_reason, gone.outcome) == ("lost", "failed")
        assert (await entry_of(calls, BOB)).response == "missed"

    async def test_of_two_who_stays_is_let_go_too(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls)
        await calls.sweep()
        clock.advance(100)
        await calls.heartbeat(call.id, ANN)
        await calls.sweep()
        clock.advance(20)
        assert (await calls.sweep()).lost == 1
        gone = await calls.get(call.id)
        assert (gone.end_reason, gone.ended_at) == ("lost", clock())
        assert (await row_of(calls, call.id, ANN)).stints[0].reason == "ended"

    async def test_a_rung_out_unanswered_call_is_missed_before_anyone_is_lost(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB], ring_seconds=120)
        await calls.sweep()
        clock.advance(120)
        report = await calls.sweep()
        assert (report.timed_out, report.lost) == (1, 0)
        assert (await calls.get(call.id)).end_reason == "timeout"

    @pytest.mark.parametrize("act", ["join", "set_media", "connected", "set_transports"])
    async def test_every_command_is_a_sign_of_life(
        self, calls: Calls, clock: FakeClock, act: str
    ) -> None:
        call = await answered(calls)
        await calls.sweep()
        clock.advance(100)
        for party in (ANN, BOB):
            await getattr(calls, act)(call.id, party)
        await calls.sweep()
        clock.advance(30)
        assert (await calls.sweep()).lost == 0

    async def test_a_rejoin_is_a_sign_of_life(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.sweep()
        clock.advance(40)
        await calls.heartbeat(call.id, BOB)
        clock.advance(60)
        await calls.leave(call.id, BOB)
        await calls.join(call.id, BOB)
        await calls.sweep()
        clock.advance(100)
        await calls.sweep()
        assert (await row_of(calls, call.id, BOB)).live
        assert not (await row_of(calls, call.id, CAT)).live

    async def test_a_beat_of_an_earlier_stint_says_nothing_of_a_later_one(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls, BOB, CAT)
        clock.advance(60)
        await calls.heartbeat(call.id, BOB)
        await calls.leave(call.id, BOB)
        back = clock.advance(1)
        await calls.join(call.id, BOB)
        for seconds in (14, 2, 13):
            clock.advance(seconds)
            await calls.heartbeat(call.id, BOB)
        await calls.end(call.id, by=ANN)
        row = await row_of(calls, call.id, BOB)
        assert (row.last_seen_at, row.left_at) == (back, clock())

    async def test_beats_within_half_a_minute_are_not_written(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.sweep()
        for seconds in (29, 40, 51):
            clock.advance(seconds)
            for party in (ANN, CAT):
                await calls.heartbeat(call.id, party)
            await calls.sweep()
        row = await row_of(calls, call.id, BOB)
        assert row.stints[0].reason == "lost"

    async def test_a_beat_moves_neither_version_nor_events(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        before = await calls.get(call.id)
        clock.advance(60)
        await calls.heartbeat(call.id, BOB)
        assert await calls.get(call.id) == before

    async def test_nobody_is_lost_before_somebody_has_watched_for_that_long(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        clock.advance(1000)
        for _ in range(2):
            assert (await calls.sweep()).lost == 0
            clock.advance(60)
        assert (await calls.sweep()).lost == 2
        assert not (await calls.get(call.id)).live

    async def test_watching_begins_anew_after_a_pause_of_more_than_two_minutes(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        await answered(calls)
        await calls.sweep()
        clock.advance(120.001)
        assert (await calls.sweep()).lost == 0
        clock.advance(119.999)
        assert (await calls.sweep()).lost == 0
        clock.advance(0.001)
        assert (await calls.sweep()).lost == 2

    async def test_expire_loses_nobody_where_nobody_sweeps(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls, BOB, CAT, ring_seconds=3600)
        clock.advance(1000)
        await unchanged(calls, call, calls.expire(call.id))

    async def test_liveness_zero_loses_nobody(self, opening: Opening, clock: FakeClock) -> None:
        async with opening(settings={"liveness_seconds": 0}) as calls:
            await answered(calls)
            for _ in range(10):
                clock.advance(60)
                assert (await calls.sweep()).lost == 0

    async def test_liveness_may_be_longer(self, opening: Opening, clock: FakeClock) -> None:
        async with opening(settings={"liveness_seconds": 600}) as calls:
            await answered(calls)
            lost = []
            for _ in range(7):
                lost.append((await calls.sweep()).lost)
                clock.advance(100)
            assert lost == [0, 0, 0, 0, 0, 0, 2]


class TestMode:
    async def test_the_third_seat_makes_it_an_sfu(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls, BOB, CAT)
        joined = await calls.join(call.id, DAN)
        assert joined.mode_switch is None
        assert (call.mode, call.mode_switch_count, call.mode_changed_at) == ("sfu", 1, clock())
        assert call.few_since is None
        switched = [e for e in await calls.timeline(call.id) if e.type == "mode.switched"]
        assert [e.data for e in switched] == [
            {"from": "p2p", "to": "sfu", "reason": "three_seated", "seated": 3}
        ]

    async def test_who_takes_the_third_seat_is_told(self, calls: Calls) -> None:
        call = await answered(calls, end_when="empty")
        joined = await calls.join(call.id, CAT)
        assert joined.mode_switch == ("p2p", "sfu")
        assert joined.call.mode == "sfu"

    async def test_an_early_joiner_is_no_third(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.join(call.id, CAT, answer=False)
        assert (await calls.join(call.id, BOB)).call.mode == "p2p"
        assert (await calls.connected(call.id, CAT)).mode == "sfu"

    async def test_ten_seconds_of_two_bring_it_back(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls, BOB, CAT)
        left = await calls.leave(call.id, CAT)
        assert (left.mode, left.few_since) == ("sfu", clock())
        clock.advance(9.999)
        assert (await calls.sweep()).switched == 0
        clock.advance(0.001)
        assert (await calls.sweep()).switched == 1
        after = await calls.get(call.id)
        assert (after.mode, after.mode_switch_count, after.mode_changed_at) == ("p2p", 2, clock())

    async def test_a_command_that_changes_something_brings_it_back_too(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.leave(call.id, CAT)
        clock.advance(10)
        await calls.set_media(call.id, BOB, audio=False)
        assert (await told(calls, call.id))[-2:] == ["media.changed", "mode.switched"]

    async def test_beats_and_what_changes_nothing_do_not(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.leave(call.id, CAT)
        clock.advance(60)
        await calls.heartbeat(call.id, BOB)
        await calls.set_media(call.id, BOB, audio=True)
        await calls.leave(call.id, CAT)
        with pytest.raises(errors.InvalidTransition):
            await calls.cancel(call.id, ANN)
        assert (await calls.get(call.id)).mode == "sfu"

    async def test_a_third_that_comes_back_in_time_keeps_it(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.leave(call.id, CAT)
        clock.advance(9)
        await calls.join(call.id, CAT)
        clock.advance(60)
        assert (await calls.sweep()).switched == 0

    async def test_a_third_that_comes_back_late_keeps_it_too(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.leave(call.id, CAT)
        clock.advance(100)
        joined = await calls.join(call.id, CAT)
        assert (joined.call.mode, joined.mode_switch, joined.call.mode_switch_count) == (
            "sfu",
            None,
            1,
        )

    async def test_an_end_switches_nothing(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.leave(call.id, CAT)
        clock.advance(60)
        assert (await calls.end(call.id)).mode == "sfu"

    async def test_without_sfu_it_stays_p2p(self, calls: Calls) -> None:
        call = await answered(calls, BOB, CAT, DAN, sfu=False)
        assert (call.mode, call.mode_switch_count, call.few_since) == ("p2p", 0, None)
