"""The audit is one chain, whoever writes it, and whatever else is done to it is found."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from callstore import AuditEntry, AuditReport, Calls, errors
from callstore.privacy import audit
from callstore.privacy.chain import NOTHING_BEFORE
from callstore.testing.clock import FakeClock
from callstore.testing.contract.world import ANN, BOB, CAT, Opening
from callstore.testing.data import chosen_id

DAY = 86_400
SECRET = {"secret": "nobody knows"}


async def rows(calls: Calls) -> list[AuditEntry]:
    """Row 0 and the entries, by seq."""
    found, _ = await calls._store.rows("CallAudit", None, 10_000)
    return sorted(found, key=lambda row: row.seq)


async def entries(calls: Calls) -> list[AuditEntry]:
    return (await rows(calls))[1:]


async def notes(calls: Calls, count: int) -> None:
    for number in range(count):
        await calls.audit.record("hold.place", by="ann", party=BOB, data={"n": number, "x": 0.5})


async def instead(calls: Calls, old: list[AuditEntry], new: list[AuditEntry]) -> AuditReport:
    """What `verify` says where these stand in place of those; afterwards all is as it was."""
    await exchange(calls, old, new)
    report = await calls.audit.verify()
    await exchange(calls, new, old)
    return report


async def exchange(calls: Calls, old: list[AuditEntry], new: list[AuditEntry]) -> None:
    """As another writer would."""
    await calls._store.delete_rows("CallAudit", old)
    if new:
        await calls._store.put_rows("CallAudit", new)


class TestAudit:
    @pytest.fixture(autouse=True)
    def in_small_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit, "READ", 3)
        monkeypatch.setattr(audit, "TRIMMED", 4)

    async def test_nothing_was_done_yet(self, calls: Calls) -> None:
        nothing = AuditReport(ok=True, entries=0, first_bad=None, head=None)
        assert await calls.audit.verify() == nothing
        assert (await calls.audit.list()).items == []
        assert await calls.audit.trim(calls._now()) == 0

    async def test_each_entry_carries_the_hash_of_the_one_before(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        await notes(calls, 2)
        clock.advance(-60)
        await calls.audit.record("privacy.export", by=None, party=CAT)
        first, second, third = await entries(calls)
        assert [first.previous, second.previous] == [NOTHING_BEFORE, first.hash]
        assert (third.seq, third.previous, third.by) == (3, second.hash, None)
        assert first.data == {"n": 0, "x": 0.5}
        assert first.at == second.at == third.at  # though the clock was set back
        assert third.expires_at == third.at + timedelta(days=365)
        assert first.party_hash == second.party_hash != third.party_hash
        report = await calls.audit.verify()
        assert report == AuditReport(ok=True, entries=3, first_bad=None, head=third.hash)

    async def test_of_a_party_only_a_keyed_hash_is_kept(
        self, calls: Calls, opening: Opening
    ) -> None:
        await notes(calls, 1)
        (entry,) = await entries(calls)
        assert BOB.id not in str(entry)
        assert len(entry.party_hash or "") == 64
        async with opening(settings={}) as keyless:
            with pytest.raises(errors.StoreError, match="CALLSTORE_SECRET"):
                await keyless.audit.record("hold.place", by=None, party=BOB)

    async def test_pages_come_newest_first(self, calls: Calls, clock: FakeClock) -> None:
        for number in range(7):
            clock.advance(60)
            act: Any = ("hold.place", "hold.release")[number % 2]
            await calls.audit.record(act, by="ann", party=(ANN, BOB, CAT)[number % 3])
        since = clock() - timedelta(minutes=3)
        assert await self.seqs(calls) == [7, 6, 5, 4, 3, 2, 1]
        assert await self.seqs(calls, action="hold.release") == [6, 4, 2]
        assert await self.seqs(calls, party=BOB) == [5, 2]
        assert await self.seqs(calls, since=since) == [7, 6, 5, 4]
        assert await self.seqs(calls, since=since, action="hold.place", party=ANN) == [7]
        assert await self.seqs(calls, action="privacy.erase") == []

    async def seqs(self, calls: Calls, **asked: Any) -> list[int]:
        """Of all pages, of two entries each."""
        found: list[int] = []
        cursor, more = None, True
        while more:
            page = await calls.audit.list(cursor=cursor, limit=2, **asked)
            found += [entry.seq for entry in page.items]
            cursor, more = page.next, page.next is not None
        return found

    async def test_a_page_of_an_action_looks_at_a_thousand_entries(
        self, calls: Calls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit, "EXAMINED", 4)
        await calls.audit.record("privacy.erase", by="ann")
        await notes(calls, 9)
        page = await calls.audit.list(action="privacy.erase")
        assert (page.items, page.next is None) == ([], False)
        assert await self.seqs(calls, action="privacy.erase") == [1]

    async def test_any_change_of_any_field_is_found(self, calls: Calls) -> None:
        await notes(calls, 9)
        whole = await entries(calls)
        for entry in (whole[0], whole[4], whole[8]):
            later = entry.at + timedelta(milliseconds=1)
            for change in (
                {"id": chosen_id(0xBAD)},
                {"at": later},
                {"action": "hold.release"},
                {"by": None},
                {"by": "Ann"},
                {"party_hash": None},
                {"data": None},
                {"data": {"n": 0}},
                {"data": {**(entry.data or {}), "x": 0}},
                {"previous": "1" * 64},
                {"hash": "1" * 64},
                {"expires_at": None},
                {"expires_at": later},
            ):
                report = await instead(calls, [entry], [replace(entry, **change)])
                assert (report.ok, report.first_bad) == (False, entry.seq), change
        assert (await calls.audit.verify()).ok

    async def test_any_removal_swap_or_insertion_is_found(self, calls: Calls) -> None:
        await notes(calls, 9)
        whole = await entries(calls)
        for first, last in ((0, 0), (4, 4), (8, 8), (0, 3), (6, 8), (2, 5), (0, 8)):
            report = await instead(calls, whole[first : last + 1], [])
            assert (report.ok, report.first_bad) == (False, first + 1)
            assert report.entries == 9 - (last + 1 - first)
        for one, two in ((0, 1), (3, 7), (0, 8)):
            old = [whole[one], whole[two]]
            swapped = [replace(old[1], seq=old[0].seq), replace(old[0], seq=old[1].seq)]
            report = await instead(calls, old, swapped)
            assert (report.ok, report.first_bad) == (False, one + 1)
        more = replace(whole[8], id=chosen_id(0xBAD), seq=10, previous=whole[8].hash)
        report = await instead(calls, [], [more])
        assert (report.ok, report.first_bad, report.entries) == (False, 10, 10)

    async def test_the_row_that_says_where_it_ends_is_not_believed_either(
        self, calls: Calls
    ) -> None:
        await notes(calls, 5)
        chain = (await rows(calls))[0]
        changes: list[tuple[dict[str, Any], int]] = [
            ({"data": {"first": 1, "last": 4}}, 5),
            ({"data": {"first": 1, "last": 6}}, 6),
            ({"data": {"first": 2, "last": 5}}, 1),
            ({"data": {"first": 0, "last": 5}}, 0),
            ({"data": None}, 0),
            ({"hash": "1" * 64}, 5),
            ({"previous": "1" * 64}, 1),
            ({"at": chain.at + timedelta(days=1)}, 0),
            ({"by": "ann"}, 0),
        ]
        for change, bad in changes:
            report = await instead(calls, [chain], [replace(chain, **change)])
            assert (report.ok, report.first_bad) == (False, bad), change
        assert (await instead(calls, [chain], [])).first_bad == 0
        await exchange(calls, [chain], [])
        with pytest.raises(errors.StoreError):  # nothing is done that cannot be written down
            await calls.retention.run()

    async def test_sixty_four_at_once_keep_one_chain(self, calls: Calls) -> None:
        await asyncio.gather(*(notes(calls, 1) for _ in range(64)))
        assert [entry.seq for entry in await entries(calls)] == [*range(1, 65)]
        report = await calls.audit.verify()
        assert (report.ok, report.entries) == (True, 64)

    async def test_it_is_verified_while_others_write_and_trim(
        self, opening: Opening, clock: FakeClock
    ) -> None:
        async with opening(settings={**SECRET, "keep_audit_days": 10}) as calls:
            await notes(calls, 20)
            clock.advance(11 * DAY)

            async def work() -> None:
                await notes(calls, 5)
                await calls.audit.trim(clock())
                await notes(calls, 5)

            working = asyncio.create_task(work())
            while not working.done():
                assert (await calls.audit.verify()).ok
                await asyncio.sleep(0)
            await working
            assert (await calls.audit.verify()).ok


class TestExpiryOfTheAudit:
    @pytest.fixture(autouse=True)
    def in_small_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit, "READ", 3)
        monkeypatch.setattr(audit, "TRIMMED", 4)

    async def test_only_the_oldest_end_goes(self, opening: Opening, clock: FakeClock) -> None:
        async with opening(settings={**SECRET, "keep_audit_days": 100}) as calls:
            await notes(calls, 6)
            with self.keeping(calls, 200):  # what is behind it stays, too
                await notes(calls, 1)
            await notes(calls, 3)
            whole = await entries(calls)
            clock.advance(100 * DAY - 0.001)
            assert (await calls.retention.plan()).rows == {}
            assert await calls.audit.trim(clock()) == 0
            clock.advance(0.001)
            planned = await calls.retention.plan()
            assert planned.rows == {"CallAudit": 6}
            assert await calls.retention.run(by="cron") == planned
            left = await entries(calls)
            assert left[:4] == whole[6:]
            run, *told = left[4:]
            assert (run.action, run.by) == ("retention.run", "cron")
            assert [(entry.action, entry.by) for entry in told] == [("audit.expired", "cron")] * 2
            assert [entry.data for entry in told] == [
                {"entries": 4, "last": 4, "hash": whole[3].hash},
                {"entries": 2, "last": 6, "hash": whole[5].hash},
            ]
            assert (await rows(calls))[0].previous == whole[5].hash
            report = await calls.audit.verify()
            assert (report.ok, report.entries) == (True, 7)
            assert (await calls.retention.plan()).rows == {}

    @contextmanager
    def keeping(self, calls: Calls, days: float) -> Iterator[None]:
        before = calls.audit._settings
        calls.audit._settings = replace(before, keep_audit_days=days)
        yield
        calls.audit._settings = before

    async def test_after_everything_has_gone_it_goes_on(
        self, opening: Opening, clock: FakeClock
    ) -> None:
        async with opening() as calls:
            for days in (400, 800, 1200):
                await notes(calls, 5)
                clock.advance(days * DAY)
                count = len(await entries(calls))
                assert (await calls.retention.plan()).rows == {"CallAudit": count}
                assert (await calls.retention.run()).rows == {"CallAudit": count}
                left = {entry.action for entry in await entries(calls)}
                assert left == {"retention.run", "audit.expired"}
                report = await calls.audit.verify()
                assert report.ok
                assert report.head == (await rows(calls))[0].hash
            assert (await rows(calls))[0].previous != NOTHING_BEFORE

    async def test_what_was_tampered_with_stays_and_so_does_what_is_behind_it(
        self, opening: Opening, clock: FakeClock
    ) -> None:
        """Else whoever wants an entry gone would say that its time has come."""
        async with opening() as calls:
            await notes(calls, 9)
            clock.advance(366 * DAY)
            await notes(calls, 3)
            whole = await entries(calls)
            over = replace(whole[10], expires_at=whole[0].expires_at)
            await exchange(calls, [whole[5], whole[10]], [over])
            planned = await calls.retention.plan()
            assert planned.rows == {"CallAudit": 5}
            assert await calls.retention.run() == planned
            assert (await entries(calls))[0] == whole[6]
            report = await calls.audit.verify()
            assert (report.ok, report.first_bad) == (False, 6)

    async def test_random_years_of_acts_and_runs_hold(
        self, opening: Opening, clock: FakeClock
    ) -> None:
        dice = random.Random(7)
        async with opening(settings={**SECRET, "keep_audit_days": 30}) as calls:
            for _ in range(25):
                await notes(calls, dice.randint(0, 4))
                clock.advance(dice.randint(1, 20) * DAY)
                planned = await calls.retention.plan()
                assert await calls.retention.run() == planned
                assert (await calls.audit.verify()).ok
            for entry in await entries(calls):
                assert entry.expires_at is not None
                assert entry.expires_at > clock()

    async def test_what_a_run_adds_is_not_its_to_take(
        self, opening: Opening, clock: FakeClock
    ) -> None:
        async with opening() as calls:
            await notes(calls, 9)
            assert await calls.audit.trim(clock() + timedelta(days=1000)) == 9
            assert {entry.action for entry in await entries(calls)} == {"audit.expired"}
