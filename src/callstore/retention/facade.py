"""`calls.retention`: what has expired goes."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from msgspec import Struct, field

from callstore.calls.lifecycle.turn import LATE
from callstore.calls.model import Call, Label, Row
from callstore.errors import Conflict, Held, Invalid
from callstore.recordings.uploads import Uploads
from callstore.retention.horizons import Horizons, Past, Stamps, stamps
from callstore.stores.holding import holding
from callstore.stores.protocol import EXPIRING, Store
from callstore.validation import Time, check

STAMPED = 100  # calls together
CALLS, ROWS = 25, 400  # deleted together: few enough that nobody waits for long
LEASE = "retention"
T = TypeVar("T")
Progress = Callable[[int], object]
KeepOn = Callable[[], Awaitable[bool]]


class RetentionReport(Row, frozen=True, kw_only=True):
    """What went, or would: rows by collection, files of recordings. As of `now`. Of a plan also how
    many ended calls are `unstamped`: nobody knows yet when they go."""

    now: Time
    rows: dict[str, int] = field(default_factory=dict)
    files: int = 0
    unstamped: int = 0


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
        *,
        clock: Callable[[], datetime],
        horizons: Horizons,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._clock = clock
        self._horizons = horizons

    async def stamp(self, now: datetime, keep_on: KeepOn) -> int:
        """Ended calls whose rows do not say yet when they go, or by other horizons than these, once
        nothing of them is under way any more; how many."""
        count = 0
        while await keep_on():
            done = await self._store.stamp(self._horizons.text, now - LATE, STAMPED, self._stamps)
            count += done
            if done < STAMPED:
                break
        return count

    def _stamps(self, call: Call, past: Past) -> Stamps:
        return stamps(call, past, self._horizons)

    async def plan(self, *, now: datetime | None = None) -> RetentionReport:
        """What a run at `now` would delete; nothing is. It knows what is stamped."""
        at = check(_Asked, now=now).now or self._clock()
        found = await self._store.count_expired(at, self._horizons.text)
        return RetentionReport(
            now=at, rows=found.rows, files=found.files, unstamped=found.unstamped
        )

    async def run(
        self,
        plan: RetentionReport | None = None,
        *,
        by: str | None = None,
        progress: Progress | None = None,
    ) -> RetentionReport:
        """Stamps what is not yet, and deletes what has expired, as of `plan`'s time where one is
        given, and never what is stamped by other horizons than these: calls whose time has
        come with all that is of them, then samples and captions whose own has, then files of
        recordings, whose rows stay as deleted ones with their call. In short transactions; what is
        cut off goes on when it is run again. All zeros while another run is on its way. `progress`
        is told how many more rows went. `by` is who does it, which nothing keeps yet."""
        asked = check(_Run, plan=plan, by=by)
        now = self._clock() if asked.plan is None else asked.plan.now
        if now > self._clock():
            raise Invalid.field("/plan/now", "has not come yet: nothing goes before its time")
        busy = Conflict("another run is on its way")
        gone = _Gone(progress)
        try:
            async with holding(self._store, LEASE, self._clock, refusal=busy):
                files = await self._run(now, gone)
        except Conflict as error:
            if error is not busy:
                raise
            return RetentionReport(now=now)
        return RetentionReport(now=now, rows=gone.rows, files=files)

    async def _run(self, now: datetime, gone: "_Gone") -> int:
        await self.stamp(self._clock(), _always)
        keep = self._horizons.text
        while rows := await _paced(self._store.expire_calls(now, keep, CALLS)):
            gone.add(rows)
        for collection in EXPIRING:
            while count := await _paced(self._store.expire_rows(collection, now, ROWS)):
                gone.add({collection: count})
        return await self._delete_files(now)

    async def _delete_files(self, now: datetime) -> int:
        files = 0
        while rows := await self._store.expired_recordings(now, CALLS):
            before = files
            for row in rows:
                try:
                    files += (await self._uploads.delete(row)).status == "deleted"
                except (Conflict, Held):
                    continue  # somebody else has deleted it, or it is held now
            if files == before:
                break  # what is left is not for this run
        return files


async def _always() -> bool:
    return True


async def _paced(work: Awaitable[T]) -> T:
    """Rests for as long as the work took: others have the store for half of the time at least."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    done = await work
    await asyncio.sleep(loop.time() - began)
    return done


class _Gone:
    """What went so far."""

    def __init__(self, progress: Progress | None) -> None:
        self.rows: dict[str, int] = {}
        self._progress = progress

    def add(self, rows: dict[str, int]) -> None:
        for name, count in rows.items():
            self.rows[name] = self.rows.get(name, 0) + count
        if self._progress is not None:
            self._progress(sum(rows.values()))
