"""Work that is not left in the middle."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
KeepOn = Callable[[], Awaitable[bool]]
"""Whether who does a long job may go on with it: its lease is renewed."""


async def to_its_end(work: Awaitable[T], stop: Callable[[], object] = lambda: None) -> T:
    """What `work` gives. Whoever waits for it may be cancelled, however often: then `stop` is
    called once, and CancelledError raised when the work has come to its end all the same."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop()
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # seen: what is told is that it was cancelled
        raise


async def stop(task: asyncio.Task[Any]) -> None:
    """Cancelled until it is at its end, for a wait_for of Python 3.11 may lose that; what it raises
    is nobody's any more."""

    async def end() -> None:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=1)
        if not task.cancelled():
            task.exception()  # seen

    await to_its_end(end())
