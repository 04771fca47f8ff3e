"""What is done under a lease is done by one at a time, and stops when another has taken it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from callstore import Calls, errors, open_calls
from callstore.stores import holding
from callstore.stores.leases import release


async def taken_from(calls: Calls, body: Callable[[], Awaitable[object]]) -> None:
    """`body` under a lease that another takes meanwhile."""
    store, clock = calls._store, lambda: datetime.now(UTC)
    refusal = errors.Busy("taken")

    async def two() -> None:
        async with holding.holding(store, "job", clock, refusal=refusal):
            pass

    async def take() -> None:
        await store.change_lease("job", lambda old: old and replace(old, holder="two"))
        await store.change_lease("job", release("two"))

    async with holding.holding(store, "job", clock, refusal=refusal):
        with pytest.raises(errors.Busy, match="taken"):
            await two()
        await asyncio.sleep(0.2)  # renewed meanwhile
        taking = asyncio.create_task(take())
        try:
            await body()
        finally:
            await asyncio.shield(taking)


def being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def test_a_lease_that_another_has_taken_stops_what_was_done_under_it(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "_RENEW_EVERY", 0.05)
    async with open_calls(empty_url) as calls:
        with pytest.raises(errors.Busy, match="another took it"):
            await taken_from(calls, asyncio.Event().wait)
        assert not being_cancelled()


async def test_it_is_stopped_again_where_once_is_lost(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "_RENEW_EVERY", 0.05)
    monkeypatch.setattr(holding, "_STOP_EVERY", 0.05)
    lost = []

    async def loses_one() -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
        lost.append(1)

    async def goes_on() -> None:
        await loses_one()
        await asyncio.Event().wait()

    async with open_calls(empty_url) as calls:
        for body in (goes_on, loses_one):
            with pytest.raises(errors.Busy, match="another took it"):
                await taken_from(calls, body)
        assert len(lost) == 2
        assert not being_cancelled()


async def test_who_is_cancelled_by_others_is_told_of_no_lease(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "_RENEW_EVERY", 0.05)
    async with open_calls(empty_url) as calls:
        held, refusal = asyncio.Event(), errors.Busy("taken")

        def hold() -> Any:
            return holding.holding(calls._store, "job", lambda: datetime.now(UTC), refusal=refusal)

        async def one() -> None:
            async with hold():
                held.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(one())
        await held.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with hold():
            pass  # it was given back


async def test_a_renewal_that_is_not_cancelled_keeps_nobody(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cancellation may be lost, too; the lease is given back all the same."""
    monkeypatch.setattr(holding, "_RENEW_EVERY", 0.01)
    async with open_calls(empty_url) as calls:
        change, renewing = calls._store.change_lease, asyncio.Event()
        lost: list[int] = []

        async def loses_one(id: str, made: Any) -> Any:
            renewing.set()
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                if lost:
                    raise
                lost.append(1)
            return await change(id, made)

        async with holding.holding(
            calls._store, "job", lambda: datetime.now(UTC), refusal=errors.Busy("taken")
        ):
            monkeypatch.setattr(calls._store, "change_lease", loses_one)
            renewing.clear()
            await renewing.wait()
        assert lost
        assert not being_cancelled()
        lease = await change("job", lambda old: old)
        assert lease is None or lease.holder is None
