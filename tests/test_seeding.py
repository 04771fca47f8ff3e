"""Seeded calls are what real ones would have left, and the same each time."""

import resource
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from callstore import Calls, errors, open_calls
from callstore.calls.model import party_from_ref
from callstore.stores.loading import bulk_load

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)


async def everything(calls: Calls, conversation: str) -> bytes:
    page = await calls.history(conversation, limit=100)
    events = [await calls.timeline(call.id) for call in page.items]
    return msgspec.json.encode([page.items, events])


async def test_the_same_seed_gives_the_same_calls_and_another_others() -> None:
    found = []
    for seed in (7, 7, 8):
        async with open_calls("memory:") as calls:
            report = await calls.seed(60, seed=seed, until=UNTIL)
            found.append((report, await everything(calls, report.busy_conversation)))
    assert found[0] == found[1]
    assert found[0] != found[2]


async def test_seeding_the_same_twice_is_a_conflict_and_leaves_the_first() -> None:
    async with open_calls("memory:") as calls:
        report = await calls.seed(20, until=UNTIL)
        with pytest.raises(errors.Conflict):
            await calls.seed(20, until=UNTIL)
        assert (await calls.doctor()).calls == 20
        await calls.seed(20, seed=2, until=UNTIL)
        assert (await calls.doctor()).calls == 40
        assert len((await calls.history(report.busy_conversation)).items) == 10


async def test_an_interrupted_bulk_load_is_refused_until_its_indexes_are_built(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"

    async with open_calls(url):
        pass
    with sqlite3.connect(tmp_path / "calls.db") as db:  # as a load that is killed leaves it
        db.execute("DROP INDEX CallSession_history")
    db.close()
    with pytest.raises(errors.SchemaMismatch, match="schema up"):
        async with open_calls(url):
            pass
    async with open_calls(url, check_schema=False) as calls:
        assert any("CallSession_history" in name for name in (await calls.schema.status()).pending)
        assert (await calls.schema.up()).pending == []
    async with open_calls(url) as calls:
        assert (await calls.doctor()).findings == []


async def test_one_live_call_per_conversation_holds_during_a_bulk_load(tmp_path: Path) -> None:
    async with open_calls(f"sqlite:///{tmp_path}/calls.db") as calls:
        async with bulk_load(calls._store.structure):
            pending = (await calls.schema.status()).pending
            assert "missing index CallSession_history" in pending
            assert "missing index CallSession_oneLive" not in pending
        assert (await calls.schema.status()).pending == []


async def test_twenty_thousand_calls_are_realistic_sound_and_take_little_memory(
    tmp_path: Path,
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = 0

    def progress(more: int) -> None:
        nonlocal told
        told += more

    async with open_calls(f"sqlite:///{tmp_path}/calls.db") as calls:
        report = await calls.seed(20_000, until=UNTIL, progress=progress)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert told == report.calls == report.rows["CallSession"] == 20_000
        assert grown < 300_000  # KiB: batches are flushed, and nothing else is kept
        examined = await calls.doctor()
        assert (examined.calls, examined.findings) == (20_000, [])
        recordings, _ = await calls._store.rows("CallRecording", None, 10_000)
        assert 400 < len(recordings) == report.rows["CallRecording"] < 1000
        assert {row.status for row in recordings} == {"deleted", "failed"}

        outcomes: Counter[str] = Counter()
        people: Counter[int] = Counter()
        rejoined, last, cursor = 0, UNTIL, None
        for _ in range(20):
            page = await calls.history(report.busy_conversation, limit=100, cursor=cursor)
            cursor = page.next
            for call in page.items:
                outcomes[str(call.outcome)] += 1
                people[call.joined_count] += 1
                rejoined += any(len(row.stints) > 1 for row in call.participants or ())
                assert UNTIL - timedelta(days=80) <= call.created_at <= last
                # One after the other: a conversation has one live call at a time.
                assert call.ended_at is not None
                assert call.ended_at <= last
                last = call.created_at
        assert 0.20 <= outcomes["missed"] / 2000 <= 0.25
        assert set(outcomes) == {"missed", "answered", "declined", "cancelled"}
        answered = outcomes["answered"]
        assert 0.70 <= people[2] / answered <= 0.80
        assert rejoined > 0

        party = party_from_ref(report.busy_party)
        deep = await calls.log(party, offset=9_999, limit=1)
        assert len(deep.items) == 1  # half of all calls are in this log
