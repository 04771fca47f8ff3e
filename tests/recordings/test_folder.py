"""What only a folder can do, or get wrong."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from callstore import Calls, errors, open_calls
from callstore.recordings import folder
from callstore.recordings.files import Files
from callstore.testing.contract import calls, clock, files_url, new_id, opening, store_url
from callstore.testing.contract.files import content, storage
from callstore.testing.contract.recordings import SOUND, available, stopped, stream
from callstore.testing.contract.world import NOBODY_KNOWS, answered, outcome_of

__all__ = ["calls", "clock", "files_url", "new_id", "opening", "store_url"]

MIB = 1024 * 1024
WAYS_OUT = [
    "../secret",
    "a/../../secret",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a/./b",
    "a//b",
    "link/secret",
    "link",
    "a\0b",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Of the files; beside it lies what nobody may reach, and within it a link there."""
    made = tmp_path / "files"
    made.mkdir()
    for name in ("secret", "files#1"):
        (tmp_path / name).write_bytes(b"not yours")
    (made / "link").symlink_to(tmp_path)
    return made


@pytest.mark.parametrize("path", WAYS_OUT)
async def test_no_name_and_no_link_leads_out_of_it(root: Path, path: str) -> None:
    files = Files(root.as_uri())
    for work in (files.size(path), files.remove(path), anext(files.read(path, 0, 5))):
        result = await outcome_of(work)
        assert result is None or isinstance(result, errors.CallstoreError)
    assert all((root.parent / name).exists() for name in ("secret", "files#1"))
    assert (root / "link").is_symlink()


@pytest.mark.parametrize("path", WAYS_OUT)
async def test_a_row_that_another_wrote_leads_nowhere_else(
    calls: Calls, root: Path, path: str
) -> None:
    row = await available(calls)
    stored = msgspec.structs.replace(row, file_path=path, file_size=5)
    await calls._store.put_rows("CallRecording", [stored])
    for start in (0, 1):
        assert isinstance(
            await outcome_of(content(calls, row.id, start=start)), errors.CallstoreError
        )
    assert (await calls.recordings.delete(row.id)).status == "deleted"  # nothing of it was here
    assert (root.parent / "secret").read_bytes() == b"not yours"
    await calls._store.put_rows("CallRecording", [row])
    await calls.recordings.delete(row.id)
    (root / "link").unlink()


async def test_what_an_upload_is_writing_is_listed_and_goes_with_it(root: Path) -> None:
    (root / "link").unlink()
    path = f"{NOBODY_KNOWS}/{NOBODY_KNOWS}-00000000.webm"
    (root / NOBODY_KNOWS).mkdir()
    for name in (path, f"{path}#1", f"{path}#12"):
        (root / name).write_bytes(b"half")
    other = path.replace("-0", "-1") + "#1"
    (root / other).write_bytes(b"another's")
    files = Files(root.as_uri())
    assert len(*[some async for some in files.list()]) == 4
    await files.remove(path)
    assert [some async for some in files.list()] == [[other]]
    await files.remove(folder.whole(other))
    assert in_it(root) == []


