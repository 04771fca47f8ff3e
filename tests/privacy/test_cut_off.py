"""kill -9 at every step of an erasure, of a conversation's deletion, of a run, of a sweep: run
again, the end is the same as without."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cutting import lives
from tests.privacy.cut import SETTINGS

from callstore import Calls, open_calls
from callstore.testing import FakeClock, conversation, user
from callstore.testing.contract.captions import say
from callstore.testing.contract.files import paths
from callstore.testing.contract.quality import report_at
from callstore.testing.contract.recordings import SOUND, stream
from callstore.testing.contract.retention import counts

CUT = "tests.privacy.cut"
LIVES = 60


@pytest.fixture(params=["sqlite", "mongodb"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The URLs of a store and of a folder."""
    files = (tmp_path / "files").as_uri()
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/calls.db", files
    return request.getfixturevalue("fresh_mongo")(), files


async def past(calls: Calls, clock: FakeClock, n: int) -> None:
    """A call of its own for a user, in a conversation of its own, with all that a call has."""
    one, other = user(n), user(1000 + n)
    call = await calls.start(conversation(n), one, invite=[other])
    await calls.join(call.id, other)
    row = await calls.recordings.stop((await calls.recordings.start(call.id, one)).id)
    await calls.recordings.put(row.id, stream(SOUND))
    for party in (one, other):
        await say(calls, call.id, party, "hello")
        await calls.quality.report(call.id, party, report_at(clock(), 5))
    await calls.end(call.id, by=one)
    missed = await calls.start(conversation(n), other, invite=[one])
    await calls.cancel(missed.id, other)


async def fill(places: tuple[str, str], count: int) -> None:
    clock = FakeClock(datetime.now(UTC) - timedelta(hours=2))
    store, recordings = places
    async with open_calls(store, recordings=recordings, settings=SETTINGS, clock=clock) as calls:
        for n in range(1, count + 1):
            await past(calls, clock, n)
        clock.advance(600)
        while (await calls.sweep()).analysed:
            pass


async def cut(places: tuple[str, str], what: str, ids: list[str]) -> int:
    return await asyncio.to_thread(lives, CUT, what, *places, *ids)


def opened(places: tuple[str, str]) -> Any:
    return open_calls(places[0], recordings=places[1], settings=SETTINGS)


async def test_erase(places: tuple[str, str]) -> None:
    await fill(places, LIVES)
    took = await cut(places, "erase", [user(n).id for n in range(1, LIVES + 1)])
    assert took > 10
    async with opened(places) as calls:
        assert (await calls.sweep()).failed == 0
        receipts = await calls.privacy.receipts()
        assert {receipt.status for receipt in receipts} == {"done"}
        assert len(receipts) > took - 4  # before it was written down nothing was asked
        for receipt in receipts:
            assert receipt.kept == []
            assert receipt.counts == receipts[0].counts
        assert receipts[0].counts["CallRecording"]["file"] == 1
        asked = [n for n in range(1, took + 1) if not (await calls.log(user(n))).items]
        assert len(asked) == len(receipts)
        assert len(await paths(calls)) == LIVES - len(receipts)
        assert (await calls.doctor()).findings == []
        for n in range(1, LIVES + 1):
            assert len((await calls.log(user(1000 + n))).items) == 2


async def test_delete_conversation(places: tuple[str, str]) -> None:
    await fill(places, LIVES)
    took = await cut(places, "delete_conversation", [conversation(n) for n in range(1, LIVES + 1)])
    assert took > 10
    async with opened(places) as calls:
        assert (await calls.sweep()).failed == 0
        receipts = await calls.privacy.receipts()
        assert {receipt.status for receipt in receipts} == {"done"}
        for receipt in receipts:
            assert receipt.counts == receipts[0].counts
        assert receipts[0].counts["CallSession"] == {"rows": 2}
        left = [n for n in range(1, LIVES + 1) if (await calls.history(conversation(n))).items]
        assert len(left) == LIVES - len(receipts)
        assert len(await paths(calls)) == len(left)
        assert (await calls.doctor()).findings == []


@pytest.mark.parametrize("what", ["retention", "sweep"])
async def test_retention(places: tuple[str, str], what: str) -> None:
    await fill(places, 40)
    ids = [str(n) for n in range(400)]
    took = await cut(places, what, ids)
    assert took > 5
    async with opened(places) as calls:
        assert (await calls.sweep()).failed == 0
        assert (await calls.doctor()).findings == []
        await calls.retention.run()  # files
        await calls.retention.run()  # and the calls that they kept
        assert await counts(calls) == {}
        assert await paths(calls) == []
