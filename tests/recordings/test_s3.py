"""The contract's files on a real S3 API; and what only S3 can do, or get wrong."""

import asyncio
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator

import pytest
from tests.recordings.conftest import KEY, Bucket, s3_client, s3_server

from callstore import Calls, errors
from callstore.testing import FakeClock
from callstore.testing.contract import *  # noqa: F403
from callstore.testing.contract.files import content
from callstore.testing.contract.recordings import SOUND, available, stopped, stream
from callstore.testing.contract.world import Opening, answered

# Of the contract only what has to do with files; all else runs on each store.
for _name in [name for name in globals() if name.startswith("Test")]:
    if _name not in ("TestFiles", "TestUploads"):
        del globals()[_name]

MIB = 1024 * 1024


@pytest.fixture  # type: ignore[no-redef] # the contract's is a folder
def files_url(bucket: Bucket) -> str:
    return bucket.url


async def parts(count: int) -> AsyncIterator[bytes]:
    for n in range(count):
        yield bytes([n % 251]) * MIB


LARGE = """
import asyncio, hashlib, resource, sys
from callstore import User, open_calls

MIB, ANN, ROOM = 1024 * 1024, User("a" * 24), "c" * 24

async def parts(count):
    for n in range(count):
        yield bytes([n % 251]) * MIB

async def put(calls, count):
    call = await calls.start(ROOM, ANN)
    row = await calls.recordings.start(call.id, ANN)
    await calls.end(call.id)
    row = await calls.recordings.put(row.id, parts(count), size=count * MIB)
    hashed, size = hashlib.sha256(), 0
    async for chunk in calls.recordings.open(row.id):
        hashed.update(chunk)
        size += len(chunk)
    assert (size, hashed.hexdigest()) == (count * MIB, row.sha256)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

async def main(url):
    async with open_calls("memory:", recordings=url) as calls:
        print(await put(calls, 48), await put(calls, 200))

asyncio.run(main(sys.argv[1]))
"""


