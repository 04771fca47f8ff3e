"""A person, or a conversation, goes: all of it, and nothing of others."""

import asyncio
from typing import Any

import msgspec
import pytest

from callstore import Call, Calls, Receipt, User, errors
from callstore.ids import NOBODY
from callstore.testing.clock import FakeClock
from callstore.testing.contract.captions import say, texts
from callstore.testing.contract.files import paths
from callstore.testing.contract.quality import report_at
from callstore.testing.contract.races import at_once
from callstore.testing.contract.recordings import SOUND, available, stopped, stream
from callstore.testing.contract.retention import CHILDREN, DAY, rows
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    DAN,
    HALL,
    ROOM,
    Opening,
    answered,
    told,
)

SOON = {"secret": "nobody knows", "command_deadline": 2.0}
"""What was on its way when somebody was erased has come, or never comes, so soon."""
KEPT = ("CallSession", *CHILDREN, "CallHold", "CallErasure")


async def life(calls: Calls, clock: FakeClock, *, room: str = ROOM) -> Call:
    """A call of Ann's and Bob's, with something of each in every collection."""
    call = await calls.start(room, ANN, invite=[BOB, CAT])
    device = {"browser": "Firefox", "os": "Linux", "deviceType": "desktop"}
    await calls.join(call.id, BOB, device=device)
    for party in (ANN, BOB):
        await calls.set_transports(call.id, party, send_transport_id="s", audio_producer_id="a")
        await say(calls, call.id, party, f"{party.id} says hello")
        await calls.quality.report(call.id, party, report_at(clock(), 5))
    clock.advance(40)
    for party in (ANN, BOB):
        await calls.quality.report(call.id, party, report_at(clock(), 90))
    await calls.end(call.id, by=BOB)
    return await calls.get(call.id)


async def kept(calls: Calls) -> dict[str, list[Any]]:
    return {name: msgspec.to_builtins(await rows(calls, name)) for name in KEPT}


async def names(calls: Calls, party: Any) -> list[str]:
    """The collections that name the party anywhere."""
    found = await kept(calls)
    return [name for name in KEPT if party.id.encode() in msgspec.json.encode(found[name])]


def without(rows: list[Any], *parties: Any) -> list[Any]:
    """The rows that name none of these."""
    ids = [party.id.encode() for party in parties]
    return [row for row in rows if not any(id in msgspec.json.encode(row) for id in ids)]


