"""The host's collections, and watchers of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database
from tests.privacy import follower

from callstore import Calls, open_calls
from callstore.privacy.watch import WatchReport
from callstore.stores.leases import WATCH

Host = Database[dict[str, Any]]
MARKS = [pytest.mark.timeout(120), pytest.mark.xdist_group("watch")]
SOON = 30  # seconds at most


@pytest.fixture
def url(fresh_mongo: Callable[[], str]) -> str:
    return fresh_mongo()


@pytest.fixture
def host(url: str, client: MongoClient[dict[str, Any]]) -> Iterator[Host]:
    """The host's collections, beside callstore's."""
    database = client[url.rpartition("/")[2]]
    for name in ("Conversation", "User", "AnonymousParticipant"):
        database.create_collection(name)
    yield database
    for name in database.list_collection_names():
        if not name.startswith("Call"):
            database.drop_collection(name)
    database["CallLease"].delete_many({})


@pytest.fixture
async def calls(url: str, host: Host) -> AsyncIterator[Calls]:
    async with open_calls(url) as opened:
        yield opened


def insert(collection: Any, count: int) -> list[ObjectId]:
    ids = [ObjectId() for _ in range(count)]
    collection.insert_many([{"_id": id} for id in ids])
    return ids


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON):
        while not await asyncio.to_thread(is_so):  # noqa: ASYNC110 - it is another's
            await asyncio.sleep(0.02)


class Watch:
    """One that runs, and what it was asked to erase."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.told: list[Any] = []
        self.stop = asyncio.Event()
        self.say: Callable[[str], Awaitable[None]] = self._say
        self.report: WatchReport | None = None

    async def _say(self, line: str) -> None:
        self.said.append(line)

    async def run(self, calls: Calls, **options: Any) -> None:
        async def say(line: str) -> None:
            await self.say(line)

        watcher = follower.watcher(calls, say)
        self.report = await watcher.run(stop=self.stop, tell=self.told.append, **options)


def token(host: Host) -> str | None:
    lease = host["CallLease"].find_one({"_id": WATCH})
    return lease.get("token") if lease else None


@asynccontextmanager
async def watching(calls: Calls, host: Host, **options: Any) -> AsyncIterator[Watch]:
    """Nothing that is deleted within is missed."""
    watch = Watch()
    before = token(host)
    async with asyncio.timeout(SOON), asyncio.TaskGroup() as tasks:
        tasks.create_task(watch.run(calls, **options))
        await until(lambda: token(host) not in (None, before))
        yield watch
        watch.stop.set()
