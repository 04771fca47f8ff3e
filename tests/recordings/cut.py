"""Puts or deletes recordings and is killed, at one step further each time, until it comes through.

    python cut.py put|delete STORE RECORDINGS ID…

Each life is a fork of a process that has imported everything and opened nothing. Says how many
lives it took.
"""

import asyncio
import functools
import inspect
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

from callstore import open_calls
from callstore.recordings import folder
from callstore.recordings.files import Files
from callstore.recordings.source import Source
from callstore.stores.group import Group
from callstore.stores.mongo.store import MongoStore
from callstore.stores.sqlite.store import SqliteStore

MIB = 1024 * 1024


class Steps:
    """A step begins and ends; at the one whose turn it is, the process is killed."""

    def __init__(self, last: int) -> None:
        self.left = last

    def tick(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def cut(self, owner: Any, name: str) -> None:
        work = getattr(owner, name)

        @functools.wraps(work)
        async def cut_async(*args: Any, **options: Any) -> Any:
            self.tick()
            done = await work(*args, **options)
            self.tick()
            return done

        @functools.wraps(work)
        def cut(*args: Any, **options: Any) -> Any:
            self.tick()
            done = work(*args, **options)
            self.tick()
            return done

        setattr(owner, name, cut_async if inspect.iscoroutinefunction(work) else cut)

    async def sound(self) -> AsyncIterator[bytes]:
        for n in range(20):
            if n % 9 == 0:
                self.tick()
            yield bytes([n]) * MIB
        self.tick()


async def live(what: str, store: str, recordings: str, id: str, last: int) -> None:
    steps = Steps(last)
    async with open_calls(store, recordings=recordings) as calls:
        for owner, names in (
            (Group, ["submit"]),
            (MongoStore if store.startswith("mongodb") else SqliteStore, ["change_lease"]),
            (Files, ["put", "remove"]),
            (Source, ["begin"]),
            (folder, ["make", "settle", "remove", "_sync"]),
        ):
            for name in names:
                steps.cut(owner, name)
        if what == "put":
            await calls.recordings.put(id, steps.sound())
        else:
            await calls.recordings.delete(id)


def main() -> None:
    what, store, recordings, *ids = sys.argv[1:]
    for last, id in enumerate(ids, 1):
        pid = os.fork()
        if pid == 0:
            asyncio.run(live(what, store, recordings, id, last))
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            continue
        if status != 0:
            sys.exit(f"life {last} ended with {status}")
        sys.stdout.write(str(last))
        return
    sys.exit("there were too few")


if __name__ == "__main__":
    main()
