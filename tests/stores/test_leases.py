"""How far a job has come outlives whoever holds its lease, however that is given back or taken."""

from collections.abc import Callable
from datetime import timedelta
from functools import reduce

import pytest

from callstore import open_calls
from callstore.schema.model import Lease
from callstore.stores.leases import AHEAD, Change, come_to, forget, release, renew, take
from callstore.testing import FakeClock

CLOCK = FakeClock()
NOW = CLOCK()
LATER = NOW + timedelta(minutes=5)
ME, OTHER = "me", "another"
BEGUN: list[Change] = [take("x", ME, NOW), come_to(ME, "t1")]


def after(*changes: Change) -> Lease | None:
    def step(lease: Lease | None, change: Change) -> Lease | None:
        made = change(lease)
        return lease if made is None else made

    return reduce(step, changes, None)


@pytest.mark.parametrize(
    "change",
    [
        renew("x", ME, NOW),
        take("x", ME, LATER),
        take("x", OTHER, LATER),  # it ran out
        take("x", OTHER, NOW, lambda _: True),  # its holder has died
        take("x", OTHER, NOW - AHEAD - timedelta(seconds=1)),  # it was of a clock that was wrong
        release(ME),
        forget(ME),
        forget(OTHER),
        come_to(OTHER, "t2"),
    ],
)
def test_it_keeps_its_token(change: Change) -> None:
    lease = after(*BEGUN, change)
    assert lease is not None
    assert lease.token == "t1"
    assert not lease.empty


def test_it_comes_further() -> None:
    lease = after(*BEGUN, come_to(ME, "t2"))
    assert lease is not None
    assert (lease.token, lease.holder) == ("t2", ME)


def test_who_has_lost_it_is_told() -> None:
    assert come_to(ME, "t2")(after(*BEGUN, take("x", OTHER, LATER))) is None
    assert come_to(ME, "t2")(None) is None


def test_what_has_come_nowhere_is_not_kept() -> None:
    lease = after(take("x", ME, NOW), forget(ME))
    assert lease is not None
    assert lease.empty


@pytest.mark.parametrize("store", ["memory", "mongodb"])
async def test_both_stores_keep_it(store: str, request: pytest.FixtureRequest) -> None:
    fresh: Callable[[], str] = (
        request.getfixturevalue("fresh_mongo") if store == "mongodb" else lambda: "memory:"
    )
    async with open_calls(fresh()) as calls:
        for change in (*BEGUN, forget(ME)):
            await calls._store.change_lease("x", change)
        seen: list[Lease | None] = []
        await calls._store.change_lease("x", seen.append)
    assert seen == [
        Lease(id="x", holder=None, until=None, watching_since=None, last_run_at=None, token="t1")
    ]
