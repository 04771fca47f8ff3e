"""An export's document, written as what is in it is read."""

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any

from msgspec import Struct

from callstore.calls.model import Party
from callstore.privacy import exported
from callstore.privacy.as_json import JsonWriter
from callstore.privacy.as_xml import XmlWriter
from callstore.privacy.exported import (
    SCHEMA,
    Counts,
    ExportedAnalytics,
    Manifest,
    Subject,
)
from callstore.privacy.gathering import History, Rows, Stay
from callstore.privacy.model import AuditEntry
from callstore.reading import Bytes
from callstore.recordings.model import Recording

AuditEntries = Callable[[Party], AsyncGenerator[AuditEntry, None]]
"""The audit's entries about a party, the newest first."""


class RecordingFile(Struct, frozen=True):
    """Where a recording's file is, and what it was."""

    id: str
    format: str
    path: str
    sha256: str | None


class DocumentBytes:
    """One document of a history; `manifest` when all bytes were read."""

    manifest: Manifest

    def __init__(
        self,
        history: History,
        writer: JsonWriter | XmlWriter,
        at: datetime,
        audit: AuditEntries,
    ) -> None:
        party = history.party
        self.at = at
        self.subject = Subject(kind=party.kind, id=party.id, name=history.name)
        self.files: list[RecordingFile] | None = None
        """Those of the recordings, where somebody wants to know."""
        self._history = history
        self._party = party
        self._writer = writer
        self._audit = audit
        self._counts: Counter[str] = Counter()
        self._initiated: Counter[str] = Counter()

    async def bytes(self) -> Bytes:
        digest = hashlib.sha256()
        async with aclosing(self._body()) as body:
            async for some in body:
                digest.update(some)
                yield some
        self.manifest = Manifest(
            schema=SCHEMA,
            counts=self._counted(),
            initiated=dict(self._initiated),
            sha256=digest.hexdigest(),
        )
        yield self._writer.end(self.manifest)

    def _counted(self) -> Counts:
        names = Counts.__struct_fields__
        counts = {name: self._counts[name] for name in names}
        return Counts(**counts)

    async def _body(self) -> Bytes:
        write = self._writer
        yield write.begin()
        yield write.field("party", self.subject)
        yield write.field("exportedAt", self.at)
        yield write.open("calls")
        async with aclosing(self._history.stays()) as stays:
            async for stay in stays:
                async with aclosing(self._record(stay)) as pieces:
                    async for piece in pieces:
                        yield piece
        yield write.close("calls")
        async with aclosing(self._section("audit", self._audited())) as pieces:
            async for piece in pieces:
                yield piece
        yield write.before_end()

    async def _record(self, stay: Stay) -> Bytes:
        """As CallRecord has it."""
        write = self._writer
        yield write.open_record("call")
        for name, section, value in await self._single(stay):
            self._counts[section] += value is not None
            yield write.field(name, value)
        asked_for: set[str] = set()
        sections = {
            "recordings": self._recordings(stay, asked_for),
            "events": self._events(stay, asked_for),
            "captions": self._each(stay, "CallTranscription", exported.caption),
            "samples": self._each(stay, "CallQualitySample", exported.sample),
        }
        for name, rows in sections.items():
            async with aclosing(self._section(name, rows)) as pieces:
                async for piece in pieces:
                    yield piece
        yield write.close_record("call")

    async def _single(self, stay: Stay) -> list[tuple[str, str, Any]]:
        """What a call has one of: (the field, its section, what it is)."""
        call, row = stay.call, stay.row
        told = call and exported.call(call, self._party, stay.conversation_name)
        if told and told.initiated:
            self._initiated[told.outcome] += 1
        return [
            ("call", "calls", told),
            ("logEntry", "log_entries", exported.entry(stay.entry)),
            ("participation", "participations", row and exported.participation(row)),
            ("analytics", "analytics", await self._analytics(stay)),
        ]

    async def _section(self, name: str, rows: Rows) -> Bytes:
        write = self._writer
        yield write.open(name)
        async with aclosing(rows):
            async for row in rows:
                self._counts[name] += 1
                yield write.item(exported.singular(name), row)
        yield write.close(name)

    async def _analytics(self, stay: Stay) -> ExportedAnalytics | None:
        async with aclosing(self._history.of(stay, "CallAnalytics")) as found:
            async for row in found:
                return exported.analytics(row, stay.row.id if stay.row else "")
        return None

    async def _recordings(self, stay: Stay, asked_for: set[str]) -> Rows:
        async with aclosing(self._history.of(stay, "CallRecording")) as rows:
            async for row in rows:
                if row.requester == self._party:
                    asked_for.add(row.id)
                    self._remember(row)
                    yield exported.recording(row)

    def _remember(self, row: Recording) -> None:
        if self.files is not None and row.status == "available":
            self.files.append(RecordingFile(row.id, row.format, row.file_path, row.sha256))

    async def _events(self, stay: Stay, asked_for: set[str]) -> Rows:
        async with aclosing(self._history.of(stay, "CallEvent")) as rows:
            async for row in rows:
                told = exported.event(row, self._party, asked_for)
                if told is not None:
                    yield told

    async def _each(self, stay: Stay, collection: str, shape: Callable[[Any], Struct]) -> Rows:
        async with aclosing(self._history.of(stay, collection)) as rows:
            async for row in rows:
                yield shape(row)

    async def _audited(self) -> Rows:
        async with aclosing(self._audit(self._party)) as entries:
            async for entry in entries:
                yield exported.audit(entry)
