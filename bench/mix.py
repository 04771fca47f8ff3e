"""The realistic mix: short lives of calls, and 64 callers who each play one after another.

Start, join, connected twice, in every fifth call a third who joins, connects and leaves, then a
leave and the end. The calls do not end by themselves when one is left: each command has an effect.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, TypeVar

from bench.harness import Timing
from callstore import Calls, User

CALLERS = 64
DEVICE: dict[str, str | None] = {"browser": "Firefox", "os": "Linux", "deviceType": "desktop"}

T = TypeVar("T")


class Life(NamedTuple):
    """What becomes of one call."""

    conversation: str
    people: tuple[User, User, User]
    third: bool


def lives(count: int, *, first: int = 0) -> list[Life]:
    """`count` lives from number `first` on, each in a conversation of its own."""
    return [_life(number) for number in range(first, first + count)]


def _life(number: int) -> Life:
    people = (_user(3 * number), _user(3 * number + 1), _user(3 * number + 2))
    return Life(f"c{number:023x}", people, third=number % 5 == 0)


def _user(number: int) -> User:
    return User(f"a{number:023x}")


async def drive(
    work: Iterable[T], play: Callable[[T], Awaitable[None]], callers: int = CALLERS
) -> None:
    """`callers` at once, each taking the next piece of work when it is done with its last."""
    queue = iter(work)

    async def caller() -> None:
        for piece in queue:
            await play(piece)

    await asyncio.gather(*(caller() for _ in range(callers)))


async def play(calls: Calls, life: Life, timing: Timing) -> None:
    """A life on callstore."""
    a, b, c = life.people
    invited = (b, c) if life.third else (b,)
    began = time.perf_counter()
    call = await calls.start(life.conversation, a, invite=invited, end_when="empty")
    timing.add("start", began)
    await _enter(calls, call.id, b, timing)
    began = time.perf_counter()
    await calls.connected(call.id, a)
    timing.add("connected", began)
    if life.third:
        await _enter(calls, call.id, c, timing)
        await _leave(calls, call.id, c, timing)
    await _leave(calls, call.id, b, timing)
    began = time.perf_counter()
    await calls.end(call.id, by=a)
    timing.add("end", began)


async def _enter(calls: Calls, call_id: str, party: User, timing: Timing) -> None:
    began = time.perf_counter()
    await calls.join(call_id, party, device=DEVICE)
    timing.add("join", began)
    began = time.perf_counter()
    await calls.connected(call_id, party)
    timing.add("connected", began)


async def _leave(calls: Calls, call_id: str, party: User, timing: Timing) -> None:
    began = time.perf_counter()
    await calls.leave(call_id, party)
    timing.add("leave", began)
