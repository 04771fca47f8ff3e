"""How files come and go, so that neither a row nor a file is ever without the other for long.

A row says where before anything is written, and that it goes before it is removed. Whatever is cut
off at whatever point, `finish` finds by that.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import datetime
from typing import Any

from callstore.errors import Busy, Conflict, NotFound, StoreError, StoreUnavailable
from callstore.recordings import states
from callstore.recordings.commands import (
    AbortUpload,
    BeginDelete,
    BeginUpload,
    FailRecording,
    FinishDelete,
    FinishUpload,
    OnRecording,
)
from callstore.recordings.files import Files
from callstore.recordings.model import CONTENT_TYPES, Recording
from callstore.recordings.paths import path_of
from callstore.recordings.source import Broken, Source
from callstore.stores.group import Group
from callstore.stores.holding import holding
from callstore.stores.protocol import Store
from callstore.tasks import KeepOn, to_its_end

_FINISH_WITHIN = 15  # seconds for one of them: a sweep has more to do
_log = logging.getLogger("callstore")

Finished = tuple[int, int]
"""How many recordings were finished, how many could not be."""


class Uploads:
    def __init__(
        self, store: Store, group: Group, files: Files | None, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._group = group
        self.storage = files  # None: nobody has said where files go
        self._clock = clock
        self._under_way: dict[Source, asyncio.Event] = {}

    @property
    def files(self) -> Files:
        if self.storage is None:
            raise StoreError(
                "nobody has said where files of recordings are: set CALLSTORE_RECORDINGS, for"
                " example to s3://bucket/calls"
            )
        return self.storage

    async def do(self, command: type[OnRecording], row: Recording, **given: Any) -> Recording:
        asked = command(call_id=row.call_session_id, recording_id=row.id, **given)
        after: Recording = await self._group.submit(asked)
        return after

    async def found(self, recording_id: str) -> Recording:
        for row in await self._store.recordings([recording_id]):
            return row
        raise NotFound("recording", recording_id)

    async def put(
        self,
        row: Recording,
        stream: AsyncIterable[bytes],
        *,
        size: int | None,
        sha256: str | None,
        content_type: str | None,
    ) -> Recording:
        """The row with its file; else nothing of one is left, or a row says what is."""
        source = Source(stream, size=size, sha256=sha256)
        over = self._under_way[source] = asyncio.Event()
        try:
            async with aclosing(source), self._alone(row):
                row = await self._clear(await self.found(row.id))
                return await self._upload(row, source, content_type or CONTENT_TYPES[row.format])
        except Broken as broken:
            raise broken.cause from None
        finally:
            del self._under_way[source]
            over.set()

    async def close(self) -> None:
        """Uploads that are under way are given up."""
        waiting = [*self._under_way.items()]
        for source, _ in waiting:
            source.stop(StoreUnavailable("the store was closed"))
        for _, over in waiting:
            await over.wait()

    async def _upload(self, row: Recording, source: Source, content_type: str) -> Recording:
        files, path = self.files, path_of(row, secrets.token_hex(4))
        states.uploading(row, path, self._clock())  # refused before anything is read
        await source.begin()
        try:
            await self.do(BeginUpload, row, path=path)
            await files.put(path, source, content_type)
            return await self.do(
                FinishUpload,
                row,
                path=path,
                size=source.size,
                sha256=source.sha256,
                content_type=content_type,
            )
        except BaseException:
            await to_its_end(self._abort(row, path))
            raise

    async def _abort(self, row: Recording, path: str) -> None:
        """Whatever hinders it now, a sweep does it."""
        try:
            row = await self.do(AbortUpload, row, path=path)
            if row.file_path != path:
                # A sweep has given the upload up meanwhile.
                await self.files.remove(path, known=False)
            else:
                await self._clear(row)
        except NotFound:
            await self._remove_orphan(row, path)  # its call went meanwhile
        except StoreError as error:
            _log.warning("recording %s: %s is left to a sweep", row.id, path, exc_info=error)

    async def _remove_orphan(self, row: Recording, path: str) -> None:
        try:
            await self.files.remove(path, known=False)
        except StoreError as error:
            _log.warning("recording %s: %s is left to a doctor", row.id, path, exc_info=error)

    async def delete(self, row: Recording) -> Recording:
        return await self._clear(await self.do(BeginDelete, row))

    async def fail(self, row: Recording, reason: str) -> Recording:
        """Also where the storage is away: what is left of an upload goes when it is back."""
        if row.status == "processing" and row.underway == "upload":
            async with self._alone(row):
                row = await self.found(row.id)
                row = await self.do(AbortUpload, row, path=row.file_path)
        row = await self.do(FailRecording, row, reason=reason)
        try:
            return await self._clear(row)
        except StoreError as error:
            _log.warning("recording %s: its file is left to a sweep", row.id, exc_info=error)
            return row

    async def _clear(self, row: Recording) -> Recording:
        """Finishes what was cut off: an upload that nobody goes on with, a deletion."""
        if row.underway == "upload":
            row = await self.do(AbortUpload, row, path=row.file_path)
        if row.underway == "delete":
            path = row.file_path
            await self.files.remove(path, known=row.status == "available")
            row = await self.do(FinishDelete, row, path=path)
        return row

    async def finish(self, now: datetime, keep_on: KeepOn) -> Finished:
        """Finishes uploads and deletions that were cut off, and fails recordings that got no file
        for a day, while `keep_on` says so. Storage or a database that is away stops it: each row
        would wait for it anew."""
        done = failed = 0
        late = now - states.FILE_WITHIN
        rows = await self._store.unfinished_recordings(late)
        for row in sorted(rows, key=lambda row: not _is_late(row, late)):  # needs no storage
            if not await keep_on():
                break
            try:
                async with asyncio.timeout(_FINISH_WITHIN):
                    done += await self._finish(row, late)
            except (Conflict, NotFound):
                continue  # somebody is at it; its call is gone
            except (Busy, StoreUnavailable, TimeoutError) as error:
                _log.error("recordings could not be finished", exc_info=error)
                failed += 1
                break
            except StoreError as error:
                _log.error("recording %s could not be finished", row.id, exc_info=error)
                failed += 1
        return done, failed

    async def _finish(self, row: Recording, late: datetime) -> bool:
        if _is_late(row, late):
            # Though it may be under way: whoever uploads it is refused at its end.
            if row.underway == "upload":
                await self.do(AbortUpload, row, path=row.file_path)
            return (await self.fail(await self.found(row.id), states.NO_FILE)).status == "failed"
        async with self._alone(row):
            before = await self.found(row.id)
            return await self._clear(before) != before

    def _alone(self, row: Recording) -> AbstractAsyncContextManager[str]:
        """Nobody else does anything to its file meanwhile."""
        refusal = Conflict(f"something is being done to the file of recording {row.id} already")
        return holding(self._store, f"upload:{row.id}", self._clock, refusal=refusal)


def _is_late(row: Recording, late: datetime) -> bool:
    return row.status == "processing" and (row.stopped_at or row.created_at) <= late