class TestErase:
    async def test_anonymised_a_party_is_nowhere_and_its_rows_stay(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await life(calls, clock)
        clock.advance(600)
        await calls.sweep()
        before = await kept(calls)
        receipt = await calls.privacy.erase(BOB, by="dpo")
        assert (receipt.status, receipt.kept, receipt.requested_by) == ("done", [], "dpo")
        assert receipt.counts == {
            "CallSession": {"endedBy": 1},
            "CallParticipant": {
                "userId": 1,
                "sendTransportId": 1,
                "audioProducerId": 1,
                "qualityMetrics": 1,
                "deviceInfo": 1,
            },
            "CallPulse": {"rows": 1},
            "CallLogEntry": {"party": 1, "userId": 1},
            "CallEvent": {"userId": 2, "actor": 3},
            "CallTranscription": {"rows": 1},
            "CallQualitySample": {"rows": 2},
        }
        assert await names(calls, BOB) == []
        after = await kept(calls)
        for name in ("CallParticipant", "CallLogEntry", "CallTranscription", "CallQualitySample"):
            assert without(after[name], ANN, CAT) != without(before[name], ANN, CAT)
        for name in KEPT[1:]:  # what is of others is as it was
            mine = [row for row in before[name] if row in without(before[name], BOB)]
            assert all(row in after[name] or _is_bobs(before, row) for row in mine), name
        again = await calls.get(call.id)
        people = again.participants or []
        assert sorted(row.party is None for row in people) == [False, True]
        assert (again.ended_by, again.ended_by_kind, again.joined_count) == (None, None, 2)
        assert (await told(calls, call.id))[-1] == "privacy.erased"

    async def test_deleted_its_rows_are_gone_and_counts_are_as_they_were(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await life(calls, clock)
        clock.advance(600)
        receipt = await calls.privacy.erase(BOB, mode="delete", by="dpo")
        assert receipt.counts["CallParticipant"] == {"rows": 1}
        assert receipt.counts["CallLogEntry"] == {"rows": 1}
        assert await names(calls, BOB) == []
        again = await calls.get(call.id)
        assert [row.party for row in again.participants or []] == [ANN]
        assert (again.joined_count, again.peak_participants, again.erased_count) == (2, 2, 1)
        assert (await calls.log(BOB)).items == []
        assert len((await calls.log(ANN)).items) == 1

    async def test_who_began_a_call_is_nobody(self, calls: Calls, clock: FakeClock) -> None:
        call = await calls.start(ROOM, CAT, invite=[BOB])
        await calls.join(call.id, BOB)
        await calls.end(call.id, by=CAT)
        clock.advance(600)
        await calls.privacy.erase(CAT, by="dpo")
        again = await calls.get(call.id)
        assert (again.initiator_id, again.ended_by) == (NOBODY, None)
        assert await names(calls, CAT) == []
        assert (await calls.history(ROOM)).items[0].id == call.id

    async def test_two_of_one_call_may_go(self, calls: Calls, clock: FakeClock) -> None:
        call = await life(calls, clock)
        clock.advance(600)
        one, two = await asyncio.gather(
            calls.privacy.erase(ANN, by="dpo"), calls.privacy.erase(BOB, mode="delete", by="dpo")
        )
        assert (one.status, two.status) == ("done", "done")
        assert await names(calls, ANN) == await names(calls, BOB) == []
        assert [row.party for row in (await calls.get(call.id)).participants or []] == [None]

    async def test_erased_again_there_is_nothing_more(self, calls: Calls, clock: FakeClock) -> None:
        await life(calls, clock)
        clock.advance(600)
        first = await calls.privacy.erase(BOB, by="dpo")
        again = await calls.privacy.erase(BOB, mode="delete", by="dpo")
        assert (again.status, again.counts, again.kept) == ("done", {}, [])
        assert await calls.privacy.receipts(BOB) == [again, first]
        assert await calls.privacy.receipts() == [again, first]
        assert first.party_hash not in (None, BOB.id)

    async def test_a_live_party_leaves_first(self, opening: Opening) -> None:
        async with opening(settings=SOON) as calls:
            call = await answered(calls, BOB, CAT, end_when="empty")
            receipt = await calls.privacy.erase(BOB, by="dpo")
            assert receipt.status == "done"
            again = await calls.get(call.id)
            assert (again.live, again.live_count, again.joined_count) == (True, 2, 3)
            assert (await told(calls, call.id))[-2:] == ["participant.left", "privacy.erased"]
            assert await names(calls, BOB) == []
            with pytest.raises(errors.InvalidTransition):
                await say(calls, call.id, BOB, "still here")

    async def test_who_rings_still_rings_no_longer(self, opening: Opening) -> None:
        async with opening(settings=SOON) as calls:
            call = await calls.start(ROOM, ANN, invite=[BOB])
            await calls.privacy.erase(BOB, by="dpo")
            assert (await calls.get(call.id)).outcome == "declined"
            assert await names(calls, BOB) == []

    @pytest.mark.parametrize("mode", ["anonymise", "delete"])
    async def test_a_dry_run_counts_what_a_real_one_does(
        self, calls: Calls, clock: FakeClock, mode: Any
    ) -> None:
        for _ in range(2):
            call = await life(calls, clock)
        row = await available(calls, call=await answered(calls))
        await calls.end(row.call_session_id)
        clock.advance(600)
        before = await kept(calls)
        for party in (ANN, BOB, CAT, DAN):
            dry = await calls.privacy.erase(party, mode=mode, dry_run=True, by="dpo")
            assert await kept(calls) == before
            real = await calls.privacy.erase(party, mode=mode, by="dpo")
            assert (dry.id, dry.counts, dry.kept) == (None, real.counts, real.kept), party
            before = await kept(calls)
        assert call.id

    async def test_recordings_that_it_asked_for_go(self, calls: Calls, clock: FakeClock) -> None:
        theirs = await available(calls)
        call = await calls.get(theirs.call_session_id)
        bobs = await calls.recordings.start(call.id, BOB)
        await calls.recordings.put((await calls.recordings.stop(bobs.id)).id, stream(SOUND))
        lost = await calls.recordings.start(call.id, ANN)
        await calls.recordings.fail(lost.id, reason="Ann's encoder died")
        await calls.end(call.id)
        clock.advance(600)
        receipt = await calls.privacy.erase(ANN, by="dpo")
        assert receipt.counts["CallRecording"] == {"file": 1, "requestedBy": 2}
        assert receipt.counts["CallEvent"]["data"] == 1
        left = [("CallRecording", bobs.id, "another party asked for it")]
        assert (receipt.kept, (await calls.privacy.receipts())[0].kept) == (left, left)
        found = {row.id: row for row in await calls.recordings.list(call.id)}
        assert (found[theirs.id].status, found[theirs.id].requested_by) == ("deleted", NOBODY)
        assert (found[bobs.id].status, found[bobs.id].requested_by) == ("available", BOB.id)
        assert await paths(calls) == [found[bobs.id].file_path]
        assert await names(calls, ANN) == []
        assert b"encoder" not in msgspec.json.encode(await kept(calls))

    @pytest.mark.parametrize(("rule", "left"), [("participated", 0), ("keep", 2)])
    async def test_the_rule_says_which_recordings_go(
        self, calls: Calls, clock: FakeClock, rule: Any, left: int
    ) -> None:
        one = await available(calls)
        bobs = await calls.recordings.start(one.call_session_id, BOB)
        await calls.recordings.put((await calls.recordings.stop(bobs.id)).id, stream(SOUND))
        await calls.end(one.call_session_id)
        clock.advance(600)
        receipt = await calls.privacy.erase(BOB, recordings=rule, by="dpo")
        assert len(await paths(calls)) == left
        whys = {why for _, _, why in receipt.kept}
        assert whys == ({"recordings=keep"} if left else set())
        assert await names(calls, BOB) == []

    async def test_one_that_runs_or_waits_gets_no_file(self, opening: Opening) -> None:
        async with opening(settings=SOON) as calls:
            call = await answered(calls, end_when="empty")
            waits = await stopped(calls, call)
            runs = await calls.recordings.start(call.id, ANN)
            assert (await calls.privacy.erase(ANN, by="dpo")).status == "done"
            for id in (waits.id, runs.id):
                assert (await calls.recordings.get(id)).status == "failed"
                with pytest.raises(errors.InvalidTransition):
                    await calls.recordings.put(id, stream(SOUND))

    async def test_what_is_held_pends_and_is_done_by_a_sweep(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        held = await life(calls, clock)
        free = await life(calls, clock, room=HALL)
        clock.advance(600)
        hold = await calls.holds.place(conversation_id=ROOM, reason="case 4711", by="counsel")
        before = await calls.get(held.id)
        dry = await calls.privacy.erase(BOB, dry_run=True, by="dpo")
        receipt = await calls.privacy.erase(BOB, by="dpo")
        assert (dry.status, dry.counts, dry.kept) == ("pending", receipt.counts, receipt.kept)
        assert receipt.status == "pending"
        assert receipt.kept == [("CallSession", held.id, f"under hold {hold.id}")]
        assert await calls.get(held.id) == before
        assert BOB.id.encode() not in msgspec.json.encode(
            msgspec.to_builtins(await calls.get(free.id))
        )
        assert "CallErasure" in await names(calls, BOB)
        assert (await calls.sweep()).finished == 0
        await calls.holds.release(hold.id, by="counsel")
        assert (await calls.sweep()).finished == 1
        (done,) = await calls.privacy.receipts(BOB)
        assert (done.id, done.status, done.kept) == (receipt.id, "done", [])
        assert done.counts["CallLogEntry"] == {"party": 2, "userId": 2}
        assert await names(calls, BOB) == []

    async def test_a_hold_on_it_is_forgotten_with_it(self, calls: Calls, clock: FakeClock) -> None:
        await life(calls, clock)
        clock.advance(600)
        hold = await calls.holds.place(party=BOB, reason="Bob's case", by="counsel")
        assert (await calls.privacy.erase(BOB, by="dpo")).status == "pending"
        await calls.holds.release(hold.id, by="counsel")
        clock.advance(90)  # then every call knows
        await calls.sweep()
        assert await names(calls, BOB) == []
        (left,) = await calls.holds.list(released=True)
        assert (left.party, left.reason, left.anonymized_at) == (None, None, clock())

    async def test_captions_that_come_meanwhile_are_gone_as_well(self, opening: Opening) -> None:
        async with opening(settings=SOON) as calls:
            call = await answered(calls, BOB, CAT, end_when="empty")
            saying: list[Any] = [say(calls, call.id, BOB, f"number {n}") for n in range(100)]
            saying.insert(50, calls.privacy.erase(BOB, by="dpo"))
            outcomes = await at_once(saying)
            (receipt,) = [each for each in outcomes if isinstance(each, Receipt)]
            refused = [each for each in outcomes if isinstance(each, errors.InvalidTransition)]
            assert receipt.counts["CallTranscription"] == {"rows": 100 - len(refused)}
            assert await texts(calls, call.id, limit=100) == []

    async def test_a_report_that_comes_with_it_leaves_nothing(
        self, opening: Opening, clock: FakeClock
    ) -> None:
        async with opening(settings=SOON) as calls:
            call = await answered(calls, BOB, CAT, end_when="empty")
            report = calls.quality.report(call.id, BOB, report_at(clock(), 5))
            await at_once([report, calls.privacy.erase(BOB, by="dpo")])
            (row,) = [row for row in await rows(calls, "CallParticipant") if row.party is None]
            assert row.quality_metrics is None

    async def test_while_sweeps_run(self, calls: Calls, clock: FakeClock) -> None:
        for _ in range(5):
            await life(calls, clock)
        clock.advance(600)
        sweeping = [asyncio.create_task(calls.sweep()) for _ in range(3)]
        receipt = await calls.privacy.erase(BOB, by="dpo")
        await asyncio.wait(sweeping)
        assert receipt.status == "done"
        assert await names(calls, BOB) == []

    async def test_whose_device_is_up_and_who_has_not_answered_declines(
        self, opening: Opening
    ) -> None:
        async with opening(settings=SOON) as calls:
            call = await calls.start(ROOM, ANN, invite=[BOB])
            await calls.join(call.id, BOB, answer=False)
            await calls.privacy.erase(BOB, by="dpo")
            assert (await calls.get(call.id)).outcome == "declined"
            (entry,) = [row for row in await rows(calls, "CallLogEntry") if row.party is None]
            assert entry.response == "declined"

    async def test_how_long_each_has_talked_stays(self, opening: Opening, clock: FakeClock) -> None:
        async with opening(settings=SOON) as calls:
            call = await answered(calls, BOB, CAT, end_when="empty")
            clock.advance(10)
            await calls.privacy.erase(BOB, by="dpo")
            clock.advance(20)
            await calls.privacy.erase(CAT, by="dpo")
            clock.advance(30)
            await calls.end(call.id)
            entries = [row for row in await rows(calls, "CallLogEntry") if row.party is None]
            assert sorted(entry.talk_seconds for entry in entries) == [10, 30]

    async def test_what_begins_after_it_was_asked_is_left_alone(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        """Though it pends."""
        held = await life(calls, clock)
        hold = await calls.holds.place(call_id=held.id, reason="a", by="counsel")
        clock.advance(600)
        assert (await calls.privacy.erase(BOB, by="dpo")).status == "pending"
        assert (await calls.privacy.delete_conversation(ROOM, by="host")).status == "pending"
        clock.advance(600)
        new = await answered(calls)
        await calls.holds.release(hold.id, by="counsel")
        clock.advance(90)
        await calls.sweep()
        assert {receipt.status for receipt in await calls.privacy.receipts()} == {"done"}
        assert [call.id for call in (await calls.history(ROOM)).items] == [new.id]
        assert await calls.current(BOB) is not None

    async def test_without_a_secret_it_says_so(self, opening: Opening, monkeypatch: Any) -> None:
        monkeypatch.delenv("CALLSTORE_SECRET", raising=False)
        async with opening(settings={}) as calls:
            with pytest.raises(errors.StoreError, match="set CALLSTORE_SECRET"):
                await calls.privacy.erase(BOB, by="dpo")

    async def test_receipts_go_in_their_time(self, calls: Calls, clock: FakeClock) -> None:
        await calls.privacy.erase(User("a" * 24), by="dpo")
        clock.advance(365 * DAY - 1)
        await calls.retention.run()
        assert len(await calls.privacy.receipts()) == 1
        clock.advance(1)
        assert (await calls.retention.run()).rows["CallErasure"] == 1
        assert await calls.privacy.receipts() == []


def _is_bobs(before: dict[str, list[Any]], row: Any) -> bool:
    """What is his though it does not name him: by his participant, as samples and pulses are; and
    what moves with a change, of others' rows too."""
    (bob,) = [each["id"] for each in before["CallParticipant"] if each["userId"] == BOB.id]
    return bool(row.get("participantId") == bob)
