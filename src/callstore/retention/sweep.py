"""The sweep: deadlines, lost parties, seats and analyses, by one process at a time."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from callstore.calls.commands import Expire
from callstore.calls.lifecycle.expiry import P2P_AFTER
from callstore.calls.model import Event, Row
from callstore.stores.group import SWEEP, WATCH_GAP, Group
from callstore.stores.protocol import Store

LEASE_FOR = timedelta(seconds=60)


class SweepReport(Row, frozen=True, kw_only=True):
    """What a sweep did: calls that rang out, participants lost, calls brought to another mode,
    calls whose late invitees stopped ringing, calls analysed, unfinished work finished."""

    timed_out: int = 0
    lost: int = 0
    switched: int = 0
    expired_rings: int = 0
    analysed: int = 0
    finished: int = 0


async def sweep(
    store: Store,
    group: Group,
    analyse: Callable[[str], Awaitable[object]],
    *,
    holder: str,
    now: datetime,
    liveness: timedelta | None,
    pinned: bool,
) -> SweepReport:
    """One sweep as of `now`; all zeros while another process holds the lease.

    `pinned`: decide as of `now`, not as of when each call's turn comes.
    """
    lease = await store.take_lease(SWEEP, holder, now, LEASE_FOR, WATCH_GAP)
    if lease is None:
        return SweepReport()
    try:
        events = await _expire(store, group, now, liveness, pinned=pinned)
        unanalysed = await store.unanalysed()
        for call_id in unanalysed:
            await analyse(call_id)
    finally:
        await store.release_lease(SWEEP, holder)
    return SweepReport(
        timed_out=sum(
            event.type == "call.ended" and (event.data or {})["reason"] == "timeout"
            for event in events
        ),
        lost=sum(event.type == "participant.lost" for event in events),
        switched=sum(event.type == "mode.switched" for event in events),
        expired_rings=sum(event.type == "ring.expired" for event in events),
        analysed=len(unanalysed),
    )


async def _expire(
    store: Store, group: Group, now: datetime, liveness: timedelta | None, *, pinned: bool
) -> list[Event]:
    silent_before = None if liveness is None else now - liveness
    events: list[Event] = []
    for call_id in await store.overdue(now, silent_before, now - P2P_AFTER):
        _, made = await group.submit(Expire(call_id=call_id, at=now if pinned else None))
        events += made
    return events
