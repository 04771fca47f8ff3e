"""Ringing, joining, answering, connecting."""

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
    HALL,
    ROOM,
    answered,
    entry_of,
    row_of,
    told,
    unchanged,
)


class TestRing:
    async def test_a_device_that_is_reached_makes_it_ring(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        rung = await calls.ring(call.id)
        assert (rung.status, rung.version) == ("ringing", call.version + 1)
        assert await told(calls, call.id, after=2) == ["call.ringing"]

    async def test_a_second_ring_changes_nothing(self, calls: Calls) -> None:
        call = await calls.ring((await calls.start(ROOM, ANN, invite=[BOB])).id)
        await unchanged(calls, call, calls.ring(call.id))

    async def test_an_answered_call_does_not_ring(self, calls: Calls) -> None:
        call = await answered(calls)
        await unchanged(calls, call, calls.ring(call.id))


class TestAnswer:
    async def test_the_first_answer_makes_the_call_active(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(3)
        joined = await calls.join(call.id, BOB)
        assert (joined.call.status, joined.call.started_at) == ("active", clock())
        assert joined.participant.answered_at == joined.participant.joined_at == clock()
        assert await told(calls, call.id, after=2) == ["participant.joined", "call.answered"]

    async def test_the_first_answer_settles_both_entries(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        clock.advance(3)
        await calls.join(call.id, BOB)
        own, answer, other = [await entry_of(calls, party) for party in (ANN, BOB, CAT)]
        assert (own.response, answer.response, other.response) == ("accepted",) * 2 + ("ringing",)
        assert (own.responded_at, answer.responded_at) == (None, clock())

    async def test_a_second_answer_leaves_when_it_started(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls, BOB, CAT, end_when="empty")
        clock.advance(5)
        joined = await calls.join(call.id, DAN)
        assert joined.call.started_at == call.started_at
        assert (await told(calls, call.id)).count("call.answered") == 1

    async def test_who_was_not_invited_gets_an_accepted_entry(self, calls: Calls) -> None:
        call = await answered(calls)
        await calls.join(call.id, EVE)
        entry = await entry_of(calls, EVE)
        assert (entry.direction, entry.response) == ("incoming", "accepted")
        assert entry.created_at == call.created_at

    async def test_the_initiators_own_join_is_no_answer(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        joined = await calls.join(call.id, ANN)
        assert (joined.call.started_at, joined.call.version) == (None, call.version)

    async def test_who_declined_may_still_answer(self, calls: Calls) -> None:
        call = await answered(calls, BOB)
        group = await calls.start(HALL, ANN, invite=[BOB, CAT])
        await calls.decline(group.id, BOB)
        await calls.join(group.id, BOB)
        assert (await entry_of(calls, BOB, group.id)).response == "accepted"
        assert call.live

    async def test_who_is_seated_already_changes_nothing(self, calls: Calls) -> None:
        call = await answered(calls)
        before = await calls.get(call.id)
        for answer in (True, False):
            joined = await calls.join(call.id, BOB, answer=answer, audio=False)
            assert joined.call.version == before.version
            assert joined.participant.audio_enabled
        assert await calls.get(call.id) == before

    async def test_flags_and_device_are_kept(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        device: dict[str, str | None] = {"browser": "Firefox", "os": "Linux", "deviceType": "phone"}
        await calls.join(call.id, BOB, audio=False, video=False, screen=True, device=device)
        row = await row_of(calls, call.id, BOB)
        assert (row.audio_enabled, row.video_enabled, row.screen_share_enabled) == (
            False,
            False,
            True,
        )
        assert row.device_info is not None
        assert (row.device_info.browser, row.device_info.device_type) == ("Firefox", "phone")

    @pytest.mark.parametrize("type", ["audio", "video"])
    async def test_video_is_as_the_calls_type_unless_said(self, calls: Calls, type: Any) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT], type=type)
        plain = await calls.join(call.id, BOB)
        other = await calls.join(call.id, CAT, video=type == "audio")
        assert plain.participant.video_enabled == (type == "video")
        assert other.participant.video_enabled == (type == "audio")


class TestRejoin:
    async def test_a_rejoin_is_a_new_stint_on_the_same_row(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls, end_when="empty")
        before = await row_of(calls, call.id, BOB)
        await calls.set_transports(call.id, BOB, send_transport_id="t", audio_producer_id="p")
        await calls.connected(call.id, BOB)
        clock.advance(1)
        await calls.leave(call.id, BOB)
        clock.advance(1)
        again = (await calls.join(call.id, BOB, audio=False)).participant
        assert (again.id, again.joined_at, again.answered_at, again.role) == (
            before.id,
            before.joined_at,
            before.answered_at,
            "participant",
        )
        assert (again.status, again.left_at, again.connected_at) == ("connecting", None, None)
        assert (again.last_seen_at, again.send_transport_id, again.audio_producer_id) == (None,) * 3
        assert (again.audio_enabled, len(again.stints)) == (False, 2)
        assert again.stints[1].joined_at == clock()

    async def test_a_rejoin_counts_a_party_once(self, calls: Calls) -> None:
        call = await answered(calls, end_when="empty")
        await calls.leave(call.id, BOB)
        again = (await calls.join(call.id, BOB)).call
        assert (again.live_count, again.joined_count, again.peak_participants) == (2, 2, 2)

    async def test_who_has_answered_before_is_seated_even_without_answering(
        self, calls: Calls
    ) -> None:
        call = await answered(calls, end_when="empty")
        await calls.leave(call.id, BOB)
        again = await calls.join(call.id, BOB, answer=False)
        assert again.call.live_count == 2
        event = (await calls.timeline(call.id))[-1]
        assert event.type == "participant.joined"
        assert event.data is not None
        assert event.data["answered"] is True

    async def test_the_initiator_comes_back_as_initiator(self, calls: Calls) -> None:
        call = await answered(calls, end_when="empty")
        await calls.leave(call.id, ANN)
        assert (await calls.join(call.id, ANN)).participant.role == "initiator"

    async def test_a_device_stays_known_until_another_is_named(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB], end_when="empty")
        await calls.join(call.id, BOB, device={"browser": "Firefox"})
        await calls.leave(call.id, BOB)
        row = (await calls.join(call.id, BOB)).participant
        assert row.device_info is not None
        assert row.device_info.browser == "Firefox"


class TestEarlyJoin:
    async def test_it_takes_no_seat_and_at_most_rings(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        joined = await calls.join(call.id, BOB, answer=False)
        assert (joined.call.status, joined.call.live_count) == ("ringing", 1)
        assert (joined.call.joined_count, joined.call.peak_participants) == (1, 1)
        assert (joined.participant.status, joined.participant.answered_at) == ("connecting", None)
        assert (await entry_of(calls, BOB)).response == "ringing"
        assert await told(calls, call.id, after=2) == ["participant.joined", "call.ringing"]

    async def test_the_answer_of_one_already_there_leaves_the_flags(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        await calls.join(call.id, BOB, answer=False, audio=False)
        joined = await calls.join(call.id, BOB, audio=True)
        assert (joined.call.status, joined.call.live_count) == ("active", 2)
        assert joined.participant.audio_enabled is False
        assert (await told(calls, call.id))[-2:] == ["participant.answered", "call.answered"]

    async def test_a_second_one_changes_nothing(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        await calls.join(call.id, BOB, answer=False)
        before = await calls.get(call.id)
        await calls.join(call.id, BOB, answer=False)
        assert await calls.get(call.id) == before

    @pytest.mark.parametrize("party", [ANN, EVE])
    async def test_only_who_was_invited_may(self, calls: Calls, party: Any) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        with pytest.raises(errors.InvalidTransition):
            await calls.join(call.id, party, answer=False)

    async def test_media_that_flows_is_the_answer(self, calls: Calls, clock: FakeClock) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        await calls.join(call.id, BOB, answer=False)
        clock.advance(2)
        now = await calls.connected(call.id, BOB)
        row = await row_of(calls, call.id, BOB)
        assert (now.status, now.live_count, now.started_at) == ("active", 2, clock())
        assert (row.status, row.connected_at, row.answered_at) == ("connected", clock(), clock())
        assert (await told(calls, call.id))[-3:] == [
            "participant.connected",
            "participant.answered",
            "call.answered",
        ]

    async def test_in_an_active_call_it_does_not_ring(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.join(call.id, BOB)
        joined = await calls.join(call.id, CAT, answer=False)
        assert (joined.call.status, joined.call.live_count) == ("active", 2)


class TestConnected:
    async def test_it_is_told_once(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls)
        clock.advance(1)
        await calls.connected(call.id, BOB)
        at = clock()
        clock.advance(1)
        await calls.connected(call.id, BOB)
        row = await row_of(calls, call.id, BOB)
        assert (row.status, row.connected_at) == ("connected", at)
        assert (await told(calls, call.id)).count("participant.connected") == 1

    async def test_the_initiators_is_never_an_answer(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        now = await calls.connected(call.id, ANN)
        assert (now.started_at, now.status, now.live_count) == (None, "initiated", 1)


class TestFullCall:
    async def test_an_answer_is_refused_with_the_limit(self, calls: Calls) -> None:
        call = await answered(calls, max_participants=2)
        with pytest.raises(errors.CallFull) as refusal:
            await calls.join(call.id, CAT)
        assert refusal.value.limit == 2

    async def test_a_rejoin_is_refused(self, calls: Calls) -> None:
        call = await answered(calls, max_participants=2, end_when="empty")
        await calls.leave(call.id, BOB)
        await calls.join(call.id, CAT)
        for answer in (True, False):
            with pytest.raises(errors.CallFull):
                await calls.join(call.id, BOB, answer=answer)

    async def test_an_early_joiner_comes_in_but_cannot_answer(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT], max_participants=2)
        await calls.join(call.id, BOB)
        await calls.join(call.id, CAT, answer=False)
        before = await calls.get(call.id)
        with pytest.raises(errors.CallFull):
            await calls.join(call.id, CAT)
        with pytest.raises(errors.CallFull):
            await calls.connected(call.id, CAT)
        assert await calls.get(call.id) == before

    async def test_who_is_seated_is_not_refused(self, calls: Calls) -> None:
        call = await answered(calls, max_participants=2)
        assert (await calls.join(call.id, BOB)).call.live_count == 2
        assert (await calls.connected(call.id, BOB)).live_count == 2

    async def test_a_seat_that_is_left_can_be_taken(self, calls: Calls) -> None:
        call = await answered(calls, max_participants=2, end_when="empty")
        await calls.leave(call.id, BOB)
        assert (await calls.join(call.id, CAT)).call.live_count == 2
