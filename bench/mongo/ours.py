"""callstore as a contestant, on MongoDB."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from bench.mongo.peer import PAGE, Found
from callstore import Call, Calls, User, open_calls


class Ours:
    """Reads and joins as a `Peer` has them."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    async def join_call(self, call_id: str, user_id: str) -> None:
        await self.calls.join(call_id, User(user_id))

    async def get(self, call_id: str) -> Found:
        return _found([await self.calls.get(call_id)])

    async def history(self, conversation_id: str) -> Found:
        return _found((await self.calls.history(conversation_id, limit=PAGE)).items)

    async def current(self, user_id: str) -> Found:
        return _found([await self.calls.current(User(user_id))])

    async def live_in(self, conversation_id: str) -> Found:
        return _found([await self.calls.live_in(conversation_id)])


def _found(calls: Iterable[Call | None]) -> Found:
    return [(call, call.participants or []) for call in calls if call is not None]


@asynccontextmanager
async def opened(url: str, database: str) -> AsyncIterator[Ours]:
    async with open_calls(f"{url}/{database}") as calls:
        yield Ours(calls)