class TestS3:
    async def test_a_file_lies_under_the_prefix_with_its_type(
        self, calls: Calls, bucket: Bucket
    ) -> None:
        row = await stopped(calls)
        row = await calls.recordings.put(row.id, parts(20), content_type="video/webm")
        assert bucket.keys() == [f"calls/{row.file_path}"]
        head = bucket.client.head_object(Bucket=bucket.name, Key=bucket.keys()[0])
        assert (head["ContentType"], head["ContentLength"]) == ("video/webm", 20 * MIB)
        assert head["ETag"].endswith('-3"'), "it came in three parts"

    @pytest.mark.parametrize("after", [0, 1, 9, 17])
    async def test_no_upload_is_left_open_when_a_source_breaks(
        self, calls: Calls, bucket: Bucket, after: int
    ) -> None:
        row = await stopped(calls)

        async def breaking() -> AsyncIterator[bytes]:
            async for part in parts(after):
                yield part
            raise OSError("the mixer is gone")

        with pytest.raises(OSError, match="mixer"):
            await calls.recordings.put(row.id, breaking())
        assert (bucket.uploads(), bucket.keys()) == ([], [])

    @pytest.mark.parametrize("after", [0, 1, 9, 17])
    async def test_no_upload_is_left_open_when_it_is_cancelled(
        self, calls: Calls, bucket: Bucket, after: int
    ) -> None:
        row, reached = await stopped(calls), asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            async for part in parts(after):
                yield part
            reached.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(calls.recordings.put(row.id, endless()))
        await reached.wait()
        for _ in range(3):  # whoever gives up may do so again
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (bucket.uploads(), bucket.keys()) == ([], [])
        await calls.sweep()  # the last of them may have stopped it in the middle of its own
        assert (await calls.recordings.get(row.id)).underway is None

    async def test_two_hundred_megabytes_take_no_more_memory_than_forty(
        self, bucket: Bucket
    ) -> None:
        """In a process of its own, whose peak is that of this."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", LARGE, bucket.url],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        before, after = map(int, done.stdout.split())
        assert after - before < 40, f"{before} MiB, then {after} MiB"

    async def test_a_signed_url_gives_the_file_to_whoever_has_it(
        self, calls: Calls, bucket: Bucket
    ) -> None:
        row = await available(calls)
        url = await calls.recordings.url(row.id, expires=60)
        assert "X-Amz-Expires=60" in url
        assert KEY["AWS_SECRET_ACCESS_KEY"] not in url

        def fetch() -> bytes:
            with urllib.request.urlopen(url) as answer:
                return bytes(answer.read())

        assert await asyncio.to_thread(fetch) == SOUND

    async def test_a_file_that_another_has_removed_is_not_found(
        self, calls: Calls, bucket: Bucket
    ) -> None:
        row = await available(calls)
        bucket.client.delete_object(Bucket=bucket.name, Key=f"calls/{row.file_path}")
        with pytest.raises(errors.NotFound) as refusal:
            await calls.recordings.open(row.id)
        assert refusal.value.code == "recording_file_not_found"
        assert (await calls.recordings.delete(row.id)).status == "deleted"


class TestWhereS3IsNotAsItShouldBe:
    async def test_a_bucket_that_is_not_there(self, opening: Opening, s3: str) -> None:
        nowhere = f"s3://no-such-bucket?endpoint={s3}&region=us-east-1"
        async with opening(recordings=nowhere) as calls:
            row = await stopped(calls)
            with pytest.raises(errors.StoreUnavailable, match=r"^s3://no-such-bucket is not there"):
                await calls.recordings.put(row.id, stream(SOUND))
            after = await calls.recordings.get(row.id)
            assert (after.status, after.underway) == ("processing", "delete")
            examined = await calls.doctor()
            assert (examined.calls, examined.files) == (1, None)
            assert [each.problem for each in examined.findings] == ["storage"]
            report = await calls.sweep()
            assert (report.finished, report.failed) == (0, 1)

    async def test_nobody_answers(self, opening: Opening) -> None:
        nowhere = "s3://bucket?endpoint=http://127.0.0.1:9&region=us-east-1"
        async with opening(recordings=nowhere) as calls:
            call = await answered(calls)
            for _ in range(2):
                row = await stopped(calls, call)
                with pytest.raises(errors.StoreUnavailable, match="cannot be written"):
                    await calls.recordings.put(row.id, stream(SOUND))
            report = await calls.sweep()  # does not wait for each of them
            assert (report.finished, report.failed) == (0, 1)

    async def test_what_could_not_be_removed_is_removed_by_a_sweep(
        self, opening: Opening, bucket: Bucket, clock: FakeClock
    ) -> None:
        async with opening() as calls:
            row = await available(calls)
        nowhere = "s3://bucket?endpoint=http://127.0.0.1:9&region=us-east-1"
        async with opening(recordings=nowhere) as calls:
            with pytest.raises(errors.StoreUnavailable, match="cannot be removed"):
                await calls.recordings.delete(row.id)
        async with opening() as calls:
            assert (await calls.recordings.get(row.id)).status == "available"
            with pytest.raises(errors.InvalidTransition, match="being deleted"):
                await calls.recordings.open(row.id)
            assert (await calls.sweep()).finished == 1
            assert (await calls.recordings.get(row.id)).status == "deleted"
            assert bucket.keys() == []
            assert (await calls.doctor()).findings == []

    async def test_a_recording_fails_though_the_storage_is_away(
        self, opening: Opening, bucket: Bucket, clock: FakeClock
    ) -> None:
        nowhere = "s3://bucket?endpoint=http://127.0.0.1:9&region=us-east-1"
        async with opening(recordings=nowhere) as calls:
            call = await answered(calls)
            rows = [await stopped(calls, call) for _ in range(2)]
            for row in rows:
                with pytest.raises(errors.StoreUnavailable):
                    await calls.recordings.put(row.id, stream(SOUND))
            assert (await calls.recordings.fail(rows[0].id, reason="gone")).status == "failed"
            await calls.end(call.id)
            clock.advance(86_400)
            await calls.sweep()
            await calls.sweep()
            assert {row.status for row in await calls.recordings.list(call.id)} == {"failed"}
            assert (await calls.get(call.id)).expires_at is None
        async with opening() as calls:
            assert (await calls.sweep()).finished == 2
            assert {row.file_path for row in await calls.recordings.list(call.id)} == {""}
            assert (await calls.get(call.id)).expires_at is not None

    async def test_a_wrong_key(self, opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
        # The bucket is made by whomever; from then on the server wants a key that it knows.
        with s3_server(INITIAL_NO_AUTH_ACTION_COUNT="1") as strict:
            s3_client(strict).create_bucket(Bucket="strict")
            url = f"s3://strict?endpoint={strict}&region=us-east-1"
            async with opening(recordings=url) as calls:
                row = await stopped(calls)
                with pytest.raises(errors.StoreError, match="s3://strict refuses the key"):
                    await calls.recordings.put(row.id, stream(SOUND))


async def ranged(calls: Calls, recording_id: str, *spans: tuple[int, int]) -> list[bytes]:
    return [await content(calls, recording_id, start=a, end=b) for a, b in spans]


async def test_parts_of_a_large_file_are_read_across_its_seams(calls: Calls) -> None:
    row = await calls.recordings.put((await stopped(calls)).id, parts(20))
    seam = 8 * MIB
    spans = [(seam - 2, seam + 2), (0, 1), (20 * MIB - 1, 20 * MIB)]
    assert await ranged(calls, row.id, *spans) == [b"\x07\x07\x08\x08", b"\x00", b"\x13"]
