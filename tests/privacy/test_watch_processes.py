"""Watchers that are killed, two at once, a primary that goes away: no deletion is missed."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from tests.privacy import follower
from tests.privacy.watching import MARKS, Host, insert, token, until, watching
from tests.privacy.watching import host as host
from tests.privacy.watching import url as url

from callstore import open_calls
from callstore.testing.mongod import LocalMongod, local_mongod

pytestmark = MARKS


@contextmanager
def process(url: str, file: Path, **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    path = Path(follower.__file__)
    started = subprocess.Popen([sys.executable, path, url, file, json.dumps(options)])
    try:
        yield started
    finally:
        started.kill()
        started.wait()


async def test_killed_between_deletions_it_misses_none(
    url: str, host: Host, tmp_path: Path
) -> None:
    ids, file = insert(host["User"], 60), tmp_path / "said"

    def said() -> list[str]:
        return file.read_text().splitlines() if file.exists() else []

    def heard(count: int) -> bool:
        return len(set(said())) >= count

    for enough in (4, 24, 44):
        with process(url, file, users="User"):
            await until(lambda: token(host))
            for id in ids[enough - 4 : enough + 16]:
                host["User"].delete_one({"_id": id})
            await until(partial(heard, enough))
    with process(url, file, users="User"):
        await until(partial(heard, 60))
    assert list(dict.fromkeys(said())) == [f"u:{id} anonymise watch" for id in ids]
    assert len(said()) <= 60 + 3 * 2


async def test_of_two_one_works_and_the_other_takes_over(
    url: str, host: Host, tmp_path: Path
) -> None:
    ids, file, other = insert(host["User"], 20), tmp_path / "one", tmp_path / "other"
    with process(url, file, users="User") as first:
        await until(lambda: token(host))
        with process(url, other, users="User"):
            for id in ids[:10]:
                host["User"].delete_one({"_id": id})
            await until(lambda: file.exists() and len(file.read_text().splitlines()) == 10)
            assert not other.exists() or other.read_text() == ""
            first.terminate()
            assert await asyncio.to_thread(first.wait) == 0
            for id in ids[10:]:
                host["User"].delete_one({"_id": id})
            await until(lambda: other.exists() and str(ids[-1]) in other.read_text())
    said = file.read_text().splitlines() + other.read_text().splitlines()
    assert list(dict.fromkeys(said)) == [f"u:{id} anonymise watch" for id in ids]


async def test_a_primary_that_goes_away_costs_no_deletion() -> None:
    with local_mongod(3) as three, MongoClient[dict[str, Any]](three.url) as client:
        host = client["gone"]
        ids = insert(host["User"], 40)
        async with (
            open_calls(f"{three.url}/gone") as calls,
            watching(calls, host, users="User") as watch,
        ):
            for id in ids[:20]:
                host["User"].delete_one({"_id": id})
            await asyncio.to_thread(kill_primary, three)
            for id in ids[20:]:
                await asyncio.to_thread(host["User"].delete_one, {"_id": id})
            await until(lambda: len({*watch.said}) == 40)
    assert list(dict.fromkeys(watch.said)) == [f"u:{id} anonymise watch" for id in ids]


def kill_primary(three: LocalMongod) -> None:
    three.kill(three.primary())
    three.primary()
