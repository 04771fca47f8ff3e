"""A party's data as a stream: JSON, XML, or a zip with the files of recordings."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Literal

import msgspec

from callstore.calls.describe import Describe
from callstore.calls.model import Party, replace
from callstore.errors import StoreError
from callstore.privacy.as_json import JsonWriter
from callstore.privacy.as_xml import XmlWriter
from callstore.privacy.documents import AuditEntries, DocumentBytes, RecordingFile
from callstore.privacy.exported import ExportedFile, Manifest, ZipManifest
from callstore.privacy.gathering import History
from callstore.privacy.zipped import Zip
from callstore.reading import Bytes, Reading
from callstore.recordings.uploads import Uploads
from callstore.stores.protocol import Store

ExportFormat = Literal["json", "xml", "zip"]

_CHUNK = 64 * 1024  # bytes given at a time, or more


class Told:
    """What an export tells of itself at its end. Apart from the stream: who drops that before its
    end frees all that it holds at once."""

    manifest: Manifest | ZipManifest | None = None


class Exporting(Reading):
    """An export's bytes, once. `manifest` says what was in it, when all have been read."""

    def __init__(self, begin: Callable[[Told], Awaitable[Bytes]]) -> None:
        self._told = Told()
        super().__init__(partial(begin, self._told))

    @property
    def manifest(self) -> Manifest | ZipManifest | None:
        return self._told.manifest


class Export:
    """Exports of a store. In memory is a page of calls, whatever there is; of a zip also the list
    of its files."""

    def __init__(
        self,
        store: Store,
        uploads: Uploads,
        audit: AuditEntries,
        *,
        clock: Callable[[], datetime],
        describe: Describe | None,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._clock = clock
        self._describe = describe
        self._audit = audit

    async def open(self, party: Party, format: ExportFormat, told: Told) -> Bytes:
        """The bytes; `told` gets the manifest. The first calls are read at once."""
        history = History(self._store.parties, party, self._describe)
        await history.begin()
        writer = XmlWriter() if format == "xml" else JsonWriter()
        document = DocumentBytes(history, writer, self._clock(), self._audit)
        if format == "zip":
            document.files = []
            return _in_chunks(self._zip(document, told))
        return _in_chunks(_alone(document, told))

    async def _zip(self, document: DocumentBytes, told: Told) -> Bytes:
        archive = Zip(document.at)
        async with aclosing(archive.add("calls.json", document.bytes())) as some:
            async for each in some:
                yield each
        for file in document.files or ():
            async with aclosing(self._recording(archive, file)) as some:
                async for each in some:
                    yield each
        manifest = ZipManifest(
            schema=document.manifest.schema,
            party=document.subject,
            exported_at=document.at,
            counts=document.manifest.counts,
            initiated=document.manifest.initiated,
            files=archive.files.copy(),
        )
        async with aclosing(archive.add("manifest.json", _encoded(manifest))) as some:
            async for each in some:
                yield each
        yield archive.end()
        told.manifest = manifest

    async def _recording(self, archive: Zip, file: RecordingFile) -> Bytes:
        name = f"recordings/{file.id}.{file.format}"
        try:
            size, problem = await self._uploads.files.size(file.path), "missing"
        except StoreError:
            size, problem = None, "unreadable"
        if size is None:
            archive.files.append(ExportedFile(name=name, recording=file.id, problem=problem))
            return
        chunks = self._uploads.files.read(file.path, 0, size)
        async with aclosing(archive.add(name, chunks, media=True, recording=file.id)) as some:
            async for each in some:
                yield each
        added = archive.files[-1]
        if not added.problem and file.sha256 not in (None, added.sha256):
            archive.files[-1] = replace(added, problem="changed")


async def _alone(document: DocumentBytes, told: Told) -> Bytes:
    async with aclosing(document.bytes()) as some:
        async for each in some:
            yield each
    told.manifest = document.manifest


async def _encoded(manifest: ZipManifest) -> Bytes:
    yield msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"


async def _in_chunks(pieces: AsyncGenerator[bytes, None]) -> Bytes:
    """Of a size to be passed on. Others get their turn between them."""
    gathered = bytearray()
    async with aclosing(pieces):
        async for piece in pieces:
            gathered += piece
            if len(gathered) >= _CHUNK:
                yield bytes(gathered)
                gathered.clear()
                await asyncio.sleep(0)
    if gathered:
        yield bytes(gathered)
