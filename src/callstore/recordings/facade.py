"""`calls.recordings`: begun and stopped, their files put, read and deleted."""

import builtins
from collections.abc import AsyncIterable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

from msgspec import Meta, Struct

from callstore.calls.arguments import OfCall
from callstore.calls.model import Label, Party
from callstore.errors import Invalid, InvalidTransition, NotFound
from callstore.ids import Id
from callstore.privacy.audit import Audit
from callstore.privacy.model import Action
from callstore.reading import Bytes, Reading
from callstore.recordings.commands import (
    StartRecording,
    StopRecording,
)
from callstore.recordings.links import link, linked
from callstore.recordings.model import Definition, Format, Recording, Sha256
from callstore.recordings.uploads import Uploads
from callstore.settings import Settings
from callstore.stores.group import Group
from callstore.stores.protocol import Store
from callstore.validation import ByteStream, check

_WEEK = 7 * 86_400  # seconds: what S3 signs at most
_TOKEN = "[a-zA-Z0-9!#$&^_.+-]+"  # noqa: S105 - as RFC 6838 (4.2) has the names of media types
ContentType = Annotated[
    str, Meta(max_length=255, pattern=rf"^{_TOKEN}/{_TOKEN}( *; *[\x20-\x7e]*)?\Z")
]


class _Start(OfCall, frozen=True, kw_only=True):
    requested_by: Party
    format: Format
    quality: Definition


class _Of(Struct, frozen=True, kw_only=True):
    recording_id: Id


class _Put(_Of, frozen=True, kw_only=True):
    stream: ByteStream
    size: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None
    sha256: Sha256 | None
    content_type: ContentType | None


class _Opened(_Of, frozen=True, kw_only=True):
    start: Annotated[int, Meta(ge=0)]
    end: Annotated[int, Meta(ge=1)] | None
    by: Label | None


class _Url(_Of, frozen=True, kw_only=True):
    expires: Annotated[int, Meta(ge=1, le=_WEEK)]
    by: Label | None


class _Fail(_Of, frozen=True, kw_only=True):
    reason: Label


class _Delete(_Of, frozen=True, kw_only=True):
    by: Label | None


