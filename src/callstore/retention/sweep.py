"""The sweep: deadlines, lost parties, seats, analyses and what was cut off, by one process at a
time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec
from msgspec import Struct

from callstore.calls.commands import Expire
from callstore.calls.lifecycle.expiry import P2P_AFTER
from callstore.calls.model import Event, Row
from callstore.errors import Busy, CallstoreError, NotFound, StoreUnavailable
from callstore.metrics import Tell
from callstore.settings import Settings
from callstore.stores.group import MOST, Group
from callstore.stores.holders import is_gone, new_holder
from callstore.stores.leases import SWEEP, release, take
from callstore.stores.protocol import Store
from callstore.tasks import KeepOn

STAMPING = 20.0  # seconds of a sweep at most
_log = logging.getLogger("callstore")


class Chores(Struct, frozen=True):
    """What a sweep does besides, each while it may keep on: analyse an ended call; finish uploads
    and deletions of files (how many, how many could not be); settle holds; finish erasures (as
    before); stamp."""

    analyse: Callable[[str], Awaitable[object]]
    finish: Callable[[datetime, KeepOn], Awaitable[tuple[int, int]]]
    settle: Callable[[datetime, KeepOn], Awaitable[int]]
    erase: Callable[[KeepOn], Awaitable[tuple[int, int]]]
    stamp: Callable[[datetime, KeepOn], Awaitable[int]]


class SweepReport(Row, frozen=True, kw_only=True):
    """What a sweep did: calls that rang out, participants lost, calls brought to another mode,
    calls whose late invitees stopped ringing, calls analysed; recordings whose upload or deletion
    was cut off, or that got no file for a day, and erasures that were pending, finished; and what
    could not be swept, which the log says more of."""

    timed_out: int = 0
    lost: int = 0
    switched: int = 0
    expired_rings: int = 0
    analysed: int = 0
    finished: int = 0
    failed: int = 0


class Sweep:
    """Sweeps of one process, one at a time."""

    def __init__(
        self,
        store: Store,
        group: Group,
        chores: Chores,
        tell: Tell,
        *,
        clock: Callable[[], datetime],
        settings: Settings,
    ) -> None:
        self._store = store
        self._group = group
        self._chores = chores
        self._clock = clock
        self._liveness = settings.liveness
        self._tell = tell
        self._pinned: datetime | None = None
        self._holder = ""
        self._running = False
        self._failed = 0

    async def run(self, pinned: datetime | None) -> SweepReport:
        """One sweep: everything as of `pinned`, None as of when its turn comes. All zeros while
        another sweep holds the lease."""
        if self._running:
            return SweepReport()
        self._running, self._pinned, self._failed = True, pinned, 0
        self._holder = new_holder()
        began = time.monotonic()
        try:
            report = await self._run()
        finally:
            self._running = False
        self._tell("callstore_sweep_seconds", time.monotonic() - began, {})
        for name, count in msgspec.structs.asdict(report).items():
            self._tell("callstore_sweep_total", count, {"what": name})
        return report

    async def _run(self) -> SweepReport:
        if not await self._keep_lease():
            return SweepReport()
        try:
            events = await self._expire()
            analysed = await self._analyse_ended()
            now = self._pinned or self._clock()
            finished, unfinished = await self._chores.finish(now, self._keep_lease)
            await self._chores.settle(now, self._keep_lease)
            erased, pending = await self._chores.erase(self._keep_lease)
            await self._chores.stamp(now, self._keep_lease_for(STAMPING))
        finally:
            await self._store.change_lease(SWEEP, release(self._holder))
        return SweepReport(
            timed_out=sum(
                e.type == "call.ended" and (e.data or {})["reason"] == "timeout" for e in events
            ),
            lost=sum(e.type == "participant.lost" for e in events),
            switched=sum(e.type == "mode.switched" for e in events),
            expired_rings=sum(e.type == "ring.expired" for e in events),
            analysed=analysed,
            finished=finished + erased,
            failed=self._failed + unfinished + pending,
        )

    async def _keep_lease(self) -> bool:
        """Taken or renewed; False when another sweep has it."""
        now = self._pinned or self._clock()
        taking = take(SWEEP, self._holder, now, is_gone)
        return await self._store.change_lease(SWEEP, taking) is not None

    def _keep_lease_for(self, seconds: float) -> KeepOn:
        """For so long: the next sweep goes on. Who is lost must be found meanwhile."""
        until = time.monotonic() + seconds

        async def keep_on() -> bool:
            return time.monotonic() < until and await self._keep_lease()

        return keep_on

    async def _expire(self) -> list[Event]:
        now = self._pinned or self._clock()
        silent_before = None if self._liveness is None else now - self._liveness
        due = await self._store.due(now, silent_before, now - P2P_AFTER)
        events: list[Event] = []
        for first in range(0, len(due), MOST):
            some = due[first : first + MOST]
            found = await asyncio.gather(
                *(self._group.submit(Expire(call_id=id, at=self._pinned)) for id in some),
                return_exceptions=True,
            )
            for id, one in zip(some, found, strict=True):
                if isinstance(one, BaseException):
                    self._failed += _passed_over(id, one)
                else:
                    events += one[1]
            if not await self._keep_lease():
                break
        return events

    async def _analyse_ended(self) -> int:
        """One call may be too much for the store; where the next one is, too, it is away."""
        count, too_much = 0, False
        for call_id in await self._store.unanalysed():
            if not await self._keep_lease():
                break
            try:
                await self._chores.analyse(call_id)
                count, too_much = count + 1, False
            except (Busy, StoreUnavailable) as error:
                if too_much:
                    raise
                too_much = True
                self._failed += 1
                _log.error("call %s could not be analysed", call_id, exc_info=error)
            except CallstoreError as error:
                self._failed += _passed_over(call_id, error)
        return count


def _passed_over(call_id: str, error: BaseException) -> int:
    """One call must not keep a sweep from all others; that the store is away stops it. Gives how
    many failures it counts as: a call that was deleted meanwhile is none."""
    if isinstance(error, NotFound):
        return 0
    if isinstance(error, Busy | StoreUnavailable) or not isinstance(error, CallstoreError):
        raise error
    _log.error("call %s could not be swept", call_id, exc_info=error)
    return 1
