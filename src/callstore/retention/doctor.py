"""The doctor: what disagrees in a database, and how it is mended."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from callstore.calls.commands import Expire, Recount
from callstore.calls.model import Row
from callstore.errors import Conflict, Held, NotFound, StoreError
from callstore.recordings.facade import Recordings
from callstore.recordings.folder import whole
from callstore.recordings.paths import ids_in
from callstore.retention.strays import strays
from callstore.stores.group import Group
from callstore.stores.protocol import Finding, Store

_log = logging.getLogger("callstore")


class DoctorReport(Row, frozen=True, kw_only=True):
    """What was found among `calls` calls and `files` files of recordings (None: nobody has said
    where those are), and how many of the findings were mended."""

    calls: int
    files: int | None
    findings: list[Finding]
    fixed: int


async def examine(
    store: Store,
    group: Group,
    recordings: Recordings,
    now: datetime,
    liveness: timedelta | None,
    fix: bool,
    progress: Callable[[int], object] | None,
) -> DoctorReport:
    """Overdue live calls, orphans, counts that disagree with rows, gaps in seq, files without a row
    and rows without a file.

    A gap cannot be mended: the event is gone. An overdue call is ended only when the rules allow
    it, which for lost parties wants regular sweeps. Files and rows are left alone where none has
    the other: this may be another's storage.
    """
    calls = 0
    findings = [
        Finding(problem="overdue", collection="CallSession", id=id, detail="live, but overdue")
        for id in await store.overdue(now, now - liveness if liveness else None)
    ]
    async for count, found in store.examine():
        calls += count
        findings += found
        if progress is not None:
            progress(count)
    found_files = await strays(store, recordings.files) if recordings.files else None
    if found_files is not None:
        findings += found_files.findings
    fixed = 0
    if fix:
        for finding in findings:
            fixed += await _mend(store, group, finding)
            if found_files is not None:
                fixed += await _mend_file(store, recordings, finding, found_files.paired)
    looked_at = None if found_files is None else found_files.files
    return DoctorReport(calls=calls, files=looked_at, findings=findings, fixed=fixed)


async def _mend_file(store: Store, recordings: Recordings, finding: Finding, paired: bool) -> bool:
    """A file goes only if its name is of callstore's making, and its call or another recording is
    known here; a row only if another recording's file is where it should be."""
    try:
        if finding.problem == "row_without_file" and paired:
            await recordings.delete(finding.id, by="doctor")
            return True
        ids = ids_in(whole(finding.id)) if finding.problem == "file_without_row" else None
        if ids and recordings.files and (paired or await store.call(ids[0])):
            await recordings.files.remove(whole(finding.id))
            return True
    except (Conflict, Held, NotFound, StoreError) as error:
        _log.error("%s could not be mended", finding.id, exc_info=error)
    return False


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
