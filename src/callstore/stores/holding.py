"""Work that only one may do at a time: under a lease that is renewed while it lasts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from callstore.errors import Busy, CallstoreError, StoreError
from callstore.stores import leases
from callstore.stores.holders import is_gone, new_holder
from callstore.stores.protocol import Store
from callstore.tasks import stop, to_its_end

_RENEW_EVERY = leases.LEASE_FOR.total_seconds() / 3
_STOP_EVERY = 5.0  # seconds: what is stopped has time to take back what it began


@asynccontextmanager
async def holding(
    store: Store, id: str, clock: Callable[[], datetime], *, refusal: CallstoreError
) -> AsyncIterator[str]:
    """`refusal` where another holds the lease, be it in this process; gives the holder's name. Work
    whose lease another has taken, because it could not be renewed in time, is stopped: Busy."""
    holder = new_holder()

    async def renew() -> bool:
        return await store.change_lease(id, leases.renew(id, holder, clock())) is not None

    async def forget() -> None:
        with suppress(StoreError):  # then it runs out by itself
            await store.change_lease(id, leases.forget(holder))

    ran_out = Busy(f"the lease {id!r} ran out and another took it: this stopped half way")
    try:
        # Who is cancelled here may have taken it all the same.
        taking = store.change_lease(id, leases.take(id, holder, clock(), is_gone))
        if await to_its_end(taking) is None:
            raise refusal
        async with _until(lambda: _lost(renew), ran_out):
            yield holder
    finally:
        await to_its_end(forget())


async def _lost(renew: Callable[[], Awaitable[bool]]) -> None:
    kept = True
    while kept:
        await asyncio.sleep(_RENEW_EVERY)
        with suppress(StoreError):  # it may come back before the lease ends
            kept = await renew()


@asynccontextmanager
async def _until(
    event: Callable[[], Awaitable[None]], error: CallstoreError
) -> AsyncIterator[None]:
    """`error` if `event` comes first: what is done within is stopped, and stopped again if that was
    lost, as Python 3.11 may lose it in a wait_for of the driver's."""
    task, stops, over = asyncio.current_task(), 0, False
    assert task is not None
    before = task.cancelling()

    async def interrupt() -> None:
        nonlocal stops
        await event()
        while not over:
            stops += 1
            task.cancel()
            await asyncio.sleep(_STOP_EVERY)

    stopping = asyncio.create_task(interrupt())
    try:
        try:
            yield
        finally:
            over = True
            await stop(stopping)
    except asyncio.CancelledError:
        if not stops or task.cancelling() > before + stops:  # by somebody else
            raise
    finally:
        for _ in range(stops):
            task.uncancel()
    if stops:
        raise error
