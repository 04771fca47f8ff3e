"""Moving calls from one store to another: row by row, resumable, verified at the end.

What is there already as it is, is not written again: a copy that was cut off goes on, and one that
is run once more brings what has changed since.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import filterfalse
from typing import Any, NamedTuple

import msgspec

from callstore.calls.model import Row, replace
from callstore.errors import Conflict, Invalid, SchemaMismatch
from callstore.ids import id_maker
from callstore.opening import opened_store
from callstore.privacy.chain import CHAIN
from callstore.privacy.model import AuditEntry
from callstore.schema import tables
from callstore.schema.declaration import TTL_AFTER
from callstore.schema.model import Lease
from callstore.schema.papers import AUDIT, ERASURE, HOLD
from callstore.settings import load_settings
from callstore.stores.holding import holding
from callstore.stores.leases import come_to
from callstore.stores.loading import bulk_load
from callstore.stores.protocol import Store
from callstore.stores.structure import Progress, untold
from callstore.tasks import stop

BATCH = 2000  # rows
PASSES = 5  # with `live`, until one brings nothing new
LEASE = "copy"
NAMES = tuple(c.name for c in tables.KEPT)
"""Calls first: on SQLite their rows refer to them."""
NETTED = {c.name for c in tables.COLLECTIONS if any(index.ttl for index in c.indexes)}
MADE = {
    tables.CALL.name: "created_at",
    HOLD.name: "placed_at",
    ERASURE.name: "requested_at",
    AUDIT.name: "at",
}
"""When a row was made that belongs to no other."""
OCCUPYING: dict[str, Callable[[Any], bool]] = dict.fromkeys(NAMES, lambda _: False) | {
    tables.CALL.name: lambda call: call.live,
    tables.RECORDING.name: lambda recording: recording.status == "recording",
}
"""Rows that hold a place which another may have held before: they are written when that one is,
whatever the order of their ids."""


class Copied(Row, frozen=True, kw_only=True):
    """A collection afterwards. `digest` is of all its rows but those left out, in whatever order
    they are read: equal on both sides where the rows are."""

    rows: int
    written: int
    deleted: int  # that the source no longer had
    left_out: int  # of the source's: expired so long ago that MongoDB deletes them by itself
    digest: str
    same: bool  # as the source's


class CopyReport(Row, frozen=True, kw_only=True):
    """`verified`: every collection is the same on both sides. With `live` it may not be, while the
    source is written to."""

    collections: dict[str, Copied]
    verified: bool
    passes: int


async def copy_calls(
    src: str, dst: str, *, live: bool = False, progress: Progress = untold
) -> CopyReport:
    """Copies all rows of the store at `src` to the one at `dst`, which is made where it is new.

    Conflict while calls are live in `src`, unless `live`: then what has changed is copied again, up
    to four times, until nothing has. Conflict, too, while another copies to `dst`, and where that
    has calls, holds, erasures or audit entries of its own, which `src` has not: they have neither
    expired nor been there when `dst` was last copied from this `src`. All else that `src` has not
    is deleted from `dst`. Left out is what expired more than three days ago, for MongoDB deletes it
    by itself. NotFound where `src` is no database. `progress` is told the collection, how many of
    its rows are done, and of how many.
    """
    async with _opened("/src", src, may_make=False) as source:
        await _check_still(source, live=live)
        # One that was cut off has not all indexes yet.
        async with (
            _opened("/dst", dst, may_finish=True) as target,
            _alone(source, target) as holder,
        ):
            origin = _Origin(await _identity(source), target, holder)
            return await _Copy(source, target, progress).run(origin, live=live)


@asynccontextmanager
async def _opened(argument: str, url: str, **may: bool) -> AsyncIterator[Store]:
    """Neither database is migrated on the way: Invalid and SchemaMismatch say which it is about."""
    settings = replace(load_settings(None), auto_migrate=False)
    async with AsyncExitStack() as stack:
        try:
            opening = opened_store(url, settings, clock=_now, new_id=id_maker(), **may)
            store = await stack.enter_async_context(opening)
        except Invalid as error:
            raise Invalid.field(argument, error.errors[0][1]) from None
        except SchemaMismatch as error:
            raise SchemaMismatch(f"{argument[1:]}: {error}") from None
        yield store


async def _check_still(source: Store, *, live: bool) -> None:
    going_on = 0 if live else await source.structure.count("CallSession", {"live": True})
    if going_on:
        raise Conflict(f"{going_on} calls are live: end them, or copy with live (--live)")


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def _alone(source: Store, target: Store) -> AsyncIterator[str]:
    """No other copies to the target, and it is not the source under another name. The holder."""
    refusal = Conflict("another copy to this database is on its way, or died within a minute")
    async with holding(target, LEASE, _now, refusal=refusal) as holder:
        lease = await _lease(source)
        if lease and lease.holder == holder:
            raise Invalid.field("/dst", "is the database that is copied from")
        yield holder


async def _lease(store: Store) -> Lease | None:
    seen: list[Lease | None] = []
    await store.change_lease(LEASE, seen.append)
    return seen[-1]


async def _identity(store: Store) -> str:
    """No two databases were made at one time, and none forgets when: it need not be written to."""
    return (await store.structure.applied())[0].applied_at.isoformat()


class _Origin:
    """Whose copy the target is, and of when: it remembers that with its lease."""

    def __init__(self, source: str, target: Store, holder: str) -> None:
        self._source = source
        self._target = target
        self._holder = holder

    async def until(self) -> datetime | None:
        """Of when it is a copy of this very source; None where it is none."""
        lease = await _lease(self._target)
        source, _, until = ((lease and lease.token) or "").partition(" ")
        return datetime.fromisoformat(until) if source == self._source else None

    async def keep(self, until: datetime) -> None:
        token = f"{self._source} {until.isoformat()}"
        await self._target.change_lease(LEASE, come_to(self._holder, token))


class _Sum:
    """The digest of a set of rows: the sum of theirs, so that their order does not matter."""

    def __init__(self) -> None:
        self.rows = 0
        self.left_out = 0
        self._sum = 0

    def add(self, rows: Sequence[Any]) -> None:
        self.rows += len(rows)
        for row in rows:
            text = msgspec.json.encode(msgspec.to_builtins(row), order="sorted")
            self._sum += int.from_bytes(hashlib.sha256(text).digest())

    @property
    def digest(self) -> str:
        return f"{self._sum % 2**256:064x}"


class _Named(NamedTuple):
    """Stands for a row that is asked for."""

    id: str


class _Copy:
    def __init__(self, source: Store, target: Store, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._now = _now()  # one for all it does: what is left out is so from first to last
        self._over_by = self._now - TTL_AFTER
        self._calls_are_over = False  # some of the source's
        self._written = dict.fromkeys(NAMES, 0)
        self._deleted = dict.fromkeys(NAMES, 0)

    async def run(self, origin: _Origin, *, live: bool) -> CopyReport:
        await self._check(await origin.until())
        await origin.keep(_now())
        passes = 0
        async with bulk_load(self._target.structure, self._progress):
            more = True
            while more and passes < (PASSES if live else 1):
                more = any([await self._bring(name, live=live) for name in NAMES])
                passes += 1
                await origin.keep(_now())
        source = {name: await self._summed(self._source, name) for name in NAMES}
        collections: dict[str, Copied] = {}
        for name in reversed(NAMES):  # rows of a call before their call
            collections[name] = await self._verified(name, source[name])
        return CopyReport(
            collections={name: collections[name] for name in NAMES},
            verified=all(copied.same for copied in collections.values()),
            passes=passes,
        )

    async def _check(self, until: datetime | None) -> None:
        """What the source lacks has gone from there since, or it is the target's own."""
        for name, made in MADE.items():
            async for rows in _walk(self._target, name):
                there = await self._source.rows_like(name, rows)
                for row in [row for row in rows if row.id not in there]:
                    copied = until is not None and getattr(row, made) <= until
                    expired = row.expires_at is not None and row.expires_at <= self._now
                    if not (copied or expired or _is_of_schema(row)):
                        raise Conflict(f"the target has a {name} of its own, {row.id}")

    async def _bring(self, name: str, *, live: bool) -> bool:
        """Writes what the target lacks, and reads on meanwhile; whether another pass is due."""
        total, done = await self._source.structure.count(name), 0
        there, _ = await self._target.rows(name, None, 1)
        written = self._written[name]
        writing: asyncio.Task[None] | None = None
        last: list[Any] = []
        try:
            async for rows in _walk(self._source, name):
                if writing is not None:
                    await writing
                done += len(rows)
                some = await self._lasting(name, rows)
                if live and tables.BY_NAME[name].of_call:
                    some = await self._of_known_calls(some)
                last += filter(OCCUPYING[name], some)
                rest = [*filterfalse(OCCUPYING[name], some)]
                writing = asyncio.create_task(self._put(name, rest, fresh=not there))
                self._progress(name, done, max(total, done))
            if writing is not None:
                await writing
        finally:
            if writing is not None:
                await stop(writing)
        late = [
            await self._put_last(name, last[first : first + BATCH])
            for first in range(0, len(last), BATCH)
        ]
        return any(late) or self._written[name] > written

    async def _lasting(self, name: str, rows: list[Any]) -> list[Any]:
        """Rows of the source but for those that are over, by themselves or with their call: what is
        of a call without an end of its own, as a recording, does not go without it."""
        lasting = [row for row in rows if not self._is_over(name, row)]
        if name == tables.CALL.name:
            self._calls_are_over |= len(lasting) < len(rows)
        if not (self._calls_are_over and lasting and tables.BY_NAME[name].of_call):
            return lasting
        calls = [_Named(id) for id in {row.call_session_id for row in lasting}]
        found = (await self._source.rows_like(tables.CALL.name, calls)).values()
        over = {call.id for call in found if self._is_over(tables.CALL.name, call)}
        return [row for row in lasting if row.call_session_id not in over]

    def _is_over(self, name: str, row: Any) -> bool:
        """Whether MongoDB takes it by itself, were it there."""
        expires = row.expires_at if name in NETTED else None
        return expires is not None and expires <= self._over_by

    async def _of_known_calls(self, rows: list[Any]) -> list[Any]:
        """Those of calls that have begun since are brought by the next pass."""
        calls = [_Named(id) for id in {row.call_session_id for row in rows}]
        known = await self._target.rows_like(tables.CALL.name, calls)
        return [row for row in rows if row.call_session_id in known]

    async def _put_last(self, name: str, rows: list[Any]) -> bool:
        """As they are by now. True: one has given way to another meanwhile, which the next pass
        brings."""
        now = [*(await self._source.rows_like(name, rows)).values()]
        try:
            await self._put(name, [*filterfalse(OCCUPYING[name], now)], fresh=False)
            await self._put(name, [*filter(OCCUPYING[name], now)], fresh=False)
        except Conflict:
            return True
        return False

    async def _put(self, name: str, rows: list[Any], *, fresh: bool) -> None:
        if fresh:  # inserting costs a fraction
            await self._target.add_rows({name: rows})
            self._written[name] += len(rows)
            return
        there = await self._target.rows_like(name, rows)
        lacking = [row for row in rows if there.get(row.id) != row]
        if lacking:
            try:
                await self._target.put_rows(name, lacking)
            except Conflict:  # what the source no longer has may be in their place
                # Of a call, all its rows: on SQLite one with recordings does not go without.
                for each in reversed(NAMES) if name == tables.CALL.name else [name]:
                    await self._drop_strangers(each)
                await self._target.put_rows(name, lacking)
            self._written[name] += len(lacking)

    async def _verified(self, name: str, source: _Sum) -> Copied:
        target = await self._summed(self._target, name)
        if target.digest != source.digest:
            await self._drop_strangers(name)
            target = await self._summed(self._target, name)
        return Copied(
            rows=target.rows,
            written=self._written[name],
            deleted=self._deleted[name],
            left_out=source.left_out,
            digest=target.digest,
            same=(source.rows, source.digest) == (target.rows, target.digest),
        )

    async def _summed(self, store: Store, name: str) -> _Sum:
        summed, total = _Sum(), await store.structure.count(name)
        side = "source" if store is self._source else "copy"
        async for rows in _walk(store, name):
            if store is self._source:
                some = await self._lasting(name, rows)
            else:
                some = [row for row in rows if not self._is_over(name, row)]
            summed.add(some)
            summed.left_out += len(rows) - len(some)
            done = summed.rows + summed.left_out
            self._progress(f"verifying the {side}'s {name}", done, max(total, done))
        return summed

    async def _drop_strangers(self, name: str) -> None:
        """What has gone from the source since it was copied: erased, expired."""
        async for rows in _walk(self._target, name):
            there = await self._source.rows_like(name, rows)
            lasting = {row.id for row in await self._lasting(name, [*there.values()])}
            if strange := [row for row in rows if row.id not in lasting]:
                await self._target.delete_rows(name, strange)
                self._deleted[name] += len(strange)


def _is_of_schema(row: Any) -> bool:
    """An entry about the target's own making, as when it was migrated: no act upon its rows."""
    return isinstance(row, AuditEntry) and row.action in (CHAIN, "schema.up")


async def _walk(store: Store, name: str) -> AsyncIterator[list[Any]]:
    after, more = None, True
    while more:
        rows, after = await store.rows(name, after, BATCH)
        more = after is not None
        if rows:
            yield rows