class Recordings:
    """Several over a call's life, one running at a time. Their files are in object storage."""

    def __init__(
        self,
        store: Store,
        group: Group,
        uploads: Uploads,
        audit: Audit,
        *,
        clock: Callable[[], datetime],
        settings: Settings,
    ) -> None:
        self._store = store
        self._group = group
        self._uploads = uploads
        self._audit = audit
        self._clock = clock
        self._settings = settings

    # -- the recording

    async def start(
        self,
        call_id: str,
        requested_by: Party,
        *,
        format: Format = "webm",
        quality: Definition = "hd",
    ) -> Recording:
        """A recording that runs until it is stopped, or the call ends. Who asks must be in the
        call. Conflict while another runs, Forbidden where the call's settings say no recording."""
        given = {"call_id": call_id, "format": format, "quality": quality}
        asked = check(_Start, requested_by=requested_by, **given)
        started: Recording = await self._group.submit(
            StartRecording(
                call_id=asked.call_id,
                party=asked.requested_by,
                format=asked.format,
                quality=asked.quality,
            )
        )
        return started

    async def stop(self, recording_id: str) -> Recording:
        """It waits for its file then; one that runs no longer is left as it is."""
        return await self._uploads.do(StopRecording, await self._asked(recording_id))

    async def fail(self, recording_id: str, *, reason: str) -> Recording:
        """There will be no file. Not once there is one; Conflict while one is being uploaded."""
        asked = check(_Fail, recording_id=recording_id, reason=reason)
        return await self._uploads.fail(await self._uploads.found(asked.recording_id), asked.reason)

    async def get(self, recording_id: str) -> Recording:
        return await self._asked(recording_id)

    async def list(self, call_id: str) -> builtins.list[Recording]:
        """All of a call, in the order of their beginning, the deleted ones too."""
        asked = check(OfCall, call_id=call_id)
        found = await self._store.recordings_of(asked.call_id)
        if not found and await self._store.call(asked.call_id) is None:
            raise NotFound("call", asked.call_id)
        return found

    # -- its file

    async def put(
        self,
        recording_id: str,
        stream: AsyncIterable[bytes],
        *,
        size: int | None = None,
        sha256: str | None = None,
        content_type: str | None = None,
    ) -> Recording:
        """The file of a recording that was stopped, as it comes: in parts, in a few dozen MiB of
        memory however long it is. Available when this returns; whatever goes wrong before, nothing
        of it is left.

        Invalid if it is empty, or is not of the `size` in bytes or the `sha256` (64 hex digits)
        announced. Conflict while another uploads it. Put again with the `sha256` that it has,
        nothing is read.
        """
        asked = check(
            _Put,
            recording_id=recording_id,
            stream=stream,
            size=size,
            sha256=sha256,
            content_type=content_type,
        )
        row = await self._uploads.found(asked.recording_id)
        if row.status == "available" and not row.underway and row.sha256 == (asked.sha256 or ""):
            return row
        return await self._uploads.put(
            row,
            asked.stream,
            size=asked.size,
            sha256=asked.sha256,
            content_type=asked.content_type,
        )

    def open(
        self, recording_id: str, *, start: int = 0, end: int | None = None, by: str | None = None
    ) -> Reading:
        """The file's bytes from `start` up to, and without, `end` (None: all that follow), some at
        a time. May be awaited first: what is wrong is raised then, else at the first bytes. `by` is
        who reads it, for the audit."""
        return Reading(partial(self._read, recording_id, start, end, by))

    async def _read(self, recording_id: str, start: int, end: int | None, by: str | None) -> Bytes:
        asked = check(_Opened, recording_id=recording_id, start=start, end=end, by=by)
        row = await self._with_file(asked.recording_id)
        end = row.file_size if asked.end is None else asked.end
        wrong = []
        if asked.start >= row.file_size:
            wrong.append(("/start", f"is past the end: the file has {row.file_size} bytes"))
        if end > row.file_size:
            wrong.append(("/end", f"is past the end: the file has {row.file_size} bytes"))
        elif not wrong and asked.start >= end:
            wrong.append(("/end", "must be above start"))
        if wrong:
            raise Invalid(wrong)
        if await self._uploads.files.size(row.file_path) is None:
            raise NotFound("recording file", row.file_path)
        await self._note("recordings.open", row, asked.by, start=asked.start, end=end)
        return self._uploads.files.read(row.file_path, asked.start, end)

    async def url(self, recording_id: str, *, expires: int = 300, by: str | None = None) -> str:
        """A link to the file, good for `expires` seconds, a week at most, to whoever has it. The
        storage's own where it can sign one; else callstore's, for which CALLSTORE_SECRET must be
        set: what serves it asks `linked`. `by` is who asks for it, for the audit."""
        asked = check(_Url, recording_id=recording_id, expires=expires, by=by)
        row = await self._with_file(asked.recording_id)
        await self._note("recordings.url", row, asked.by, expires=asked.expires)
        span = timedelta(seconds=asked.expires)
        signed = await self._uploads.files.sign(row.file_path, span)
        if signed is not None:
            return signed
        base = self._settings.links_to.rstrip("/")
        return link(base, row.id, self._clock() + span, self._settings.key("links to recordings"))

    async def linked(self, url: str) -> Recording:
        """The recording that a link of callstore's own gives, for who serves it; Forbidden for
        what is no such link, and for one that has expired."""
        if not isinstance(url, str):
            raise Invalid.field("/url", "must be a string")
        return await self._with_file(
            linked(url, self._clock(), self._settings.key("links to recordings"))
        )

    async def delete(self, recording_id: str, *, by: str | None = None) -> Recording:
        """Deletes the file; the row stays as deleted, with its call. Held while a hold is on the
        call. `by` is who does it, for the audit."""
        asked = check(_Delete, recording_id=recording_id, by=by)
        row = await self._uploads.found(asked.recording_id)
        await self._note("recordings.delete", row, asked.by)
        return await self._uploads.delete(row)

    # -- inside

    async def _note(self, action: Action, row: Recording, by: str | None, **more: Any) -> None:
        about = {"recordingId": row.id, "callId": row.call_session_id, **more}
        await self._audit.record(action, by=by, data=about)

    async def _asked(self, recording_id: str) -> Recording:
        return await self._uploads.found(check(_Of, recording_id=recording_id).recording_id)

    async def _with_file(self, recording_id: str) -> Recording:
        row = await self._uploads.found(recording_id)
        if row.status != "available" or row.underway:
            state = "being deleted" if row.underway == "delete" else row.status
            raise InvalidTransition(f"the recording is {state}: it has no file to give")
        return row
