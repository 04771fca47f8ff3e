"""Puts or deletes recordings and is killed, at one step further each time, until it comes through.

python -m tests.recordings.cut put|delete STORE RECORDINGS ID…
"""

import sys
from collections.abc import AsyncIterator

from tests.cutting import Steps, live_on

from callstore import open_calls
from callstore.recordings import folder
from callstore.recordings.files import Files
from callstore.recordings.source import Source
from callstore.stores.group import Group
from callstore.stores.mongo.store import MongoStore
from callstore.stores.sqlite.store import SqliteStore

MIB = 1024 * 1024


async def sound(steps: Steps) -> AsyncIterator[bytes]:
    for n in range(20):
        if n % 9 == 0:
            steps.tick()
        yield bytes([n]) * MIB
    steps.tick()


def main() -> None:
    what, store, recordings, *ids = sys.argv[1:]

    async def life(steps: Steps, id: str) -> None:
        async with open_calls(store, recordings=recordings) as calls:
            steps.cut(Group, ["submit"])
            adapter = MongoStore if store.startswith("mongodb") else SqliteStore
            steps.cut(adapter, ["change_lease"])
            steps.cut(Files, ["put", "remove"])
            steps.cut(Source, ["begin"])
            steps.cut(folder, ["make", "settle", "remove", "_sync"])
            if what == "put":
                await calls.recordings.put(id, sound(steps))
            else:
                await calls.recordings.delete(id)

    live_on(life, ids)


if __name__ == "__main__":
    main()
