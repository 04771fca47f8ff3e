"""Several openers of one store. Not for a store that only its opener can see, as `memory:`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from callstore import Calls, errors
from callstore.stores.leases import take
from callstore.testing.clock import FakeClock
from callstore.testing.contract.races import at_once, kinds
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    HALL,
    ROOM,
    Opening,
    answered,
    check_call,
    outcome_of,
    told,
)
from callstore.testing.data import chosen_id, fake_ids, user

FOUND: dict[str, Callable[[Calls, str], Awaitable[Any]]] = {
    "the call": lambda calls, id: calls.get(id),
    "to be joined": lambda calls, id: calls.join(id, BOB),
    "its events": lambda calls, id: calls.timeline(id),
    "its recordings": lambda calls, id: calls.recordings.list(id),
    "its captions": lambda calls, id: calls.captions.list(id),
    "a word": lambda calls, id: calls.captions.search("new", call_id=id),
}
BEHIND = 5  # seconds that the other's clock is behind


@pytest.fixture
async def other(opening: Opening, clock: FakeClock) -> AsyncIterator[Calls]:
    """Another opener, as another process would be: its clock is behind."""

    def late() -> object:
        return clock() - timedelta(seconds=BEHIND)

    async with opening(clock=late, new_id=fake_ids(seed=1)) as opened:
        yield opened


class TestSeveralOpeners:
    async def test_what_one_commits_the_other_reads(self, calls: Calls, other: Calls) -> None:
        call = await answered(calls)
        assert await other.get(call.id) == await calls.get(call.id)
        await other.end(call.id)
        assert await calls.live_in(ROOM) is None

    @pytest.mark.parametrize("what", FOUND)
    async def test_an_id_that_begins_anew_elsewhere_is_found_there(
        self, calls: Calls, other: Calls, what: str
    ) -> None:
        call = await answered(calls)
        assert (await other.timeline(call.id))[0].type == "call.started"
        await calls.privacy.delete_conversation(ROOM)
        await calls.start(HALL, ANN, invite=[BOB], call_id=call.id)
        await calls.captions.add(call.id, ANN, segment_id="1", text="new", language="en")
        await calls.recordings.start(call.id, ANN)
        found = await FOUND[what](other, call.id)
        assert getattr(found, "items", found)

    async def test_event_times_never_fall_though_clocks_differ(
        self, calls: Calls, other: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(1)
        joined = await other.join(call.id, BOB)
        assert joined.participant.joined_at == call.created_at
        clock.advance(BEHIND)
        await other.set_media(call.id, BOB, audio=False)
        await calls.end(call.id)
        await check_call(calls, call.id)

    async def test_no_more_are_seated_than_there_are_seats(
        self, calls: Calls, other: Calls
    ) -> None:
        call = await calls.start(ROOM, ANN, max_participants=20)
        results = await at_once(
            (calls, other)[n % 2].join(call.id, user(100 + n)) for n in range(200)
        )
        assert kinds(results) == {"Joined": 19, "CallFull": 181}
        await check_call(calls, call.id)

    async def test_one_of_many_starts_succeeds(self, calls: Calls, other: Calls) -> None:
        results = await at_once((calls, other)[n % 2].start(ROOM, ANN) for n in range(100))
        assert kinds(results) == {"Call": 1, "CallAlreadyLive": 99}

    async def test_one_chosen_id_is_one_call(self, calls: Calls, other: Calls) -> None:
        results = await at_once(
            (calls, other)[n % 2].start(ROOM, ANN, call_id=chosen_id(1)) for n in range(50)
        )
        assert kinds(results) == {"Call": 50}

    async def test_the_same_start_again_gives_everyone_in_the_order_they_joined(
        self, calls: Calls, other: Calls, clock: FakeClock
    ) -> None:
        """Though the later one's row has the lower id."""
        call = await other.start(ROOM, ANN, call_id=chosen_id(1))
        clock.advance(1)
        await calls.join(call.id, BOB)
        again = await other.start(ROOM, ANN, call_id=chosen_id(1))
        assert again == await calls.get(call.id)

    async def test_a_call_ends_once(self, calls: Calls, other: Calls) -> None:
        call = await answered(calls)
        await at_once((calls, other)[n % 2].end(call.id) for n in range(50))
        assert (await told(calls, call.id)).count("call.ended") == 1

    async def test_a_party_joins_once(self, calls: Calls, other: Calls) -> None:
        call = await answered(calls)
        await asyncio.gather(*((calls, other)[n % 2].join(call.id, CAT) for n in range(20)))
        assert (await calls.get(call.id)).live_count == 3
        assert len((await calls.log(CAT)).items) == 1

    async def test_an_end_needs_few_tries_while_a_thousand_beat(
        self, calls: Calls, opening: Opening, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        call = await calls.start(ROOM, ANN, max_participants=1001)
        crowd = [user(n) for n in range(100, 1100)]
        await asyncio.gather(*(calls.join(call.id, party) for party in crowd))
        clock.advance(60)  # every one of them has a sign of life to write
        store, tries = calls._store, 0
        transact = store.transact

        async def counted(batch: Any, patience: float) -> None:
            nonlocal tries
            tries += 1
            await transact(batch, patience)

        monkeypatch.setattr(store, "transact", counted)
        async with opening() as other:
            beats = [
                asyncio.create_task(outcome_of(other.heartbeat(call.id, party))) for party in crowd
            ]
            await asyncio.wait(beats, return_when=asyncio.FIRST_COMPLETED)  # the others are coming
            answered_before = sum(beat.done() for beat in beats)
            ended = await calls.end(call.id)
            answers = await asyncio.gather(*beats)
        assert not ended.live
        assert tries <= 5
        assert 0 < answered_before < len(crowd)
        assert {type(answer) for answer in answers} <= {type(None), errors.CallEnded}
        assert answers.count(None) >= answered_before
        assert (await told(calls, call.id)).count("call.ended") == 1

    async def test_a_segment_from_both_is_one_and_each_translation_stays(
        self, calls: Calls, other: Calls
    ) -> None:
        call = await answered(calls)
        segment: Any = {"segment_id": "1", "language": "en"}
        await at_once(
            (calls, other)[n % 2].captions.add(
                call.id, ANN, text=f"take {n}", revision=n, is_final=n > 20, **segment
            )
            for n in range(40)
        )
        (caption,) = (await calls.captions.list(call.id, final=False)).items
        assert (caption.text, caption.is_final) == ("take 39", True)
        tongues = ["de", "fr", "es", "it", "pt", "nl", "sv", "da", "pl", "cs"]
        results = await at_once(
            (calls, other)[n % 2].captions.translate(caption.id, tag, f"in {tag}")
            for n, tag in enumerate(tongues * 3)
        )
        assert kinds(results) == {"Caption": 30}
        (caption,) = (await other.captions.list(call.id)).items
        assert caption.translations == {tag: f"in {tag}" for tag in tongues}
        assert len((await other.captions.search("in pl", call_id=call.id)).items) == 1

    async def test_a_beat_or_the_loss_of_its_party_wins_never_both(
        self, calls: Calls, other: Calls, clock: FakeClock
    ) -> None:
        ids = [(await calls.start(chosen_id(n), ANN, invite=[BOB])).id for n in range(100, 140)]
        for id in ids:
            await calls.join(id, BOB)
        clock.advance(31)
        for party in (ANN, BOB):  # a beat that is to come is written over one that is there
            await asyncio.gather(*(calls.heartbeat(id, party) for id in ids))
        for pause in (0, 60, 59, 2 + BEHIND):
            await calls.sweep()
            clock.advance(pause)
        expired, beats = await asyncio.gather(
            asyncio.gather(*(calls.expire(id) for id in ids)),
            asyncio.gather(*(outcome_of(other.heartbeat(id, BOB)) for id in ids)),
        )
        assert {type(beat) for beat in beats} <= {type(None), errors.CallEnded}
        for call, beat in zip(expired, beats, strict=True):
            lost = [e.party for e in await calls.timeline(call.id) if e.type == "participant.lost"]
            assert lost == ([ANN] if beat is None else [ANN, BOB])


class TestSweepLease:
    async def test_while_another_sweeps_nothing_is_done(
        self, calls: Calls, other: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        assert await other._store.change_lease("sweep", take("sweep", "other", clock()))
        clock.advance(59)
        report = await calls.sweep(now=clock() + timedelta(seconds=0.5))
        assert (report.timed_out, report.lost, report.analysed) == (0, 0, 0)
        assert (await calls.get(call.id)).live

    async def test_a_sweeper_that_died_is_followed_after_a_minute(
        self, calls: Calls, other: Calls, clock: FakeClock
    ) -> None:
        await calls.start(ROOM, ANN, invite=[BOB])
        await other._store.change_lease("sweep", take("sweep", "other", clock()))
        clock.advance(60)
        assert (await calls.sweep()).timed_out == 1

    async def test_a_sweep_that_is_done_lets_the_next_one_in(
        self, calls: Calls, other: Calls, clock: FakeClock
    ) -> None:
        await calls.start(ROOM, ANN, invite=[BOB])
        await calls.sweep()
        clock.advance(60 + BEHIND)
        assert (await other.sweep()).timed_out == 1

    async def test_two_sweeps_at_once_end_a_call_once(
        self, calls: Calls, other: Calls, clock: FakeClock
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(60 + BEHIND)
        reports = await asyncio.gather(calls.sweep(), other.sweep())
        assert sum(report.timed_out for report in reports) == 1
        assert (await told(calls, call.id)).count("call.ended") == 1

    async def test_of_two_sweeps_of_one_opener_only_one_works(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        await calls.start(ROOM, ANN, invite=[BOB])
        clock.advance(60)
        reports = await asyncio.gather(calls.sweep(), calls.sweep())
        assert sum(report.timed_out for report in reports) == 1

    async def test_watching_is_shared(self, calls: Calls, other: Calls, clock: FakeClock) -> None:
        call = await answered(calls)
        await calls.sweep()
        clock.advance(60 + BEHIND)
        await other.sweep()
        clock.advance(60)
        assert (await calls.sweep()).lost == 2
        with pytest.raises(errors.CallEnded):
            await other.heartbeat(call.id, ANN)
