"""What is recorded: one at a time, until it is stopped or fails."""

from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any

import pytest

from callstore import Call, Calls, errors
from callstore.recordings.model import Recording
from callstore.testing.clock import FakeClock
from callstore.testing.contract.races import at_once, kinds
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    DAN,
    NOBODY_KNOWS,
    answered,
    told,
)

SOUND = bytes(range(256)) * 40


async def stream(*chunks: Any) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


async def stopped(calls: Calls, call: Call | None = None, **options: Any) -> Recording:
    """A recording of a call of Ann's and Bob's that waits for its file."""
    call = call or await answered(calls)
    return await calls.recordings.stop((await calls.recordings.start(call.id, ANN, **options)).id)


async def available(calls: Calls, *chunks: bytes, call: Call | None = None) -> Recording:
    return await calls.recordings.put(
        (await stopped(calls, call)).id, stream(*(chunks or (SOUND,)))
    )


class TestRecordings:
    async def test_it_runs_until_it_is_stopped(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls)
        begun = await calls.recordings.start(call.id, BOB, format="mp4", quality="fullhd")
        assert (begun.call_session_id, begun.conversation_id) == (call.id, call.conversation_id)
        assert (begun.requested_by, begun.requested_by_kind) == (BOB.id, "user")
        assert (begun.status, begun.format, begun.quality) == ("recording", "mp4", "fullhd")
        assert (begun.started_at, begun.created_at, begun.stopped_at) == (clock(), clock(), None)
        clock.advance(12.9)
        ended = await calls.recordings.stop(begun.id)
        assert (ended.status, ended.stopped_at, ended.duration) == ("processing", clock(), 12)
        assert (ended.file_url, ended.file_path, ended.file_size) == ("", "", 0)
        assert await calls.recordings.stop(begun.id) == ended
        assert await calls.recordings.list(call.id) == [ended]
        assert (await told(calls, call.id))[-2:] == ["recording.started", "recording.stopped"]

    async def test_whoever_is_in_the_call_may_start_one(self, calls: Calls) -> None:
        call = await answered(calls, BOB, CAT)
        row = await calls.recordings.start(call.id, CAT)
        assert (row.requested_by, row.requested_by_kind) == (CAT.id, "guest")
        (started,) = (e for e in await calls.timeline(call.id) if e.type == "recording.started")
        assert (started.party, started.actor_party) == (CAT, CAT)
        assert started.data == {"recordingId": row.id, "format": "webm", "quality": "hd"}

    async def test_who_is_not_in_the_call_may_not(self, calls: Calls) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.leave(call.id, CAT)
        for party in (CAT, DAN):
            with pytest.raises(errors.InvalidTransition):
                await calls.recordings.start(call.id, party)
        await calls.end(call.id)
        with pytest.raises(errors.CallEnded):
            await calls.recordings.start(call.id, ANN)
        with pytest.raises(errors.NotFound):
            await calls.recordings.start(NOBODY_KNOWS, ANN)

    async def test_not_where_the_settings_say_no(self, calls: Calls) -> None:
        call = await answered(calls, settings={"recordingEnabled": False})
        with pytest.raises(errors.Forbidden):
            await calls.recordings.start(call.id, ANN)
        assert await calls.recordings.list(call.id) == []

    @pytest.mark.parametrize("wrong", [{"format": "avi"}, {"quality": "4k"}, {"format": None}])
    async def test_a_format_and_a_quality_are_one_of_those_there_are(
        self, calls: Calls, wrong: dict[str, Any]
    ) -> None:
        call = await answered(calls)
        with pytest.raises(errors.Invalid, match=f"/{next(iter(wrong))}"):
            await calls.recordings.start(call.id, ANN, **wrong)

    async def test_one_runs_at_a_time_and_several_over_a_calls_life(self, calls: Calls) -> None:
        call = await answered(calls)
        first = await calls.recordings.start(call.id, ANN)
        with pytest.raises(errors.Conflict, match=first.id):
            await calls.recordings.start(call.id, BOB)
        await calls.recordings.stop(first.id)
        second = await calls.recordings.start(call.id, BOB)
        await calls.recordings.put(first.id, stream(SOUND))
        await calls.recordings.fail(second.id, reason="no disk")
        third = await calls.recordings.start(call.id, BOB)
        listed = await calls.recordings.list(call.id)
        assert [row.id for row in listed] == [first.id, second.id, third.id]
        assert [row.status for row in listed] == ["available", "failed", "recording"]

    async def test_of_a_hundred_that_start_one_at_once_one_does(self, calls: Calls) -> None:
        call = await answered(calls)
        results = await at_once(
            calls.recordings.start(call.id, (ANN, BOB)[n % 2]) for n in range(100)
        )
        assert kinds(results) == {"Recording": 1, "Conflict": 99}
        assert (await told(calls, call.id)).count("recording.started") == 1

    async def test_one_that_runs_when_the_call_ends_is_stopped(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        row = await calls.recordings.start(call.id, ANN)
        clock.advance(7)
        await calls.leave(call.id, ANN)
        after = await calls.recordings.get(row.id)
        assert (after.status, after.stopped_at, after.duration) == ("processing", clock(), 7)
        assert (await told(calls, call.id))[-3:] == [
            "participant.left",
            "recording.stopped",
            "call.ended",
        ]

    @pytest.mark.parametrize("start_first", [True, False])
    async def test_a_start_against_an_end_is_stopped_or_refused(
        self, calls: Calls, start_first: bool
    ) -> None:
        call = await answered(calls)
        race: list[Awaitable[Any]] = [calls.recordings.start(call.id, ANN), calls.end(call.id)]
        results = await at_once(race if start_first else reversed(race))
        listed = await calls.recordings.list(call.id)
        assert [row.status for row in listed] == ["processing"] * len(listed)
        assert kinds(results) == {"Recording" if listed else "CallEnded": 1, "Call": 1}

    async def test_events_tell_when_one_ran(self, calls: Calls, clock: FakeClock) -> None:
        """Also when an earlier one fails while the next one runs."""
        call = await answered(calls)

        async def runs() -> bool:
            clock.advance(1)
            return (await calls.state_at(call.id, clock())).recording

        assert not await runs()
        earlier = await calls.recordings.start(call.id, ANN)
        assert await runs()
        await calls.recordings.stop(earlier.id)
        assert not await runs()
        later = await calls.recordings.start(call.id, ANN)
        await calls.recordings.fail(earlier.id, reason="the encoder died")
        assert await runs()
        await calls.recordings.fail(later.id, reason="the encoder died")
        assert not await runs()

    async def test_one_that_fails_says_why_and_stays_so(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        running = await calls.recordings.start(call.id, ANN)
        clock.advance(3)
        failed = await calls.recordings.fail(running.id, reason="the encoder died")
        assert (failed.status, failed.stopped_at, failed.duration) == ("failed", clock(), 3)
        assert await calls.recordings.fail(running.id, reason="again") == failed
        assert await calls.recordings.stop(running.id) == failed
        event = (await calls.timeline(call.id))[-1]
        assert event.type == "recording.failed"
        assert event.data == {"recordingId": running.id, "reason": "the encoder died"}
        with pytest.raises(errors.InvalidTransition):
            await calls.recordings.put(failed.id, stream(SOUND))
        for row in (failed, await stopped(calls, call)):
            with pytest.raises(errors.InvalidTransition):
                await calls.recordings.delete(row.id)
        done = await available(calls, call=call)
        with pytest.raises(errors.InvalidTransition):
            await calls.recordings.fail(done.id, reason="too late")

    async def test_one_that_gets_no_file_for_a_day_has_failed(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        rows = [await stopped(calls, call) for _ in range(2)]
        await calls.recordings.put(rows[0].id, stream(SOUND))
        ended = await calls.end(call.id)
        clock.advance(86_399.999)
        assert (await calls.sweep()).finished == 0
        clock.advance(0.001)
        assert (await calls.sweep()).finished == 1
        assert (await calls.sweep()).finished == 0
        listed = await calls.recordings.list(call.id)
        assert [row.status for row in listed] == ["available", "failed"]
        assert listed[1].stopped_at == rows[1].stopped_at
        assert (await calls.get(call.id)).version == ended.version + 1

    async def test_the_call_stays_while_one_has_a_file_or_may_get_one(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        first, second = await available(calls, call=call), await stopped(calls, call)
        ended = await calls.end(call.id)
        assert ended.ended_at is not None
        assert ended.expires_at is None
        assert {row.expires_at for row in (await calls.get(call.id)).participants or []} == {None}
        clock.advance(86_400)
        await calls.sweep()
        assert (await calls.recordings.get(second.id)).status == "failed"
        assert (await calls.get(call.id)).expires_at is None
        await calls.recordings.delete(first.id)
        assert (await calls.get(call.id)).expires_at == ended.ended_at + timedelta(days=90)

    async def test_what_nobody_knows_is_not_found(self, calls: Calls) -> None:
        works: list[Any] = [
            calls.recordings.stop(NOBODY_KNOWS),
            calls.recordings.fail(NOBODY_KNOWS, reason="x"),
            calls.recordings.get(NOBODY_KNOWS),
            calls.recordings.put(NOBODY_KNOWS, stream(SOUND)),
            calls.recordings.open(NOBODY_KNOWS),
            calls.recordings.url(NOBODY_KNOWS),
            calls.recordings.delete(NOBODY_KNOWS),
        ]
        for work in works:
            with pytest.raises(errors.NotFound) as refusal:
                await work
            assert refusal.value.code == "recording_not_found"
        with pytest.raises(errors.NotFound) as refusal:
            await calls.recordings.list(NOBODY_KNOWS)
        assert refusal.value.code == "call_not_found"
