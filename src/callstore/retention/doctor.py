"""The doctor: what disagrees in a database and its storage, and how it is mended."""

import logging
from collections.abc import Callable
from datetime import datetime

from callstore.calls.commands import Expire, Recount
from callstore.calls.model import Row
from callstore.errors import Conflict, Held, NotFound, StoreError
from callstore.recordings.folder import whole
from callstore.recordings.paths import ids_in
from callstore.recordings.uploads import Uploads
from callstore.retention.strays import Strays, strays
from callstore.settings import Settings
from callstore.stores.group import Group
from callstore.stores.protocol import Finding, Store

_log = logging.getLogger("callstore")


class DoctorReport(Row, frozen=True, kw_only=True):
    """What was found among `calls` calls and `files` files of recordings (None: they could not be
    looked at), and how many of the findings were mended."""

    calls: int
    files: int | None
    findings: list[Finding]
    fixed: int


class Doctor:
    def __init__(
        self,
        store: Store,
        group: Group,
        uploads: Uploads,
        *,
        clock: Callable[[], datetime],
        settings: Settings,
    ) -> None:
        self._store = store
        self._group = group
        self._uploads = uploads
        self._clock = clock
        self._liveness = settings.liveness

    async def examine(self, *, fix: bool, progress: Callable[[int], object] | None) -> DoctorReport:
        """Overdue live calls, orphans, rows that lack a null, counts that disagree with rows, gaps
        in seq, files without a row and rows without a file.

        A gap cannot be mended: the event is gone. An overdue call is ended only when the rules
        allow it, which for lost parties wants regular sweeps. A file goes only if it is of a call
        that is known here, a row only if most others' files are where they should be: this may
        be another's storage.
        """
        calls, now = 0, self._clock()
        silent = now - self._liveness if self._liveness else None
        findings = [
            Finding(problem="overdue", collection="CallSession", id=id, detail="live, but overdue")
            for id in await self._store.overdue(now, silent)
        ]
        async for count, found in self._store.examine():
            calls += count
            findings += found
            if progress is not None:
                progress(count)
        seen = await self._strays()
        findings += seen.findings
        fixed = 0
        # MongoDB refuses every change of a row while a field is missing: those first.
        for finding in sorted(findings, key=_is_whole) if fix else ():
            fixed += await self._mend(finding, seen)
        return DoctorReport(calls=calls, files=seen.files, findings=findings, fixed=fixed)

    async def _strays(self) -> Strays:
        storage = self._uploads.storage
        if storage is None:
            return Strays(files=None)
        try:
            return await strays(self._store, storage)
        except StoreError as error:  # what was found in the database counts all the same
            away = Finding(
                problem="storage", collection="CallRecording", id="", detail=f"not seen: {error}"
            )
            return Strays(files=None, findings=[away])

    async def _mend(self, finding: Finding, seen: Strays) -> bool:
        """Whether it is mended; what cannot be does not keep the others from it."""
        try:
            match finding.problem:
                case "overdue":
                    call, _ = await self._group.submit(Expire(call_id=finding.id))
                    return not call.live
                case "counts":
                    return bool(await self._group.submit(Recount(call_id=finding.id)))
                case "orphan":
                    return await self._mend_orphan(finding)
                case "missing_nulls":
                    await self._store.mend(finding)
                    return True
                case "row_without_file" if seen.there > seen.gone:
                    return await self._mend_row(finding.id)
                case "file_without_row":
                    return await self._mend_file(finding.id)
        except (Conflict, Held, NotFound, StoreError) as error:
            _log.error("%s could not be mended", finding.id, exc_info=error)
        return False

    async def _mend_orphan(self, finding: Finding) -> bool:
        """Files before their rows: of one without, nobody would know whose it is."""
        room, call_id = finding.conversation_id, finding.id
        assert room is not None
        for hold in await self._store.papers.holds():
            # Whom the rows are of is not asked.
            named = hold.party is not None or room == hold.conversation_id
            if hold.released_at is None and (named or call_id == hold.call_session_id):
                raise Held(f"rows of call {call_id} may be under hold {hold.id}", [hold.id])
        call = await self._store.call(call_id)
        if call is not None and call.conversation_id == room:
            return False  # it has come since, as by a copy
        if finding.collection == "CallRecording":
            for row in await self._store.papers.recordings_of_calls([(room, call_id)]):
                if row.file_path:
                    known = row.status == "available"
                    await self._uploads.files.remove(row.file_path, known=known)
        await self._store.mend(finding)
        return True

    async def _mend_row(self, recording_id: str) -> bool:
        row = await self._uploads.found(recording_id)
        if ids_in(row.file_path) is None or await self._uploads.files.size(row.file_path):
            return False
        return (await self._uploads.delete(row)).status == "deleted"

    async def _mend_file(self, path: str) -> bool:
        file, ids = whole(path), ids_in(whole(path))
        call = None if ids is None else await self._store.call(ids[0])
        if ids is None or call is None or call.holds:
            return False
        if any(row.file_path == file for row in await self._store.recordings([ids[1]])):
            return False
        await self._uploads.files.remove(file)
        return True


def _is_whole(finding: Finding) -> bool:
    return finding.problem != "missing_nulls"
