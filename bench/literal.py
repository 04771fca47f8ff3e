"""The document's sample queries, whoever runs them, and a life played by them."""

import itertools
import time
from typing import Protocol

from bench.harness import Timing
from bench.mix import Life


class SampleQueries(Protocol):
    """Each method is one of the document's functions, literally: its calls of Prisma's client one
    after the other, each by itself."""

    async def create_call(self, conversation_id: str, initiator_id: str) -> str:
        """The id of the call."""
        ...

    async def join_call(self, call_id: str, user_id: str) -> None: ...
    async def connected(self, call_id: str, user_id: str) -> None: ...
    async def left(self, call_id: str, user_id: str) -> None: ...
    async def end_call(self, call_id: str, ended_by: str) -> None: ...


async def play(queries: SampleQueries, life: Life, timing: Timing) -> None:
    """A life as the document would keep it, command by command as in `bench.mix`."""
    a, b, c = (party.id for party in life.people)
    began = time.perf_counter()
    call_id = await queries.create_call(life.conversation, a)
    timing.add("start", began)
    steps = [("join", b), ("connected", b), ("connected", a)]
    if life.third:
        steps += [("join", c), ("connected", c), ("leave", c)]
    does = {
        "join": queries.join_call,
        "connected": queries.connected,
        "leave": queries.left,
        "end": queries.end_call,
    }
    for kind, user_id in itertools.chain(steps, [("leave", b), ("end", a)]):
        began = time.perf_counter()
        await does[kind](call_id, user_id)
        timing.add(kind, began)
