"""Files of recordings, on a folder and on an S3 API of this machine: large ones in a stream, small
ones by 16 callers, beside the same bytes put by obstore alone."""

import asyncio
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import obstore
from obstore.store import from_url

from bench import mix
from bench.harness import Figure, Options, at_most
from callstore import Calls, User, open_calls
from callstore.ids import id_maker
from callstore.recordings.files import PART

MIB = 1024 * 1024
LARGE, SMALL = 200 * MIB, 100_000
BUCKET = "bench"
SERVER = (
    "import sys; from moto.server import ThreadedMotoServer as S;"
    "s = S(ip_address='127.0.0.1', port=0, verbose=False); s.start();"
    "print('http://%s:%s' % s.get_host_and_port(), flush=True); sys.stdin.read()"
)
NEW_ID = id_maker()


def run(options: Options) -> list[Figure]:
    folder = options.folder / "files"
    folder.mkdir()
    figures = _figures("folder", folder.as_uri(), from_url(folder.as_uri()), options)
    with _s3() as endpoint:
        url = f"s3://{BUCKET}?endpoint={endpoint}&region=us-east-1"
        client: dict[str, Any] = {"client_options": {"allow_http": True}}
        alone = from_url(f"s3://{BUCKET}", endpoint=endpoint, region="us-east-1", **client)
        return figures + _figures("S3", url, alone, options)


@contextlib.contextmanager
def _s3() -> Iterator[str]:
    os.environ.update(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret")
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stderr=subprocess.DEVNULL, **pipes
    ) as server:
        try:
            assert server.stdout is not None
            endpoint = server.stdout.readline().decode().strip()
            import boto3  # type: ignore[import-untyped]

            boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(
                Bucket=BUCKET
            )
            yield endpoint
        finally:
            server.kill()


def _figures(where: str, url: str, alone: Any, options: Options) -> list[Figure]:
    return asyncio.run(_measured(where, url, alone, options))


async def _measured(where: str, url: str, alone: Any, options: Options) -> list[Figure]:
    size = LARGE // 10 if options.quick else LARGE
    store = f"sqlite:///{options.folder}/{where}.db"
    ours, theirs, read = [], [], []
    async with open_calls(store, recordings=url) as calls:
        await _put(calls, 40 * MIB)  # what an upload takes at all
        before = _peak()
        for round in range(options.rounds):
            turns = [True, False] if round % 2 else [False, True]
            for turn in turns:
                began = time.perf_counter()
                if turn:
                    id = await _put(calls, size)
                    ours.append(time.perf_counter() - began)
                else:
                    await obstore.put_async(
                        alone, f"alone-{round}", _sound(size), chunk_size=PART, max_concurrency=4
                    )
                    theirs.append(time.perf_counter() - began)
            began = time.perf_counter()
            async for _ in calls.recordings.open(id):
                pass
            read.append(time.perf_counter() - began)
        grown = (_peak() - before) / MIB
        rate = await _small(calls, 50 if options.quick else 300)
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return [
        Figure(f"{size // MIB} MiB put, {where}", size / MIB / statistics.median(ours), "MiB/s"),
        Figure(f"its time beside obstore's alone, {where}", ratio, "times"),
        Figure(f"memory it took beyond a file of 40 MiB, {where}", grown, "MiB", at_most(40)),
        Figure(f"read, {where}", size / MIB / statistics.median(read), "MiB/s"),
        Figure(f"files of 100 kB put, 16 callers, {where}", rate, "/s"),
    ]


async def _sound(size: int) -> AsyncIterator[bytes]:
    for first in range(0, size, MIB):
        yield os.urandom(16) * (min(MIB, size - first) // 16)


async def _waiting(calls: Calls) -> str:
    ann = User(NEW_ID())
    call = await calls.start(NEW_ID(), ann)
    row = await calls.recordings.start(call.id, ann)
    return (await calls.recordings.stop(row.id)).id


async def _put(calls: Calls, size: int) -> str:
    return (await calls.recordings.put(await _waiting(calls), _sound(size))).id


async def _small(calls: Calls, count: int) -> float:
    """A second."""
    ids = [await _waiting(calls) for _ in range(count)]

    async def put(id: str) -> None:
        await calls.recordings.put(id, _sound(SMALL))

    began = time.perf_counter()
    await mix.drive(ids, put, 16)
    return count / (time.perf_counter() - began)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
