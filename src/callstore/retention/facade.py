"""`calls.retention`: what has expired goes."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from msgspec import Struct, field

from callstore.calls.lifecycle.turn import LATE, MARGIN
from callstore.calls.model import Call, Label, Row
from callstore.errors import (
    Busy,
    Conflict,
    Held,
    Invalid,
    NotFound,
    StoreError,
    StoreUnavailable,
)
from callstore.metrics import Tell
from callstore.privacy.audit import Audit
from callstore.recordings.uploads import Uploads
from callstore.retention.horizons import Past, Stamps, stamps
from callstore.schema.papers import AUDIT
from callstore.settings import Settings
from callstore.stores.holding import holding
from callstore.stores.protocol import EXPIRING, PAPERS, Expired, Store
from callstore.tasks import KeepOn
from callstore.validation import EARLIEST, Time, check

STAMPED, CALLS, ROWS = 100, 20, 300  # together in a transaction
LESS = 4  # times less where anyone is in a call: few enough that nobody waits for long; and then
REST, LONGEST = 2.5, 2.0  # times as long as it took, and seconds, others have it to themselves
LEASE = "retention"
T = TypeVar("T")
_log = logging.getLogger("callstore")
Progress = Callable[[int], object]


class RetentionReport(Row, frozen=True, kw_only=True):
    """What went, or would: rows by collection, files of recordings. As of `now`. Of a plan also how
    many ended calls are `unstamped`: nobody knows yet when they go; of a run how many files could
    not be deleted, of which the log says more."""

    now: Time
    rows: dict[str, int] = field(default_factory=dict)
    files: int = 0
    held: int = 0
    unstamped: int = 0
    failed: int = 0


class _Asked(Struct, frozen=True, kw_only=True):
    now: Time | None


class _Run(Struct, frozen=True, kw_only=True):
    plan: RetentionReport | None
    by: Label | None


class Retention:
    """Rows say when they go (`expires_at`): an ended call's are stamped by the sweep. One process
    at a time deletes those whose time has come."""

    def __init__(
        self,
        store: Store,
        uploads: Uploads,
        audit: Audit,
        settle: Callable[[datetime, KeepOn], Awaitable[int]],
        tell: Tell,
        *,
        clock: Callable[[], datetime],
        settings: Settings,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._audit = audit
        self._settle = settle
        self._tell = tell
        self._clock = clock
        self._horizons = settings.horizons

    async def stamp(self, now: datetime, keep_on: KeepOn) -> int:
        """Ended calls whose rows do not say yet when they go, or by other horizons than these, once
        nothing of them is under way any more; how many."""
        count = 0
        before = now - LATE - MARGIN

        async def some(limit: int) -> int:
            return await self._store.stamp(self._horizons.text, before, limit, self._stamps)

        while await keep_on() and (done := await self._paced(some, STAMPED)):
            count += done
        return count

    def _stamps(self, call: Call, past: Past) -> Stamps:
        return stamps(call, past, self._horizons)

    async def plan(self, *, now: datetime | None = None) -> RetentionReport:
        """What a run at `now` would delete; nothing is. It knows what is stamped."""
        at = check(_Asked, now=now).now or self._clock()
        found, entries = await self._expired(at), await self._audit.expired(at)
        return RetentionReport(
            now=at,
            rows={**found.rows, **({AUDIT.name: entries} if entries else {})},
            files=found.files,
            held=found.held,
            unstamped=found.unstamped,
        )

    async def _expired(self, at: datetime) -> Expired:
        return await self._store.count_expired(
            at, self._horizons.text, max(at - self._horizons.calls, EARLIEST)
        )

    async def run(
        self,
        plan: RetentionReport | None = None,
        *,
        by: str | None = None,
        progress: Progress | None = None,
    ) -> RetentionReport:
        """Stamps what is not yet, and deletes what has expired, as of `plan`'s time where one is
        given (Invalid if that has not come), and never what is stamped by other horizons than
        these: samples and captions whose time has come, then calls with all that is of them, then
        files of recordings, whose rows stay as deleted ones with their call; and the oldest end of
        the audit, up to the first entry that has more time. In short transactions; what is cut off
        goes on when it is run again. All zeros while another run is on its way. `progress` is told
        how many more rows went. `by` is who does it, for the audit."""
        asked = check(_Run, plan=plan, by=by)
        now = self._clock() if asked.plan is None else asked.plan.now
        if now > self._clock():
            raise Invalid.field("/plan/now", "has not come yet: nothing goes before its time")
        busy = Conflict("another run is on its way")
        gone, began = _Gone(progress, self._tell), time.monotonic()
        try:
            async with holding(self._store, LEASE, self._clock, refusal=busy):
                await self._audit.record("retention.run", by=asked.by, data={"now": now})
                files, failed = await self._run(now, gone)
                if entries := await self._audit.trim(now, by=asked.by):
                    gone.add({AUDIT.name: entries})
        except Conflict as error:
            if error is not busy:
                raise
            return RetentionReport(now=now)
        held = (await self._expired(now)).held
        self._tell("callstore_retention_seconds", time.monotonic() - began, {})
        self._tell("callstore_retention_files_total", files, {})
        self._tell("callstore_retention_failed_total", failed, {})
        self._tell("callstore_retention_held", held, {})
        return RetentionReport(now=now, rows=gone.rows, files=files, held=held, failed=failed)

    async def _run(self, now: datetime, gone: "_Gone") -> tuple[int, int]:
        await self._settle(self._clock(), _always)
        await self.stamp(self._clock(), _always)
        for collection in (*EXPIRING, *PAPERS):
            expire = partial(self._store.expire_rows, collection, now)
            while count := await self._paced(expire, ROWS):
                gone.add({collection: count})
        expire_calls = partial(self._store.expire_calls, now, self._horizons.text)
        while rows := await self._paced(expire_calls, CALLS):
            gone.add(rows)
        return await self._delete_files(now)

    async def _paced(self, work: Callable[[int], Awaitable[T]], limit: int) -> T:
        """`work` with so many at most, as fast as it goes where nobody waits for anything."""
        if not await self._anyone_live():
            return await _halving(work, limit)
        took = 0.0

        async def timed(limit: int) -> T:
            nonlocal took
            began = time.monotonic()
            done = await work(limit)
            took = time.monotonic() - began
            return done

        if done := await _halving(timed, limit // LESS):
            await asyncio.sleep(min(REST * took, LONGEST))
        return done

    async def _anyone_live(self) -> bool:
        try:
            return await self._store.anyone_live()
        except (Busy, StoreUnavailable):
            return True  # the work itself is tried more than once

    async def _delete_files(self, now: datetime) -> tuple[int, int]:
        """How many went, how many could not; storage that is away is not asked again and again."""
        files, tried = 0, set[str]()
        failed = 0
        while rows := [
            row
            for row in await self._store.expired_recordings(now, CALLS + len(tried))
            if row.id not in tried
        ]:
            for row in rows:
                tried.add(row.id)
                try:
                    files += (await self._uploads.delete(row)).status == "deleted"
                except (Conflict, Held, NotFound):
                    continue  # somebody else has deleted it, or it is held now
                except StoreError as error:
                    _log.error("recording %s could not be deleted", row.id, exc_info=error)
                    failed += 1
                    if isinstance(error, StoreUnavailable | Busy):
                        return files, failed
        return files, failed


async def _halving(work: Callable[[int], Awaitable[T]], limit: int) -> T:
    """`work` with so many, and with ever fewer where those take too long for one transaction."""
    while True:
        try:
            return await work(limit)
        except (Busy, StoreUnavailable):
            if limit == 1:
                raise
            limit //= 2


async def _always() -> bool:
    return True


class _Gone:
    """What went so far."""

    def __init__(self, progress: Progress | None, tell: Tell) -> None:
        self.rows: dict[str, int] = {}
        self._progress = progress
        self._tell = tell

    def add(self, rows: dict[str, int]) -> None:
        for name, count in rows.items():
            self.rows[name] = self.rows.get(name, 0) + count
            self._tell("callstore_retention_rows_total", count, {"collection": name})
        if self._progress is not None:
            self._progress(sum(rows.values()))
