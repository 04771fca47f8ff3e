"""All that is kept of a party, given out: whole, checkable, and nothing of anybody else."""

import asyncio
import gc
import hashlib
import io
import json
import zipfile
from contextlib import aclosing, suppress
from typing import Any

import msgspec
import pytest

from callstore import Call, Calls, Party, errors
from callstore.privacy import gathering
from callstore.privacy.export import ExportFormat
from callstore.privacy.exported import Document, ZipManifest
from callstore.testing.clock import FakeClock
from callstore.testing.contract import from_xml
from callstore.testing.contract.files import lay, storage
from callstore.testing.contract.rich import ODD, OWN, SOUND, THEIRS, of_others, past, record
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    EVE,
    Opening,
    answered,
    ended,
)
from callstore.testing.data import chosen_id, conversation, user

READABLE = ODD.replace("\x01", "\ufffd").replace("\ufffe", "\ufffd")
"""Of the odd text what XML can hold."""


async def exported(calls: Calls, party: Party = ANN, format: Any = "json") -> bytes:
    return b"".join([some async for some in calls.privacy.export(party, format=format)])


async def document(calls: Calls, party: Party = ANN) -> Document:
    return msgspec.json.decode(await exported(calls, party), type=Document)


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def before_the_last_line(content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[:-1])


def problems(files: dict[str, bytes]) -> dict[str | None, str | None]:
    """Of each recording of a zip."""
    manifest = msgspec.json.decode(files["manifest.json"], type=ZipManifest)
    return {file.recording: file.problem for file in manifest.files if file.recording}


