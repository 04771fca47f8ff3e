"""Events, the timeline, and a call as it was."""

from datetime import timedelta

import pytest

from callstore import Calls, errors
from callstore.testing.clock import FakeClock
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    NOBODY_KNOWS,
    ROOM,
    answered,
    row_of,
    told,
)


class TestTimeline:
    async def test_a_whole_life_is_told_in_order(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.ring(call.id)
        await calls.join(call.id, BOB, answer=False)
        await calls.join(call.id, BOB)
        await calls.connected(call.id, BOB)
        await calls.decline(call.id, CAT)
        await calls.failed(call.id, BOB)
        await calls.leave(call.id, ANN)
        assert await told(calls, call.id) == [
            "call.started",
            "participant.joined",
            "call.ringing",
            "participant.joined",
            "participant.answered",
            "call.answered",
            "participant.connected",
            "participant.declined",
            "participant.failed",
            "participant.left",
            "call.ended",
        ]

    async def test_it_can_be_read_on_from_any_event(self, calls: Calls) -> None:
        call = await answered(calls)
        whole = await calls.timeline(call.id)
        assert await calls.timeline(call.id, after=2) == whole[2:]
        assert await calls.timeline(call.id, after=1, limit=2) == whole[1:3]
        assert await calls.timeline(call.id, after=99) == []

    async def test_events_name_whom_they_are_about_and_who_acted(self, calls: Calls) -> None:
        call = await calls.start(ROOM, CAT, invite=[BOB])
        await calls.join(call.id, BOB)
        row = await row_of(calls, call.id, BOB)
        joined = (await calls.timeline(call.id, after=2))[0]
        assert (joined.participant_id, joined.party, joined.actor) == (row.id, BOB, BOB.ref)
        started = (await calls.timeline(call.id))[0]
        assert (started.anonymous_user_id, started.user_id) == (CAT.id, None)

    async def test_what_the_host_does_has_no_actor(self, calls: Calls) -> None:
        call = await answered(calls)
        await calls.end(call.id, reason="forced")
        event = (await calls.timeline(call.id))[-1]
        assert (event.type, event.actor, event.party) == ("call.ended", None, None)
        assert event.data == {"reason": "forced", "status": "ended"}

    async def test_no_event_carries_a_partys_id_in_its_data(self, calls: Calls) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.set_media(call.id, BOB, screen=True)
        await calls.end(call.id, by=CAT)
        for event in await calls.timeline(call.id):
            assert not any(party.id in repr(event.data) for party in (ANN, BOB, CAT))


class TestStateAt:
    async def test_it_is_the_call_as_it_was(self, calls: Calls, clock: FakeClock) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        born = clock()
        clock.advance(1)
        await calls.join(call.id, BOB, answer=False, audio=False)
        clock.advance(1)
        await calls.join(call.id, CAT)
        await calls.join(call.id, BOB)
        clock.advance(1)
        await calls.end(call.id)
        states = [
            await calls.state_at(call.id, born + timedelta(seconds=passed))
            for passed in (0, 1, 1.999, 2, 3, 1000)
        ]
        seen = [(s.status, s.mode, s.peak, len(s.participants)) for s in states]
        assert seen == [
            ("initiated", "p2p", 1, 1),
            ("ringing", "p2p", 1, 2),
            ("ringing", "p2p", 1, 2),
            ("active", "sfu", 3, 3),
            ("ended", "sfu", 3, 3),
            ("ended", "sfu", 3, 3),
        ]
        bob = states[1].participants[(await row_of(calls, call.id, BOB)).id]
        assert (bob.party, bob.status, bob.flags.audio) == (BOB, "connecting", False)

    async def test_events_of_the_very_moment_count(self, calls: Calls, clock: FakeClock) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(0.001)
        await calls.ring(call.id)
        assert (await calls.state_at(call.id, clock())).status == "ringing"
        before = await calls.state_at(call.id, clock() - timedelta(microseconds=1))
        assert before.status == "initiated"

    async def test_before_it_was_created_there_was_no_call(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN)
        with pytest.raises(errors.NotFound):
            await calls.state_at(call.id, clock() - timedelta(milliseconds=1))

    async def test_of_an_unknown_call_there_is_no_state(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        with pytest.raises(errors.NotFound):
            await calls.state_at(NOBODY_KNOWS, clock())
