"""Waiting: for what was in another's way, and for one's turn."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from callstore.errors import Busy

_CAP = 7  # doublings: an eighth of a second


async def back_off(tries: int) -> None:
    """Some of a millisecond at first, then longer and longer, at most a tenth of a second."""
    await asyncio.sleep(random.uniform(0, min(0.001 * 2 ** min(tries, _CAP), 0.1)))


@asynccontextmanager
async def turn(gate: asyncio.Semaphore, deadline: float | None) -> AsyncIterator[None]:
    """One of those that the gate lets in, first come, first served. Busy where those before it took
    until the deadline."""
    if gate.locked():
        try:
            async with asyncio.timeout_at(deadline):
                await gate.acquire()
        except TimeoutError:
            raise Busy("what was asked before took until the deadline") from None
    else:  # as mostly; a timeout costs three times as much as all else of it
        await gate.acquire()
    try:
        yield
    finally:
        gate.release()
