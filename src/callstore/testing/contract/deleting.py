"""All calls of a conversation go, and nothing else."""

import pytest

from callstore import Calls, errors
from callstore.testing.clock import FakeClock
from callstore.testing.contract.erasing import SOON, kept, life, names
from callstore.testing.contract.files import paths
from callstore.testing.contract.quality import report_at
from callstore.testing.contract.recordings import available
from callstore.testing.contract.retention import CHILDREN
from callstore.testing.contract.world import ANN, BOB, CAT, DAN, HALL, ROOM, Opening, answered


class TestDeleteConversation:
    async def test_all_its_calls_go_and_nothing_else(self, calls: Calls, clock: FakeClock) -> None:
        await life(calls, clock)
        row = await available(calls)
        other = await life(calls, clock, room=HALL)
        await calls.end(row.call_session_id)
        clock.advance(600)
        await calls.sweep()
        before = await kept(calls)
        dry = await calls.privacy.delete_conversation(ROOM, dry_run=True, by="host")
        assert await kept(calls) == before
        receipt = await calls.privacy.delete_conversation(ROOM, by="host")
        assert (dry.counts, dry.kept) == (receipt.counts, receipt.kept)
        assert (receipt.status, receipt.conversation_id, receipt.party_hash) == ("done", ROOM, None)
        after = await kept(calls)
        for name in ("CallSession", *CHILDREN):
            mine = [row for row in before[name] if row["conversationId"] == ROOM]
            theirs = [row for row in before[name] if row["conversationId"] == HALL]
            assert receipt.counts.get(name, {}).get("rows", 0) >= len(mine), name
            assert after[name] == theirs, name
        assert await paths(calls) == []
        assert (await calls.history(ROOM)).items == []
        assert (await calls.get(other.id)).id == other.id

    async def test_samples_go_some_at_a_time(
        self, calls: Calls, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("callstore.privacy.decide.TOGETHER", 3)
        call = await answered(calls)
        for packets in range(8):
            await calls.quality.report(call.id, ANN, report_at(clock(), packets))
            clock.advance(5)
        await calls.end(call.id)
        clock.advance(600)
        dry = await calls.privacy.delete_conversation(ROOM, dry_run=True)
        receipt = await calls.privacy.delete_conversation(ROOM)
        assert receipt.counts["CallQualitySample"] == {"rows": 8}
        assert (receipt.counts, receipt.status) == (dry.counts, "done")
        assert (await kept(calls))["CallQualitySample"] == []

    async def test_a_live_one_ends_first(self, opening: Opening) -> None:
        async with opening(settings=SOON) as calls:
            call = await answered(calls)
            receipt = await calls.privacy.delete_conversation(ROOM, by="host")
            assert receipt.status == "done"
            assert receipt.counts["CallSession"] == {"rows": 1}
            assert await calls.live_in(ROOM) is None
            with pytest.raises(errors.NotFound):
                await calls.join(call.id, DAN)
            assert (await calls.start(ROOM, ANN)).live

    async def test_its_id_may_begin_anew_in_another_conversation(self, calls: Calls) -> None:
        old = await answered(calls)
        await calls.privacy.delete_conversation(ROOM, by="host")
        new = await calls.start(HALL, ANN, invite=[BOB], call_id=old.id)
        joined = await calls.join(old.id, BOB)
        assert (joined.call.conversation_id, joined.call.created_at) == (HALL, new.created_at)
        assert {event.conversation_id for event in await calls.timeline(old.id)} == {HALL}

    async def test_a_held_one_stays_and_is_told(self, calls: Calls, clock: FakeClock) -> None:
        held = await life(calls, clock)
        await life(calls, clock)
        hold = await calls.holds.place(call_id=held.id, reason="a", by="counsel")
        clock.advance(600)
        receipt = await calls.privacy.delete_conversation(ROOM, by="host")
        assert receipt.status == "pending"
        assert receipt.kept == [("CallSession", held.id, f"under hold {hold.id}")]
        assert [call.id for call in (await calls.history(ROOM)).items] == [held.id]
        await calls.holds.release(hold.id, by="counsel")
        assert (await calls.sweep()).finished == 1
        assert (await calls.history(ROOM)).items == []
        (done,) = await calls.privacy.receipts()
        assert (done.status, done.counts["CallSession"]) == ("done", {"rows": 2})

    async def test_a_guest_goes_with_its_rows(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls, CAT)
        await calls.end(call.id)
        clock.advance(600)
        receipt = await calls.privacy.delete_guest(CAT.id, by="host")
        assert (receipt.mode, receipt.status) == ("delete", "done")
        assert await names(calls, CAT) == []
        assert (await calls.get(call.id)).erased_count == 1
