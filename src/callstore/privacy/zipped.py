"""Files put into a zip that is given away as it grows: nobody can go back in it."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import IO, Any, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from callstore.errors import NotFound, StoreError
from callstore.privacy.exported import ExportedFile
from callstore.reading import Bytes


class _Sink(bytearray):
    """What a zip is written to; it has neither tell nor seek."""

    def write(self, some: Any) -> int:
        self += some
        return len(some)

    def flush(self) -> None:
        pass


class _Archive(ZipFile):
    def __del__(self) -> None:
        """One that is given up has no end to be written, and may have a file half written."""


class Zip:
    """A zip whose bytes `drain` gives as far as there are any. Its list of files, at its end, is
    what grows with them."""

    def __init__(self, at: datetime) -> None:
        self._at = at.timetuple()[:6]
        self._written = _Sink()
        self._archive = _Archive(cast("IO[bytes]", self._written), "w")
        self.files: list[ExportedFile] = []

    def drain(self) -> bytes:
        some = bytes(self._written)
        self._written.clear()
        return some

    async def add(
        self, name: str, chunks: AsyncGenerator[bytes, None], *, media: bool = False, **about: Any
    ) -> Bytes:
        """A file of these chunks, larger than 4 GiB if it must; media are stored as they are. What
        became of it is then the last of `files`: its problem, where the chunks broke off."""
        size, hashed, problem = 0, hashlib.sha256(), None
        info = ZipInfo(name, self._at)
        info.compress_type = ZIP_STORED if media else ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        async with aclosing(chunks):
            with self._archive.open(info, "w", force_zip64=True) as file:
                try:
                    async for chunk in chunks:
                        size += len(chunk)
                        hashed.update(chunk)
                        file.write(chunk)
                        yield self.drain()
                except (StoreError, NotFound):
                    if not media:
                        raise
                    problem = "unreadable"
        digest = hashed.hexdigest()
        self.files.append(
            ExportedFile(name=name, size=size, sha256=digest, problem=problem, **about)
        )
        yield self.drain()

    def end(self) -> bytes:
        self._archive.close()
        return self.drain()