class TestPersonalExport:
    async def test_it_has_all_that_is_kept_of_the_party(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        made = await past(calls, clock)
        told = await document(calls)
        assert (told.party.kind, told.party.id, told.exported_at) == ("user", ANN.id, clock())
        assert [each.log_entry.call_session_id for each in told.calls] == [c.id for c in made]
        states = [(c.call.initiated, c.call.outcome) for c in told.calls if c.call]
        assert states == [
            (True, "answered"),
            (True, "cancelled"),
            (True, "declined"),
            (False, "declined"),
            (False, "missed"),
            (False, "ongoing"),
        ]
        assert told.manifest.initiated == {"answered": 1, "cancelled": 1, "declined": 1}
        assert told.calls[2].log_entry.hidden_at == clock()
        was_there = [bool(each.participation) for each in told.calls]
        assert was_there == [True, True, True, False, False, True]
        await self._first_is_whole(calls, told, made[0])

    async def _first_is_whole(self, calls: Calls, told: Document, call: Call) -> None:
        first = told.calls[0]
        row = next(row for row in call.participants or () if row.party == ANN)
        assert first.participation is not None
        assert first.participation.stints == row.stints
        assert len(row.stints) == 2
        assert first.participation.device_info == row.device_info
        assert first.participation.quality_metrics == row.quality_metrics
        assert first.participation.send_transport_id == f"{OWN} 1"
        own = [c for c in await calls._store.captions(call.id) if c.participant_id == row.id]
        finals = [caption for caption in first.captions if caption.is_final]
        assert [(c.id, c.text, c.translations) for c in finals] == [
            (c.id, c.text, c.translations) for c in own
        ]
        assert (len(first.captions), len(finals), finals[4].text) == (8, 7, ODD)
        samples = [s for s in await calls._store.samples(call.id) if s.participant_id == row.id]
        assert [(s.at, s.audio) for s in first.samples] == [(s.at, s.audio) for s in samples]
        assert len(samples) == 14
        analytics = await calls.quality.get(call.id)
        assert first.analytics is not None
        assert first.analytics.metrics in analytics.participant_metrics
        assert first.analytics.windows in analytics.windows
        assert {issue.participant_id for issue in first.analytics.network_issues} == {row.id}
        recordings = [r for r in await calls.recordings.list(call.id) if r.requester == ANN]
        assert [r.id for r in first.recordings] == [r.id for r in recordings]
        assert [r.status for r in first.recordings] == ["available", "failed"]
        events = await calls.timeline(call.id)
        seqs = {e.seq for e in events if ANN in (e.party, e.actor_party)}
        mine = {r.id for r in recordings}
        seqs |= {e.seq for e in events if (e.data or {}).get("recordingId") in mine}
        assert [e.seq for e in first.events] == sorted(seqs)

    async def test_the_three_formats_say_the_same(self, calls: Calls, clock: FakeClock) -> None:
        await past(calls, clock)
        told = await document(calls)
        files = unpacked(await exported(calls, format="zip"))
        zipped = msgspec.json.decode(files["calls.json"], type=Document)
        assert (zipped.party, zipped.calls) == (told.party, told.calls)
        read = from_xml.document(await exported(calls, format="xml"))
        assert read.calls[0].captions[4].text == READABLE
        as_xml = msgspec.json.encode(told).replace(
            msgspec.json.encode(ODD)[1:-1], msgspec.json.encode(READABLE)[1:-1]
        )
        assert read.calls == msgspec.json.decode(as_xml, type=Document).calls
        assert read.manifest.initiated == told.manifest.initiated
        # Each is in the audit that the next one has, the newest first.
        assert [each.data for each in read.audit] == [
            {"format": format} for format in ("xml", "zip", "json")
        ]
        assert read.audit[1:] == zipped.audit
        assert zipped.audit[1:] == told.audit

    async def test_nothing_of_others_is_in_it(self, calls: Calls, clock: FakeClock) -> None:
        made = await past(calls, clock)
        theirs = await of_others(calls, made)
        assert len(theirs) > 30
        files = unpacked(await exported(calls, format="zip"))
        files["xml"] = await exported(calls, format="xml")
        for name, content in files.items():
            assert [each for each in theirs if each.encode() in content] == [], name
        assert OWN.encode() in files["xml"]
        assert THEIRS.encode() in await exported(calls, BOB)
        assert OWN.encode() not in await exported(calls, BOB)

    async def test_the_manifest_counts_and_hashes(self, calls: Calls, clock: FakeClock) -> None:
        await past(calls, clock)
        formats: list[tuple[ExportFormat, Any]] = [("json", None), ("xml", from_xml.document)]
        for format, decode in formats:
            stream = await calls.privacy.export(ANN, format=format, by="support")
            assert stream.manifest is None
            content = b"".join([some async for some in stream])
            told = decode(content) if decode else msgspec.json.decode(content, type=Document)
            assert stream.manifest == told.manifest
            hashed = hashlib.sha256(before_the_last_line(content)).hexdigest()
            assert hashed == told.manifest.sha256
            counts = msgspec.to_builtins(told.manifest.counts)
            assert counts == {
                "calls": sum(each.call is not None for each in told.calls),
                "logEntries": len(told.calls),
                "participations": sum(each.participation is not None for each in told.calls),
                "analytics": sum(each.analytics is not None for each in told.calls),
                "recordings": sum(len(each.recordings) for each in told.calls),
                "events": sum(len(each.events) for each in told.calls),
                "captions": sum(len(each.captions) for each in told.calls),
                "samples": sum(len(each.samples) for each in told.calls),
                "audit": len(told.audit),
            }
            assert min(counts.values()) > 0

    async def test_a_zip_has_the_files_and_their_hashes(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        await past(calls, clock)
        stream = calls.privacy.export(ANN, format="zip")
        files = unpacked(b"".join([some async for some in stream]))
        told = msgspec.json.decode(files["calls.json"], type=Document)
        (row,) = (r for r in told.calls[0].recordings if r.status == "available")
        manifest = msgspec.json.decode(files["manifest.json"], type=ZipManifest)
        assert stream.manifest == manifest
        assert (manifest.counts, manifest.party) == (told.manifest.counts, told.party)
        assert [*files] == ["calls.json", f"recordings/{row.id}.webm", "manifest.json"]
        assert [file.name for file in manifest.files] == [*files][:-1]
        for file in manifest.files:
            content = files[file.name]
            assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
            assert file.problem is None
        assert files[f"recordings/{row.id}.webm"] == SOUND + ANN.id.encode()
        assert manifest.files[1].sha256 == row.sha256

    async def test_a_file_that_is_gone_or_changed_is_named(self, calls: Calls) -> None:
        call = await answered(calls)
        rows = [await record(calls, call, ANN) for _ in range(4)]
        files = storage(calls)
        await files.remove(rows[0].file_path)
        await lay(files, rows[1].file_path, SOUND[:1000])
        await calls.recordings.delete(rows[3].id)
        got = unpacked(await exported(calls, format="zip"))
        named = {rows[0].id: "missing", rows[1].id: "changed", rows[2].id: None}
        assert problems(got) == named
        names = {name for name in got if name.startswith("recordings/")}
        assert names == {f"recordings/{row.id}.webm" for row in rows[1:3]}
        assert got[f"recordings/{rows[1].id}.webm"] == SOUND[:1000]
        told = msgspec.json.decode(got["calls.json"], type=Document)
        assert [r.status for r in told.calls[0].recordings] == ["available"] * 3 + ["deleted"]
        assert told.calls[0].recordings[3].deleted_at is not None
        for row in rows[:2]:
            await files.remove(row.file_path)
            await calls.recordings.delete(row.id)

    async def test_a_file_that_breaks_off_is_named(
        self, calls: Calls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        call = await answered(calls)
        rows = [await record(calls, call, ANN) for _ in range(3)]
        files = storage(calls)
        read, size = files.read, files.size

        async def cut(path: str, start: int, end: int) -> Any:
            async for chunk in read(path, start, 1000 if path == rows[0].file_path else end):
                yield chunk
            if path == rows[0].file_path:
                raise errors.StoreUnavailable("it does not answer")

        async def away(path: str) -> int | None:
            if path == rows[1].file_path:
                raise errors.StoreUnavailable("it does not answer")
            return await size(path)

        monkeypatch.setattr(files, "read", cut)
        monkeypatch.setattr(files, "size", away)
        got = unpacked(await exported(calls, format="zip"))
        named = {rows[0].id: "unreadable", rows[1].id: "unreadable", rows[2].id: None}
        assert problems(got) == named
        assert got[f"recordings/{rows[0].id}.webm"] == SOUND[:1000]

    @pytest.mark.parametrize("format", ["json", "xml", "zip"])
    async def test_of_an_unknown_party_nothing_is_kept(self, calls: Calls, format: Any) -> None:
        await ended(calls)
        content = await exported(calls, user(77), format)
        if format == "xml":
            told = from_xml.document(content)
        else:
            text = unpacked(content)["calls.json"] if format == "zip" else content
            told = msgspec.json.decode(text, type=Document)
        assert told.calls == []
        counts = msgspec.to_builtins(told.manifest.counts)
        assert counts.pop("audit") == 1  # that this was asked
        assert set(counts.values()) == {0}

    async def test_a_guest_has_an_export_of_their_own(self, calls: Calls, clock: FakeClock) -> None:
        made = await past(calls, clock)
        told = await document(calls, CAT)
        assert told.party.kind == "guest"
        assert [each.log_entry.call_session_id for each in told.calls] == [made[0].id, made[4].id]
        assert len(told.calls[0].captions) == 8
        assert [each.participation is not None for each in told.calls] == [True, True]
        (only,) = (await document(calls, EVE)).calls[1:]
        assert [event.type for event in only.events] == ["participant.declined", "call.ended"]

    async def test_it_is_the_same_by_small_pages(
        self, calls: Calls, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await past(calls, clock)
        whole = await document(calls)
        for rows in (1, 3, 8):
            monkeypatch.setattr(gathering, "CALLS", 2)
            monkeypatch.setattr(gathering, "ROWS", rows)
            monkeypatch.setattr(gathering, "ANALYSES", 1)
            assert (await document(calls)).calls == whole.calls

    async def test_names_are_the_hosts(self, opening: Opening, clock: FakeClock) -> None:
        asked: list[str] = []

        async def describe(refs: list[str]) -> dict[str, Any]:
            asked.extend(refs)
            return {ref: {"title": "A & B"} if ref[0] == "c" else "Ann <3" for ref in refs}

        async with opening(describe=describe) as calls:
            await past(calls, clock)
            told = await document(calls)
            assert told.party.name == "Ann <3"
            names = [each.call.conversation_name for each in told.calls if each.call]
            assert names == [{"title": "A & B"}] * 6
            read = from_xml.document(await exported(calls, format="xml"))
            assert read.party.name == "Ann <3"
            assert read.calls[0].call
            assert json.loads(read.calls[0].call.conversation_name) == {"title": "A & B"}
        assert {ref[:2] for ref in asked} == {"u:", "c:"}
        assert BOB.ref not in asked

    async def test_what_goes_meanwhile_is_not_missed(
        self, calls: Calls, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gathering, "CALLS", 2)
        for n in range(1, 7):
            call = await calls.start(conversation(n + 20), ANN, invite=[BOB])
            await calls.join(call.id, BOB)
            await calls.end(call.id)
        await calls.sweep()
        stream = await calls.privacy.export(ANN)
        clock.advance(100 * 86_400)
        await calls.retention.run()
        told = msgspec.json.decode(b"".join([some async for some in stream]), type=Document)
        assert len(told.calls) == 2
        assert told.manifest.counts.calls == 2
        assert told.calls[0].events == []

    async def test_an_entry_whose_call_is_gone_stands_alone(self, calls: Calls) -> None:
        """As a net that deletes by rows may leave it."""
        call = await ended(calls)
        entries, _ = await calls._store.parties.entries(ANN, None, 10)
        alone = msgspec.structs.replace(
            entries[0], id=chosen_id(3), call_session_id=chosen_id(4), outcome="answered"
        )
        with suppress(errors.CallstoreError):  # a store may know better
            await calls._store.add_rows({"CallLogEntry": [alone]})
            told = await document(calls)
            assert [each.call is None for each in told.calls] == [False, True]
            assert told.manifest.counts.calls == 1
            assert told.manifest.counts.log_entries == 2
            await calls._store.delete_rows("CallLogEntry", [alone])
        assert (await document(calls)).calls[0].log_entry.call_session_id == call.id

    @pytest.mark.parametrize("format", ["json", "xml", "zip"])
    async def test_reading_may_stop_before_the_end(
        self, calls: Calls, clock: FakeClock, format: Any
    ) -> None:
        await past(calls, clock)
        async with aclosing(calls.privacy.export(ANN, format=format)) as stream:
            await anext(stream)
        assert [some async for some in stream] == []
        assert stream.manifest is None or format != "zip"

        async def read() -> None:
            async for _ in calls.privacy.export(ANN, format=format):
                await asyncio.sleep(60)

        task = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        dropped = calls.privacy.export(ANN, format=format)
        await anext(dropped)
        del dropped
        gc.collect()  # what it says on the way out is an error of this test

    async def test_what_is_wrong_is_raised_when_it_is_awaited(self, calls: Calls) -> None:
        wrong: Any = {"party": "u:1", "format": "csv", "by": ""}
        with pytest.raises(errors.Invalid) as refusal:
            await calls.privacy.export(**wrong)
        assert {at for at, _ in refusal.value.errors} == {"/party", "/format", "/by"}

    async def test_entries_are_read_by_pages_hidden_ones_too(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        made = await past(calls, clock)
        found, after = [], None
        while True:
            page, after = await calls._store.parties.entries(ANN, after, 4)
            found += [entry.call_session_id for entry in page]
            if after is None:
                break
        assert found == [call.id for call in made]
        assert await calls._store.parties.entries(user(78), None, 4) == ([], None)
