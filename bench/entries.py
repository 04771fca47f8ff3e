"""python -m bench.entries: how many index entries each command writes on MongoDB, as its profiler
counts them."""

import asyncio
from typing import Any

from pymongo import MongoClient

from callstore import Calls, open_calls
from callstore.testing import conversation, user
from callstore.testing.mongod import local_mongod

ROOM, ANN, BOB, CAT = conversation(1), user(1), user(2), user(3)


class Profiler:
    def __init__(self, url: str) -> None:
        self._client: MongoClient[dict[str, Any]] = MongoClient(url)
        self._db = self._client.get_default_database()

    def reset(self) -> None:
        self._db.command("profile", 0)
        self._db["system.profile"].drop()
        self._db.command("profile", 2)

    def count(self) -> dict[str, int]:
        """Collection -> entries written and removed since."""
        self._db.command("profile", 0)
        found: dict[str, int] = {}
        for each in self._db["system.profile"].find():
            name = each["ns"].partition(".")[2]
            keys = each.get("keysInserted", 0) + each.get("keysDeleted", 0)
            if keys:
                found[name] = found.get(name, 0) + keys
        return found


async def measure(url: str) -> None:
    profiler = Profiler(url)
    async with open_calls(url) as calls:
        for name, work in steps(calls):
            profiler.reset()
            await work()
            found = profiler.count()
            parts = ", ".join(f"{name} {count}" for name, count in sorted(found.items()))
            print(f"{name:<22} {sum(found.values()):>3}  {parts}")


def steps(calls: Calls) -> Any:
    made: list[Any] = []

    async def start() -> None:
        made.append(await calls.start(ROOM, ANN, invite=[BOB]))

    yield "start, one invitee", start
    (call,) = made
    yield "join by the invitee", lambda: calls.join(call.id, BOB)
    yield "join, not invited", lambda: calls.join(call.id, CAT)
    yield "connected", lambda: calls.connected(call.id, BOB)
    yield "heartbeat", lambda: calls.heartbeat(call.id, BOB)
    yield "set_media", lambda: calls.set_media(call.id, BOB, audio=False)
    yield "leave", lambda: calls.leave(call.id, CAT)
    yield "end, two in it", lambda: calls.end(call.id)


if __name__ == "__main__":
    with local_mongod() as mongod:
        asyncio.run(measure(f"{mongod.url}/entries"))
