"""Files of recordings: whole or not there, and links to them."""

import hashlib
from contextlib import aclosing
from typing import Any

import pytest

from callstore import Calls, errors
from callstore.recordings.files import Files
from callstore.recordings.source import Source
from callstore.testing.clock import FakeClock
from callstore.testing.contract.races import at_once
from callstore.testing.contract.recordings import SOUND, available, stopped, stream
from callstore.testing.contract.world import (
    NOBODY_KNOWS,
    Opening,
    answered,
    told,
)


async def content(calls: Calls, recording_id: str, **options: Any) -> bytes:
    return b"".join([chunk async for chunk in calls.recordings.open(recording_id, **options)])


async def paths(calls: Calls) -> list[str]:
    """Of all files that there are, whole or not."""
    return [path async for some in storage(calls).list() for path in some]


async def lay(files: Files, path: str, content: bytes) -> None:
    """A file that no row knows of."""
    await files.put(path, Source(stream(content), size=None, sha256=None), "video/webm")


def storage(calls: Calls) -> Files:
    return calls.recordings._uploads.files


class TestFiles:
    async def test_a_file_is_kept_as_it_came(self, calls: Calls, clock: FakeClock) -> None:
        row = await stopped(calls, format="mkv")
        clock.advance(5)
        chunks = [SOUND, b"", memoryview(SOUND)[7:], bytearray(b"end"), b"x" * 3_000_000]
        whole = b"".join(bytes(chunk) for chunk in chunks)
        done = await calls.recordings.put(row.id, stream(*chunks), size=len(whole))
        assert (done.status, done.file_size, done.updated_at) == ("available", len(whole), clock())
        assert done.sha256 == hashlib.sha256(whole).hexdigest()
        assert done.content_type == "video/matroska"
        assert await paths(calls) == [done.file_path]
        assert done.file_path.startswith(f"{row.call_session_id}/{row.id}")
        assert await content(calls, row.id) == whole
        assert (await told(calls, row.call_session_id))[-1] == "recording.available"

    async def test_a_part_of_it_is_read_from_start_to_before_end(self, calls: Calls) -> None:
        row = await available(calls)
        size = len(SOUND)
        for start, end in ((0, 1), (5, 300), (size - 1, size), (17, None), (0, size)):
            assert await content(calls, row.id, start=start, end=end) == SOUND[start:end]

    async def test_reading_may_stop_before_the_end(self, calls: Calls) -> None:
        row = await available(calls, *[SOUND] * 300)
        async with aclosing(calls.recordings.open(row.id)) as reading:
            assert (await anext(reading))[:256] == SOUND[:256]
        assert [chunk async for chunk in reading] == []
        await calls.recordings.open(row.id).aclose()

    @pytest.mark.parametrize(
        ("start", "end", "wrong"),
        [
            (len(SOUND), None, {"/start"}),
            (10**12, 10**12 + 1, {"/start", "/end"}),
            (0, len(SOUND) + 1, {"/end"}),
            (5, 5, {"/end"}),
            (5, 4, {"/end"}),
            (-1, None, {"/start"}),
            (0, 0, {"/end"}),
        ],
    )
    async def test_a_part_that_is_not_there_is_refused_before_the_first_byte(
        self, calls: Calls, start: int, end: int | None, wrong: set[str]
    ) -> None:
        row = await available(calls)
        with pytest.raises(errors.Invalid) as refusal:
            await calls.recordings.open(row.id, start=start, end=end)
        assert {at for at, _ in refusal.value.errors} == wrong

    async def test_deleting_it_takes_the_file_and_leaves_a_tombstone(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        row = await available(calls)
        kept = await available(calls, b"another", call=await calls.get(row.call_session_id))
        clock.advance(60)
        gone = await calls.recordings.delete(row.id, by="support")
        assert (gone.status, gone.deleted_at, gone.file_path) == ("deleted", clock(), "")
        assert await paths(calls) == [kept.file_path]
        assert await calls.recordings.delete(row.id, by="support") == gone
        assert await calls.recordings.list(row.call_session_id) == [gone, kept]
        assert (await told(calls, row.call_session_id)).count("recording.deleted") == 1
        for work in (calls.recordings.open(row.id), calls.recordings.url(row.id)):
            with pytest.raises(errors.InvalidTransition, match="deleted"):
                await work
        assert await content(calls, kept.id) == b"another"

    async def test_ten_who_delete_it_at_once_are_told_the_same(self, calls: Calls) -> None:
        row = await available(calls)
        results = await at_once(calls.recordings.delete(row.id) for _ in range(10))
        assert {each.status for each in results} == {"deleted"}
        assert (await told(calls, row.call_session_id)).count("recording.deleted") == 1
        assert await paths(calls) == []

    async def test_there_is_nothing_to_read_before_it_is_there(self, calls: Calls) -> None:
        row = await stopped(calls)
        for work in (calls.recordings.open(row.id), calls.recordings.url(row.id)):
            with pytest.raises(errors.InvalidTransition, match="processing"):
                await work

    async def test_a_doctor_finds_files_without_a_row_and_rows_without_a_file(
        self, calls: Calls
    ) -> None:
        call = await answered(calls)
        *kept, cut, lost = [await available(calls, call=call) for _ in range(4)]
        files, stray = storage(calls), kept[0].file_path.replace(kept[0].id, NOBODY_KNOWS)
        await files.remove(lost.file_path)
        await lay(files, stray, SOUND)
        await lay(files, cut.file_path, b"half")
        report = await calls.doctor()
        assert [(each.problem, each.id) for each in report.findings] == [
            ("file_size", cut.id),
            ("row_without_file", lost.id),
            ("file_without_row", stray),
        ]
        assert (report.files, report.fixed) == (4, 0)
        with pytest.raises(errors.NotFound):
            await content(calls, lost.id)
        assert (await calls.doctor(fix=True)).fixed == 2
        assert [each.problem for each in (await calls.doctor()).findings] == ["file_size"]
        assert sorted(await paths(calls)) == sorted(row.file_path for row in (*kept, cut))
        assert (await calls.recordings.get(lost.id)).status == "deleted"
        await calls.recordings.delete(cut.id)

    async def test_a_doctor_takes_nothing_that_may_be_anothers(self, calls: Calls) -> None:
        """The database and the storage may not belong together."""
        rows = [await available(calls, call=call) for call in [await answered(calls)] * 3]
        files = storage(calls)
        for row in rows[1:]:  # most are gone: is this the right storage?
            await files.remove(row.file_path)
        theirs = {f"{NOBODY_KNOWS}/{NOBODY_KNOWS}-01234567.webm", "notes.txt"}
        for path in theirs:
            await lay(files, path, SOUND)
        report = await calls.doctor(fix=True)
        assert {each.id for each in report.findings} == {rows[1].id, rows[2].id, *theirs}
        assert report.fixed == 0
        assert {*await paths(calls)} == {rows[0].file_path, *theirs}
        for path in theirs:
            await files.remove(path)
        for row in rows:
            await calls.recordings.delete(row.id)


class TestLinks:
    async def test_a_link_gives_its_recording_until_it_expires(
        self, opening: Opening, clock: FakeClock
    ) -> None:
        secret = {"secret": "nobody knows", "links_to": "https://calls.example.org/"}
        async with opening(recordings="memory:", settings=secret) as calls:
            row = await available(calls)
            other = await available(calls, call=await calls.get(row.call_session_id))
            link = await calls.recordings.url(row.id, expires=60)
            assert link.startswith(f"https://calls.example.org/recordings/{row.id}?")
            assert await calls.recordings.linked(link) == row
            assert (await calls.recordings.linked(link.split("org", 1)[1])).id == row.id
            forged = [
                link.replace(row.id, other.id),
                link.replace("expires=", "expires=9"),
                link[:-1] + ("0" if link[-1] != "0" else "1"),
                link.replace("token=", "token=00"),
                link + "\n",
                "",
                "https://calls.example.org/",
            ]
            for each in forged:
                with pytest.raises(errors.Forbidden):
                    await calls.recordings.linked(each)
            clock.advance(59.999)
            await calls.recordings.linked(link)
            clock.advance(0.001)
            with pytest.raises(errors.Forbidden, match="expired"):
                await calls.recordings.linked(link)

    async def test_it_is_of_one_secret(self, opening: Opening) -> None:
        async with opening(recordings="memory:") as calls:
            row = await available(calls)
            link = await calls.recordings.url(row.id)
            await calls.recordings.delete(row.id)
            with pytest.raises(errors.InvalidTransition):
                await calls.recordings.linked(link)
            await calls.end(row.call_session_id)
        async with opening(recordings="memory:", settings={"secret": "another"}) as calls:
            with pytest.raises(errors.Forbidden):
                await calls.recordings.linked(link)
        async with opening(recordings="memory:", settings={}) as calls:
            row = await available(calls)
            await calls.end(row.call_session_id)
            with pytest.raises(errors.StoreError, match="CALLSTORE_SECRET"):
                await calls.recordings.url(row.id)

    @pytest.mark.parametrize("expires", [0, -1, 604_801, 1.5])
    async def test_it_lasts_a_week_at_most(self, calls: Calls, expires: Any) -> None:
        row = await available(calls)
        with pytest.raises(errors.Invalid, match="/expires"):
            await calls.recordings.url(row.id, expires=expires)
