"""A call begins."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from callstore import Calls, Guest, User, errors
from callstore.testing.clock import FakeClock
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    DAN,
    HALL,
    ROOM,
    answered,
    entry_of,
    told,
    unchanged,
)
from callstore.testing.data import chosen_id


class TestStart:
    async def test_a_call_begins_initiated_and_in_p2p(self, calls: Calls, clock: FakeClock) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        assert (call.status, call.mode, call.type, call.live) == ("initiated", "p2p", "video", True)
        assert (call.initiator, call.conversation_id, call.outcome) == (ANN, ROOM, "ongoing")
        assert call.created_at == call.updated_at == call.last_event_at == clock()
        assert (call.started_at, call.ended_at, call.duration, call.end_reason) == (None,) * 4
        assert (call.max_participants, call.sfu_allowed, call.expires_at) == (50, True, None)

    async def test_the_initiator_is_seated_from_the_start(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        (row,) = call.participants or []
        assert (row.party, row.role, row.status) == (ANN, "initiator", "connecting")
        assert row.answered_at == row.joined_at == clock()
        assert (call.live_count, call.joined_count, call.peak_participants) == (1, 1, 1)

    async def test_it_tells_that_it_started_and_who_joined(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB], type="audio")
        started, joined = await calls.timeline(call.id)
        assert (started.type, started.seq, started.actor) == ("call.started", 1, ANN.ref)
        assert (joined.type, joined.seq, joined.party) == ("participant.joined", 2, ANN)
        flags = {"answered": True, "audio": True, "video": False, "screen": False}
        assert joined.data == flags

    async def test_everyone_invited_gets_an_entry_that_rings(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        own = await entry_of(calls, ANN)
        assert (own.direction, own.response, own.call_session_id) == (
            "outgoing",
            "ringing",
            call.id,
        )
        for party in (BOB, CAT):
            entry = await entry_of(calls, party)
            assert (entry.direction, entry.response) == ("incoming", "ringing")
            assert (entry.created_at, entry.outcome) == (call.created_at, "ongoing")

    async def test_who_is_invited_twice_has_one_entry(self, calls: Calls) -> None:
        await calls.start(ROOM, ANN, invite=[BOB, BOB, CAT, BOB])
        assert len((await calls.log(BOB)).items) == 1

    async def test_the_initiator_among_the_invited_is_dropped(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[ANN])
        assert call.ring_deadline is None
        assert [item.direction for item in (await calls.log(ANN)).items] == ["outgoing"]

    async def test_a_user_and_a_guest_of_one_id_are_two_parties(self, calls: Calls) -> None:
        twin = Guest(ANN.id)
        call = await calls.start(ROOM, ANN, invite=[twin])
        joined = await calls.join(call.id, twin)
        assert (joined.call.live_count, joined.participant.party) == (2, twin)

    async def test_a_guest_may_start_a_call(self, calls: Calls) -> None:
        call = await calls.start(ROOM, CAT, invite=[BOB])
        assert (call.initiator, call.initiator_kind) == (CAT, "guest")

    async def test_it_rings_for_a_minute_unless_told_otherwise(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        assert call.ring_deadline == call.created_at + timedelta(seconds=60)
        brief = await calls.start(HALL, ANN, invite=[BOB], ring_seconds=5)
        assert brief.ring_deadline == brief.created_at + timedelta(seconds=5)

    async def test_without_invitees_nothing_rings_out(self, calls: Calls) -> None:
        assert (await calls.start(ROOM, ANN)).ring_deadline is None

    @pytest.mark.parametrize(
        ("invite", "end_when"), [([], "empty"), ([BOB], "alone"), ([BOB, CAT], "empty")]
    )
    async def test_it_ends_when_one_is_alone_only_if_one_was_invited(
        self, calls: Calls, invite: list[User], end_when: str
    ) -> None:
        assert (await calls.start(ROOM, ANN, invite=invite)).end_when == end_when

    async def test_when_it_ends_can_be_said(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB], end_when="empty")
        assert call.end_when == "empty"

    async def test_upper_case_ids_are_lowered(self, calls: Calls) -> None:
        call = await calls.start(ROOM.upper(), User(ANN.id.upper()), invite=[BOB])
        assert (call.conversation_id, call.initiator) == (ROOM, ANN)
        assert (await calls.get(call.id.upper())).id == call.id

    async def test_settings_are_kept(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, settings={"recordingEnabled": False})
        kept = (await calls.get(call.id)).settings
        assert kept is not None
        assert (kept.recording_enabled, kept.transcription_enabled) == (False, None)

    async def test_what_it_gives_is_what_is_stored(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        assert await calls.get(call.id) == call
        assert await calls.live_in(ROOM) == call
        assert await calls.current(ANN) == call

    async def test_every_wrong_part_of_an_argument_is_named(self, calls: Calls) -> None:
        settings: Any = {"recordingEnabled": 1, "else": True}
        with pytest.raises(errors.Invalid) as refusal:
            await calls.start(ROOM, ANN, invite=[User("x"), BOB, User("y")], settings=settings)
        assert [at for at, _ in refusal.value.errors] == [
            "/invite/0/id",
            "/invite/2/id",
            "/settings/recordingEnabled",
            "/settings/else",
        ]

    async def test_a_json_value_is_kept_as_it_was_when_it_was_given(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN)
        given: dict[str, Any] = {"codecs": [1]}
        setting = asyncio.create_task(calls.set_router(call.id, rtp_capabilities=given))
        await asyncio.sleep(0)
        given["codecs"].append(object())
        assert (await setting).rtp_capabilities == {"codecs": [1]}


class TestOneLiveCall:
    async def test_a_second_call_in_a_conversation_is_refused_and_names_the_first(
        self, calls: Calls
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        with pytest.raises(errors.CallAlreadyLive) as refusal:
            await calls.start(ROOM, BOB, invite=[ANN])
        assert refusal.value.call_id == call.id

    async def test_other_conversations_have_calls_of_their_own(self, calls: Calls) -> None:
        first = await calls.start(ROOM, ANN)
        second = await calls.start(HALL, ANN)
        assert {first.live, second.live} == {True}

    async def test_after_an_end_the_next_call_begins(self, calls: Calls) -> None:
        first = await calls.end((await calls.start(ROOM, ANN)).id)
        second = await calls.start(ROOM, BOB)
        assert (await calls.live_in(ROOM)) == second
        assert (await calls.get(first.id)).live is False

    async def test_a_call_that_has_rung_out_makes_room(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        first = await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(60)
        second = await calls.start(ROOM, BOB, invite=[ANN])
        closed = await calls.get(first.id)
        assert (closed.end_reason, closed.ended_at) == ("timeout", second.created_at)

    async def test_the_next_call_never_begins_before_the_one_it_closes_has_ended(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        first = await calls.start(ROOM, ANN, invite=[BOB], ring_seconds=5)
        clock.advance(100)
        await calls.ring(first.id)
        late = clock()
        clock.advance(-50)
        second = await calls.start(ROOM, BOB)
        assert (await calls.get(first.id)).ended_at == second.created_at == late

    async def test_a_call_a_moment_before_it_rings_out_does_not(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(59.999)
        with pytest.raises(errors.CallAlreadyLive):
            await calls.start(ROOM, BOB)

    async def test_a_call_that_everyone_was_lost_from_makes_room(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        first = await answered(calls)
        await calls.sweep()
        clock.advance(120)
        second = await calls.start(ROOM, BOB)
        assert (await calls.get(first.id)).end_reason == "lost"
        assert second.live

    async def test_nobody_is_lost_to_a_start_where_nobody_sweeps(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        await answered(calls)
        clock.advance(10_000)
        with pytest.raises(errors.CallAlreadyLive):
            await calls.start(ROOM, BOB)

    async def test_a_call_that_only_some_were_lost_from_stays(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.sweep()
        clock.advance(60)
        await calls.heartbeat(call.id, ANN)
        await calls.sweep()
        clock.advance(60)
        with pytest.raises(errors.CallAlreadyLive):
            await calls.start(ROOM, DAN)


class TestChosenId:
    async def test_a_call_has_the_id_its_caller_chose(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, call_id=chosen_id(1))
        assert call.id == chosen_id(1)

    async def test_the_same_start_again_returns_the_call(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT], call_id=chosen_id(1))
        again = calls.start(ROOM, ANN, invite=[BOB, CAT], call_id=chosen_id(1))
        await unchanged(calls, call, again)

    async def test_the_same_start_returns_it_with_its_participants(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT], call_id=chosen_id(1))
        await calls.join(call.id, CAT)
        await calls.join(call.id, BOB)
        again = await calls.start(ROOM, ANN, call_id=chosen_id(1))
        assert again == await calls.get(call.id)

    async def test_the_same_start_returns_a_call_that_has_ended_too(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, call_id=chosen_id(1))
        await calls.end(call.id)
        again = await calls.start(ROOM, ANN, call_id=chosen_id(1))
        assert again.live is False
        assert await calls.live_in(ROOM) is None

    async def test_the_same_start_returns_it_beside_a_later_live_call(self, calls: Calls) -> None:
        call = await calls.end((await calls.start(ROOM, ANN, call_id=chosen_id(1))).id)
        await calls.start(ROOM, ANN)
        assert (await calls.start(ROOM, ANN, call_id=chosen_id(1))).id == call.id

    @pytest.mark.parametrize(
        ("room", "initiator"), [(HALL, ANN), (ROOM, BOB), (ROOM, Guest(ANN.id))]
    )
    async def test_anything_else_with_that_id_is_a_conflict(
        self, calls: Calls, room: str, initiator: User
    ) -> None:
        await calls.start(ROOM, ANN, call_id=chosen_id(1))
        with pytest.raises(errors.Conflict) as refusal:
            await calls.start(room, initiator, call_id=chosen_id(1))
        assert refusal.value.code == "conflict"
        assert await told(calls, chosen_id(1)) == ["call.started", "participant.joined"]

    async def test_a_live_call_is_still_in_the_way(self, calls: Calls) -> None:
        await calls.start(ROOM, ANN)
        with pytest.raises(errors.CallAlreadyLive):
            await calls.start(ROOM, ANN, call_id=chosen_id(1))
