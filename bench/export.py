"""A party's export on both stores: how fast, and how much memory it takes beyond an empty one, each
in a process of its own; a zip with files of recordings."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bench.harness import Figure, Options, at_least, at_most, median_of, mongod_in
from callstore import User, open_calls
from callstore.calls.model import party_from_ref
from callstore.ids import id_maker

CALLS = 20_000  # of which she is in half
FILES, SIZE = 20, 10 * 1024 * 1024
MIB = 1024 * 1024
MOST = 8  # MiB beyond an empty export
CACHE = 16  # MiB of pages that SQLite keeps of what it has read
NEW_ID = id_maker()


def run(options: Options) -> list[Figure]:
    folder = options.folder / "files"
    folder.mkdir()
    sqlite = f"sqlite:///{options.folder}/export.db"
    figures = _figures("SQLite", sqlite, 1500, MOST + CACHE, options)
    figures += _with_files(sqlite, folder.as_uri(), options)
    with mongod_in(options.folder) as mongod:
        return figures + _figures("MongoDB", f"{mongod.url}/export", 600, MOST, options)


def _figures(store: str, url: str, least: float, most: float, options: Options) -> list[Figure]:
    party = asyncio.run(_seeded(url, CALLS // 10 if options.quick else CALLS))
    nothing = _exported(url, "memory:", f"u:{NEW_ID()}", "json")["peak"]
    figures = []
    for format in ("json", "xml"):
        runs = [_exported(url, "memory:", party, format) for _ in range(options.rounds)]
        calls = runs[0]["calls"]
        rate = calls / median_of(runs, lambda run: run["seconds"])
        size = runs[0]["bytes"] / MIB
        grown = (median_of(runs, lambda run: run["peak"]) - nothing) / MIB
        figures += [
            Figure(
                f"calls exported as {format}, {store}",
                rate,
                "/s",
                at_least(least) if format == "json" else None,
                note=f"{calls:,.0f} calls, {size:.1f} MiB, {rate * size / calls:.1f} MiB/s",
            ),
            Figure(f"memory it took beyond an empty one, {store}", grown, "MiB", at_most(most)),
        ]
    return figures


def _with_files(url: str, files: str, options: Options) -> list[Figure]:
    count = FILES // 10 if options.quick else FILES
    party = asyncio.run(_recorded(url, files, count))
    nothing = _exported(url, files, f"u:{NEW_ID()}", "zip")["peak"]
    runs = [_exported(url, files, party, "zip") for _ in range(options.rounds)]
    rate = count * SIZE / MIB / median_of(runs, lambda run: run["seconds"])
    grown = (median_of(runs, lambda run: run["peak"]) - nothing) / MIB
    return [
        Figure("recordings in a zip, from a folder", rate, "MiB/s"),
        Figure("memory it took beyond an empty one, zip", grown, "MiB", at_most(MOST + CACHE)),
    ]


async def _seeded(url: str, count: int) -> str:
    async with open_calls(url, recordings="memory:", settings={"secret": "s"}) as calls:
        return (await calls.seed(count)).busy_party


async def _recorded(url: str, files: str, count: int) -> str:
    """A party that has asked for so many recordings."""
    ann = User(NEW_ID())

    async def sound() -> AsyncIterator[bytes]:
        for _ in range(SIZE // MIB):
            yield os.urandom(MIB)

    async with open_calls(url, recordings=files, settings={"secret": "s"}) as calls:
        for _ in range(count):
            call = await calls.start(NEW_ID(), ann)
            row = await calls.recordings.start(call.id, ann)
            await calls.recordings.stop(row.id)
            await calls.recordings.put(row.id, sound())
            await calls.end(call.id)
    return ann.ref


def _exported(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.export", *arguments]
    done = subprocess.run(command, capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def _export(url: str, files: str, party: str, format: Any) -> dict[str, float]:
    async with open_calls(url, recordings=files, settings={"secret": "s"}) as calls:
        began, size = time.perf_counter(), 0
        stream = calls.privacy.export(party_from_ref(party), format=format)
        async for some in stream:
            size += len(some)
        seconds = time.perf_counter() - began
    assert stream.manifest is not None
    counted = stream.manifest.counts.log_entries
    return {"seconds": seconds, "bytes": size, "peak": _peak(), "calls": counted}


def _peak() -> float:
    """Of this process; what getrusage says is its parent's, where that was larger."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_export(*sys.argv[1:]))))