async def test_file_and_folders_are_synced_before_it_is_available(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, sync = [], os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    row = await stopped(calls)
    monkeypatch.setattr(os, "fsync", noted)
    done = await calls.recordings.put(row.id, stream(SOUND))
    root = folder_of(calls)
    assert synced[-3:] == [f"{root}/{done.file_path}", f"{root}/{row.call_session_id}", str(root)]
    await calls.recordings.delete(row.id)
    assert synced[-1] == f"{root}/{row.call_session_id}"


def in_it(root: Path) -> list[str]:
    return [path.name for path in root.iterdir()]


def folder_of(calls: Calls) -> Path:
    root = storage(calls).root
    assert root is not None
    return root


async def test_files_of_a_call_come_and_go_at_once(calls: Calls) -> None:
    """Its folder goes with the last of them, and comes back for the next."""
    call = await answered(calls)

    async def come_and_go(n: int) -> None:
        await asyncio.sleep(n / 1000)
        row = await calls.recordings.put(rows[n].id, stream(SOUND))
        assert await content(calls, row.id) == SOUND
        await calls.recordings.delete(row.id)

    rows = [await stopped(calls, call) for _ in range(60)]
    await asyncio.gather(*map(come_and_go, range(60)))
    assert in_it(folder_of(calls)) == []


async def test_more_than_two_gibibytes_are_a_file(calls: Calls) -> None:
    row, size = await stopped(calls), 2048 * MIB + 5

    async def zeros() -> AsyncIterator[bytes]:
        some = bytes(64 * MIB)
        for _ in range(32):
            yield some
        yield b"ended"

    done = await calls.recordings.put(row.id, zeros(), size=size)
    assert (done.file_size, (folder_of(calls) / done.file_path).stat().st_size) == (size, size)
    assert await content(calls, row.id, start=2**31 - 1) == b"\0ended"
    assert (await calls.doctor()).findings == []
    await calls.recordings.delete(row.id)


FULL = """
import asyncio, resource, signal, sys
from callstore import errors, open_calls

async def sound():
    for _ in range(64):
        yield bytes(1024 * 1024)

async def main(store, recordings, id):
    async with open_calls(store, recordings=recordings) as calls:
        await calls.recordings.get(id)
        limit = 20 * 1024 * 1024
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            await calls.recordings.put(id, sound())
        except errors.StoreUnavailable as error:
            sys.stdout.write(str(error))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_disk_that_takes_no_more_leaves_nothing(tmp_path: Path) -> None:
    store, recordings = f"sqlite:///{tmp_path}/calls.db", (tmp_path / "files").as_uri()
    async with open_calls(store, recordings=recordings) as calls:
        row = await stopped(calls)
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", FULL, store, recordings, row.id],
            check=False,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "cannot be written" in done.stdout
        assert "File too large" in done.stdout
        assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []
        after = await calls.recordings.get(row.id)
        assert (after.status, after.underway) == ("processing", None)
        assert (await calls.recordings.put(row.id, stream(SOUND))).status == "available"


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    where = (tmp_path / "file" / "calls").as_uri()
    async with open_calls("memory:", recordings=where) as calls:
        row = await stopped(calls)
        with pytest.raises(errors.StoreUnavailable, match="cannot be written"):
            await calls.recordings.put(row.id, stream(SOUND))
        assert (await calls.sweep()).failed == 0


async def test_it_is_made_when_it_is_first_written_to(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/calls.db"
    async with open_calls(store) as calls:
        row = await stopped(calls)
        assert (await calls.doctor()).findings == []
        assert not (tmp_path / "recordings").exists()
        await calls.recordings.put(row.id, stream(SOUND))
        assert in_it(tmp_path / "recordings") == [row.call_session_id]


async def test_two_databases_may_share_it(tmp_path: Path) -> None:
    """A doctor of one leaves the files of the other."""
    rows = []
    for name in ("staging", "production"):
        async with open_calls(f"sqlite:///{tmp_path}/{name}.db") as calls:
            call = await answered(calls)
            rows.append([await available(calls, call=call) for _ in range(3)])
    for name in ("staging", "production"):
        async with open_calls(f"sqlite:///{tmp_path}/{name}.db") as calls:
            report = await calls.doctor(fix=True)
            assert [each.problem for each in report.findings] == ["file_without_row"] * 3
            assert report.fixed == 0
    for row in (*rows[0], *rows[1]):
        assert (tmp_path / "recordings" / row.file_path).read_bytes() == SOUND


async def test_a_file_that_has_become_shorter_is_told(calls: Calls) -> None:
    row = await available(calls, *[SOUND] * 300)
    reading = await calls.recordings.open(row.id)
    await anext(reading)
    os.truncate(folder_of(calls) / row.file_path, 5)
    with pytest.raises(errors.StoreError, match="has ended after"):
        async for _ in reading:
            pass
    await reading.aclose()
    await calls.recordings.delete(row.id)


async def test_a_loop_of_links_stops_nothing(calls: Calls) -> None:
    call = await answered(calls)
    kept, lost = await available(calls, call=call), await available(calls, call=call)
    there, root = folder_of(calls) / lost.file_path, folder_of(calls)
    there.unlink()
    there.symlink_to(there)
    with pytest.raises(errors.NotFound):
        await calls.recordings.open(lost.id)
    assert (await calls.recordings.delete(lost.id)).status == "deleted"
    assert (await calls.sweep()).failed == 0
    there.unlink()
    assert await content(calls, kept.id) == SOUND
    assert in_it(root) == [call.id]


async def test_one_that_is_away_keeps_what_is_in_it(calls: Calls) -> None:
    """As a disk that is not mounted."""
    row, root = await available(calls), folder_of(calls)
    root.rename(root.with_name("elsewhere"))
    for work in (calls.recordings.delete(row.id), content(calls, row.id)):
        with pytest.raises((errors.StoreUnavailable, errors.InvalidTransition)):
            await work
    assert [each.problem for each in (await calls.doctor()).findings] == []
    root.with_name("elsewhere").rename(root)
    assert (await calls.sweep()).finished == 1
    assert (await calls.recordings.get(row.id)).status == "deleted"
    assert in_it(root) == []


async def test_a_name_that_is_no_text_is_listed(calls: Calls) -> None:
    row, root = await available(calls), folder_of(calls)
    odd = os.fsencode(root) + b"/\xff\xfe.bin"
    os.close(os.open(odd, os.O_CREAT))
    report = await calls.doctor()
    assert [each.problem for each in report.findings] == ["file_without_row"]
    assert msgspec.json.encode(report)
    os.unlink(odd)
    await calls.recordings.delete(row.id)


async def test_one_file_that_cannot_go_stops_no_other(calls: Calls) -> None:
    call = await answered(calls)
    stuck, *others = [await available(calls, call=call) for _ in range(3)]
    there = folder_of(calls) / stuck.file_path
    there.unlink()
    (there / "in the way").mkdir(parents=True)
    rows = [msgspec.structs.replace(row, underway="delete") for row in (stuck, *others)]
    await calls._store.put_rows("CallRecording", rows)
    report = await calls.sweep()
    assert (report.finished, report.failed) == (2, 1)
    (there / "in the way").rmdir()
    there.rmdir()
    assert (await calls.sweep()).finished == 1
    assert {row.status for row in await calls.recordings.list(call.id)} == {"deleted"}
