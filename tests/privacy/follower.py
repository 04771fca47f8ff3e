"""A process of its own that watches: `python follower.py URL FILE OPTIONS`. What it was asked to
erase stands in the file, a line each, before it says that it is done."""

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime
from typing import Any

from callstore import Calls, Guest, User, open_calls
from callstore.privacy.model import Receipt
from callstore.privacy.watch import Watcher
from callstore.settings import load_settings

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def receipt(mode: Any, **of: Any) -> Receipt:
    return Receipt(
        id="1" * 24,
        party_hash=None,
        conversation_id=None,
        mode=mode,
        recordings="requested",
        status="done",
        counts={},
        kept=[],
        requested_by=None,
        requested_at=NOW,
        done_at=NOW,
        **of,
    )


class Erasing:
    """Says what it was asked to erase, as `Privacy` would erase it."""

    def __init__(self, say: Any) -> None:
        self.say = say

    async def delete_conversation(self, id: str, /, *, by: str | None) -> Receipt:
        await self.say(f"conversation {id} {by}")
        return receipt("delete")

    async def erase(self, party: User | Guest, /, *, mode: Any, by: str | None) -> Receipt:
        await self.say(f"{party.ref} {mode} {by}")
        return receipt(mode)

    async def delete_guest(self, id: str, /, *, by: str | None) -> Receipt:
        await self.say(f"g:{id} {by}")
        return receipt("delete")


def watcher(calls: Calls, say: Any) -> Watcher:
    erasing = Erasing(say)
    return Watcher(
        calls._store,
        clock=lambda: datetime.now(UTC),
        settings=load_settings({"secret": "s"}),
        delete_conversation=erasing.delete_conversation,
        erase=erasing.erase,
        delete_guest=erasing.delete_guest,
    )


async def main(url: str, path: str, options: dict[str, Any]) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def say(line: str) -> None:
        os.write(file, f"{line}\n".encode())

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_calls(url) as calls:
        await watcher(calls, say).run(stop=stop, **options)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
