"""The doctor: what disagrees in a database, and how it is mended."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from callstore.calls.commands import Expire, Recount
from callstore.calls.model import Row
from callstore.errors import Conflict, NotFound, StoreError
from callstore.stores.group import Group
from callstore.stores.protocol import Finding, Store

_log = logging.getLogger("callstore")


class DoctorReport(Row, frozen=True, kw_only=True):
    """What was found among `calls` calls, and how many of the findings were mended."""

    calls: int
    findings: list[Finding]
    fixed: int


async def examine(
    store: Store,
    group: Group,
    now: datetime,
    liveness: timedelta | None,
    fix: bool,
    progress: Callable[[int], object] | None,
) -> DoctorReport:
    """Overdue live calls, orphans, counts that disagree with rows, gaps in seq.

    A gap cannot be mended: the event is gone. An overdue call is ended only when the rules allow
    it, which for lost parties wants regular sweeps.
    """
    calls, fixed = 0, 0
    findings = [
        Finding(problem="overdue", collection="CallSession", id=id, detail="live, but overdue")
        for id in await store.overdue(now, now - liveness if liveness else None)
    ]
    async for count, found in store.examine():
        calls += count
        findings += found
        if progress is not None:
            progress(count)
    if fix:
        for finding in findings:
            fixed += await _mend(store, group, finding)
    return DoctorReport(calls=calls, findings=findings, fixed=fixed)


async def _mend(store: Store, group: Group, finding: Finding) -> bool:
    """Whether it is mended; what cannot be does not keep the others from it."""
    try:
        match finding.problem:
            case "overdue":
                call, _ = await group.submit(Expire(call_id=finding.id))
                return not call.live
            case "counts":
                return bool(await group.submit(Recount(call_id=finding.id)))
            case "orphan":
                await store.delete_orphan(finding)
                return True
    except (Conflict, NotFound, StoreError) as error:
        _log.error("call %s could not be mended", finding.id, exc_info=error)
    return False
