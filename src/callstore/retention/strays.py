"""Files that no recording has, and recordings whose file is gone."""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

from callstore.calls.model import Row
from callstore.recordings.files import Files
from callstore.recordings.folder import whole
from callstore.recordings.model import Recording
from callstore.recordings.paths import ids_in
from callstore.stores.protocol import Finding, Store

_AT_ONCE = 32  # files that the storage is asked for
_BATCH = 1000  # rows

Problem = Literal["row_without_file", "file_without_row", "file_size"]


class Strays(Row, frozen=True, kw_only=True):
    """`files` were looked at; of how many recordings the file is `there`, of how many `gone`."""

    files: int | None
    there: int = 0
    gone: int = 0
    findings: list[Finding] = []


async def strays(store: Store, files: Files) -> Strays:
    """Rows are read after a file was listed: whatever is uploaded meanwhile has one before it has
    a file. One question to the storage for each recording that should have a file."""
    findings: list[Finding] = []
    theirs: set[str] = set()  # paths that another has chosen, of rows that were taken over
    count, there, gone = 0, 0, 0
    async for rows in _with_file(store):
        theirs |= {row.file_path for row in rows if ids_in(row.file_path) is None}
        for row, size in zip(rows, await _sizes(files, rows), strict=True):
            there, gone = there + (size is not None), gone + (size is None)
            if size != row.file_size and await store.recordings([row.id]) == [row]:
                findings.append(_of_row(row, size))
    async for paths in files.list():
        count += len(paths)
        findings += [
            _finding("file_without_row", path, "no recording has this file")
            for path in await _strange(store, paths, theirs)
        ]
    return Strays(files=count, there=there, gone=gone, findings=findings)


def _of_row(row: Recording, size: int | None) -> Finding:
    if size is None:
        return _finding("row_without_file", row.id, f"{row.file_path} is gone")
    said = f"{row.file_path} has {size} bytes, and had {row.file_size}"
    return _finding("file_size", row.id, said)


def _finding(problem: Problem, id: str, detail: str) -> Finding:
    return Finding(problem=problem, collection="CallRecording", id=id, detail=detail)


async def _with_file(store: Store) -> AsyncIterator[list[Recording]]:
    after = None
    while True:
        rows, after = await store.rows("CallRecording", after, _BATCH)
        for first in range(0, len(rows), _AT_ONCE):
            some = rows[first : first + _AT_ONCE]
            yield [row for row in some if row.status == "available" and not row.underway]
        if after is None:
            return


async def _sizes(files: Files, rows: list[Recording]) -> list[int | None]:
    return await asyncio.gather(*(files.size(row.file_path) for row in rows))


async def _strange(store: Store, paths: list[str], theirs: set[str]) -> list[str]:
    """Of these, those that no row has."""
    named = {path: ids_in(whole(path)) for path in paths}
    ids = {ids[1] for ids in named.values() if ids}
    known = theirs | {row.file_path for row in await store.recordings(sorted(ids))}
    return [path for path in paths if whole(path) not in known]
