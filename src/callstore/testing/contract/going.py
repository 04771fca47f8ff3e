"""Leaving, failing, declining, cancelling, ending, and what is left behind."""

from datetime import timedelta
from typing import Any

import pytest

from callstore import Calls, errors
from callstore.testing.clock import FakeClock
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    DAN,
    EVE,
    ROOM,
    answered,
    ended,
    entry_of,
    row_of,
    told,
    unchanged,
)


class TestLeave:
    async def test_it_closes_the_stint(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls, end_when="empty")
        clock.advance(7)
        left = await calls.leave(call.id, BOB)
        row = await row_of(calls, call.id, BOB)
        assert (left.live, left.live_count) == (True, 1)
        assert (row.status, row.left_at, row.last_seen_at) == ("disconnected", clock(), clock())
        assert (row.stints[0].left_at, row.stints[0].reason) == (clock(), "left")

    @pytest.mark.parametrize("party", [EVE, DAN])
    async def test_who_is_not_in_it_changes_nothing(self, calls: Calls, party: Any) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, DAN])
        await unchanged(calls, call, calls.leave(call.id, party))

    async def test_who_has_left_changes_nothing(self, calls: Calls) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.leave(call.id, BOB)
        await unchanged(calls, call, calls.leave(call.id, BOB))

    async def test_of_two_the_other_does_not_stay_alone(self, calls: Calls) -> None:
        call = await calls.leave((await answered(calls)).id, BOB)
        assert (call.live, call.end_reason, call.status) == (False, "normal", "ended")
        assert (call.ended_by, call.ended_by_kind) == (BOB.id, "user")
        assert await told(calls, call.id, after=4) == ["participant.left", "call.ended"]

    async def test_a_group_call_goes_on_until_it_is_empty(self, calls: Calls) -> None:
        call = await answered(calls, BOB, CAT)
        for party in (ANN, BOB):
            assert (await calls.leave(call.id, party)).live
        gone = await calls.leave(call.id, CAT)
        assert (gone.live, gone.end_reason) == (False, "normal")
        assert (gone.ended_by, gone.ended_by_kind) == (CAT.id, "guest")

    async def test_by_the_initiator_before_an_answer_it_cancels(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        gone = await calls.leave(call.id, ANN)
        assert (gone.end_reason, gone.ended_by, gone.outcome) == ("cancelled", ANN.id, "cancelled")
        assert [(await entry_of(calls, p)).response for p in (ANN, BOB)] == ["cancelled"] * 2

    async def test_by_an_early_joiner_the_call_goes_on_ringing(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        await calls.join(call.id, BOB, answer=False)
        left = await calls.leave(call.id, BOB)
        assert (left.live, left.status, left.live_count) == (True, "ringing", 1)
        assert (await entry_of(calls, BOB)).response == "ringing"

    async def test_an_early_joiner_does_not_keep_a_call(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT], end_when="empty")
        await calls.join(call.id, BOB)
        await calls.join(call.id, CAT, answer=False)
        await calls.leave(call.id, ANN)
        gone = await calls.leave(call.id, BOB)
        row = await row_of(calls, call.id, CAT)
        assert (gone.live, row.stints[0].reason) == (False, "ended")
        assert (await entry_of(calls, CAT)).response == "missed"


class TestFailed:
    async def test_it_closes_the_stint_as_failed(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls, end_when="empty")
        clock.advance(2)
        await calls.failed(call.id, BOB)
        row = await row_of(calls, call.id, BOB)
        assert (row.status, row.left_at, row.stints[0].reason) == ("failed", clock(), "failed")

    async def test_of_two_it_ends_the_call_as_lost(self, calls: Calls) -> None:
        call = await calls.failed((await answered(calls)).id, BOB)
        assert (call.live, call.end_reason, call.status) == (False, "lost", "ended")
        assert (call.ended_by, call.outcome) == (None, "answered")

    async def test_by_the_initiator_before_an_answer_the_call_failed(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        gone = await calls.failed(call.id, ANN)
        assert (gone.end_reason, gone.status, gone.outcome) == ("lost", "ended", "failed")
        assert (gone.ended_by, gone.ended_by_kind) == (None, None)
        assert (await entry_of(calls, ANN)).response == "cancelled"
        assert (await entry_of(calls, BOB)).response == "missed"

    async def test_who_failed_may_come_back(self, calls: Calls) -> None:
        call = await answered(calls, end_when="empty")
        await calls.failed(call.id, BOB)
        assert (await calls.join(call.id, BOB)).participant.status == "connecting"


class TestDecline:
    async def test_it_is_in_the_log(self, calls: Calls, clock: FakeClock) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        clock.advance(4)
        declined = await calls.decline(call.id, BOB)
        entry = await entry_of(calls, BOB)
        assert (declined.live, entry.response, entry.responded_at) == (True, "declined", clock())
        event = (await calls.timeline(call.id))[-1]
        assert (event.type, event.party, event.participant_id) == (
            "participant.declined",
            BOB,
            None,
        )

    async def test_the_last_of_them_ends_the_call(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.decline(call.id, BOB)
        gone = await calls.decline(call.id, CAT)
        assert (gone.end_reason, gone.outcome, gone.status) == ("declined", "declined", "ended")
        assert (gone.ended_by, gone.ended_by_kind, gone.duration) == (CAT.id, "guest", 0)
        assert (await entry_of(calls, ANN)).response == "declined"

    async def test_in_an_answered_call_it_ends_nothing(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.join(call.id, BOB)
        assert (await calls.decline(call.id, CAT)).live

    async def test_it_closes_an_early_stint(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.join(call.id, BOB, answer=False)
        declined = await calls.decline(call.id, BOB)
        row = await row_of(calls, call.id, BOB)
        assert (row.status, row.stints[0].reason) == ("disconnected", "declined")
        assert declined.live_count == 1
        assert (await told(calls, call.id)).count("participant.left") == 0

    async def test_a_second_one_changes_nothing(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.decline(call.id, BOB)
        await unchanged(calls, call, calls.decline(call.id, BOB))

    async def test_after_the_ring_has_expired_it_changes_nothing(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.join(call.id, BOB)
        clock.advance(60)
        await calls.expire(call.id)
        await unchanged(calls, call, calls.decline(call.id, CAT))

    async def test_who_was_not_invited_may_not(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        with pytest.raises(errors.Forbidden):
            await calls.decline(call.id, EVE)

    async def test_the_initiator_cannot(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        with pytest.raises(errors.InvalidTransition):
            await calls.decline(call.id, ANN)

    @pytest.mark.parametrize("gone", [False, True])
    async def test_who_has_answered_cannot(self, calls: Calls, gone: bool) -> None:
        call = await answered(calls, BOB, CAT)
        if gone:
            await calls.leave(call.id, BOB)
        with pytest.raises(errors.InvalidTransition):
            await calls.decline(call.id, BOB)

    async def test_who_joined_uninvited_cannot(self, calls: Calls) -> None:
        call = await answered(calls)
        await calls.join(call.id, EVE)
        with pytest.raises(errors.InvalidTransition):
            await calls.decline(call.id, EVE)


class TestCancel:
    async def test_the_initiator_gives_up(self, calls: Calls, clock: FakeClock) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(5)
        gone = await calls.cancel(call.id, ANN)
        assert (gone.end_reason, gone.outcome, gone.ended_by) == ("cancelled", "cancelled", ANN.id)
        assert (gone.ended_at, gone.duration) == (clock(), 0)
        assert [(await entry_of(calls, p)).response for p in (ANN, BOB)] == ["cancelled"] * 2

    async def test_nobody_else_may(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        with pytest.raises(errors.Forbidden):
            await calls.cancel(call.id, BOB)

    async def test_after_an_answer_it_is_too_late(self, calls: Calls) -> None:
        call = await answered(calls)
        with pytest.raises(errors.InvalidTransition):
            await calls.cancel(call.id, ANN)

    async def test_of_an_answered_call_others_are_forbidden_first(self, calls: Calls) -> None:
        call = await answered(calls)
        with pytest.raises(errors.Forbidden):
            await calls.cancel(call.id, BOB)

    async def test_a_decline_stays_a_decline(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.decline(call.id, BOB)
        await calls.cancel(call.id, ANN)
        assert (await entry_of(calls, BOB)).response == "declined"


class TestEnd:
    @pytest.mark.parametrize("by", [None, ANN, BOB])
    async def test_the_host_the_initiator_and_who_is_in_it_may(self, calls: Calls, by: Any) -> None:
        call = await calls.end((await answered(calls)).id, by=by)
        assert (call.live, call.end_reason, call.status) == (False, "normal", "ended")
        assert (call.ended_by, call.ended_by_kind) == ((by.id, "user") if by else (None, None))

    async def test_nobody_else_may(self, calls: Calls) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.leave(call.id, BOB)
        for party in (BOB, EVE):
            with pytest.raises(errors.Forbidden):
                await calls.end(call.id, by=party)

    async def test_the_initiator_may_from_outside(self, calls: Calls) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.leave(call.id, ANN)
        assert (await calls.end(call.id, by=ANN)).ended_by == ANN.id

    @pytest.mark.parametrize("by", [EVE, BOB, None])
    async def test_an_ended_call_is_returned_whoever_asks(self, calls: Calls, by: Any) -> None:
        call = await ended(calls)
        await unchanged(calls, call, calls.end(call.id, by=by, reason="error"))

    @pytest.mark.parametrize(
        ("reason", "status", "outcome"),
        [("forced", "ended", "cancelled"), ("error", "failed", "failed")],
    )
    async def test_before_an_answer_a_reason_is_kept(
        self, calls: Calls, reason: Any, status: str, outcome: str
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        gone = await calls.end(call.id, reason=reason)
        assert (gone.end_reason, gone.status, gone.outcome) == (reason, status, outcome)
        assert (await entry_of(calls, BOB)).response == "missed"
        assert (await entry_of(calls, ANN)).response == "cancelled"

    async def test_an_error_in_an_answered_call_fails_it(self, calls: Calls) -> None:
        call = await calls.end((await answered(calls)).id, reason="error")
        assert (call.status, call.outcome) == ("failed", "answered")

    @pytest.mark.parametrize("by", [None, ANN])
    async def test_before_an_answer_a_normal_end_is_a_cancel(self, calls: Calls, by: Any) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        gone = await calls.end(call.id, by=by)
        assert (gone.end_reason, gone.ended_by) == ("cancelled", by and by.id)
        assert (await entry_of(calls, BOB)).response == "cancelled"

    async def test_before_an_answer_a_normal_end_by_an_invitee_is_their_decline(
        self, calls: Calls
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.join(call.id, BOB, answer=False)
        going_on = await calls.end(call.id, by=BOB)
        assert going_on.live
        assert (await entry_of(calls, BOB)).response == "declined"
        assert (await row_of(calls, call.id, BOB)).live is False

    async def test_the_decline_of_the_only_invitee_ends_it(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        await calls.join(call.id, BOB, answer=False)
        gone = await calls.end(call.id, by=BOB)
        assert (gone.end_reason, gone.ended_by) == ("declined", BOB.id)

    async def test_before_an_answer_an_invitee_elsewhere_may_not(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        with pytest.raises(errors.Forbidden):
            await calls.end(call.id, by=BOB)


class TestWhatAnEndLeaves:
    async def test_everyone_is_out_and_only_the_end_is_told(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls, BOB, CAT)
        clock.advance(9)
        gone = await calls.end(call.id)
        for party in (ANN, BOB, CAT):
            row = await row_of(calls, call.id, party)
            assert (row.status, row.left_at) == ("disconnected", clock())
            assert (row.stints[-1].left_at, row.stints[-1].reason) == (clock(), "ended")
        assert (gone.live_count, gone.few_since, gone.ring_deadline) == (0, None, None)
        assert await told(calls, call.id, after=call.event_count) == ["call.ended"]

    async def test_duration_counts_from_the_answer_in_whole_seconds(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(10)
        await calls.join(call.id, BOB)
        clock.advance(7.999)
        assert (await calls.end(call.id)).duration == 7

    async def test_the_log_has_what_became_of_it(self, calls: Calls, clock: FakeClock) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        clock.advance(1)
        started = (await calls.join(call.id, BOB)).call.started_at
        clock.advance(10.5)
        await calls.end(call.id)
        for party, response in ((ANN, "accepted"), (BOB, "accepted"), (CAT, "missed")):
            entry = await entry_of(calls, party)
            assert (entry.response, entry.started_at) == (response, started)
            assert (entry.ended_at, entry.end_reason) == (clock(), "normal")
            assert (entry.outcome, entry.talk_seconds) == ("answered", 0 if party == CAT else 10)

    async def test_talk_time_is_that_of_the_own_stints(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls, BOB, CAT)
        clock.advance(10.4)
        await calls.leave(call.id, BOB)
        clock.advance(100)
        await calls.join(call.id, BOB)
        clock.advance(5.7)
        await calls.end(call.id)
        assert (await entry_of(calls, BOB)).talk_seconds == 16
        assert (await entry_of(calls, ANN)).talk_seconds == 116

    async def test_talk_time_begins_with_the_answer_of_an_early_joiner(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.join(call.id, CAT, answer=False)
        await calls.join(call.id, BOB)
        clock.advance(20)
        await calls.join(call.id, CAT)
        clock.advance(3)
        await calls.end(call.id)
        assert [(await entry_of(calls, p)).talk_seconds for p in (BOB, CAT)] == [23, 3]

    async def test_it_expires_after_ninety_days_with_its_people_and_log(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await ended(calls)
        horizon = clock() + timedelta(days=90)
        assert call.expires_at == horizon
        assert (await row_of(calls, call.id, BOB)).expires_at == horizon
        assert (await entry_of(calls, BOB)).expires_at == horizon
