"""Work that only one may do at a time: under a lease that is renewed while it lasts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from callstore.errors import Busy, CallstoreError, StoreError
from callstore.stores import leases
from callstore.stores.holders import is_gone, new_holder
from callstore.stores.protocol import Store
from callstore.tasks import to_its_end

_RENEW_EVERY = leases.LEASE_FOR.total_seconds() / 3


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

    try:
        # Who is cancelled here may have taken it all the same.
        taking = store.change_lease(id, leases.take(id, holder, clock(), is_gone))
        if await to_its_end(taking) is None:
            raise refusal
        async with asyncio.timeout(None) as limit:
            renewing = asyncio.create_task(_keep(renew, limit))
            try:
                yield holder
            finally:
                renewing.cancel()
                await asyncio.wait([renewing])
    except TimeoutError:
        if not limit.expired():
            raise
        raise Busy(f"the lease {id!r} ran out and another took it: this stopped half way") from None
    finally:
        await to_its_end(forget())


async def _keep(renew: Callable[[], Awaitable[bool]], limit: asyncio.Timeout) -> None:
    while True:
        await asyncio.sleep(_RENEW_EVERY)
        with suppress(StoreError):  # it may come back before the lease ends
            if not await renew():
                limit.reschedule(asyncio.get_running_loop().time())
                return
