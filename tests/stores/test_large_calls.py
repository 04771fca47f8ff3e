"""Calls with more rows than MongoDB writes in the time of a command."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from tests.stores.failing import Failing
from tests.stores.failing import failing as failing
from tests.stores.listening import asked

from callstore import Calls, errors, open_calls
from callstore.testing import FakeClock
from callstore.testing.contract.quality import report_at
from callstore.testing.contract.world import ANN, ROOM, check_sound
from callstore.testing.data import conversation


@pytest.fixture
async def calls(empty_mongo: str) -> AsyncIterator[Calls]:
    async with open_calls(empty_mongo) as opened:
        yield opened
        await check_sound(opened)


async def analysable(calls: Calls, room: str, at: datetime) -> str:
    """The id of a call that has ended and has samples."""
    call = await calls.start(room, ANN)
    await calls.quality.report(call.id, ANN, report_at(at, 100))
    await calls.end(call.id)
    return call.id


async def test_a_large_call_has_the_time_it_takes(
    empty_mongo: str, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To say of each of its rows when it goes."""
    monkeypatch.setattr("callstore.stores.mongo.engine._ATTEMPT", 0.2)
    monkeypatch.setattr("callstore.retention.facade.STAMPED", 1)
    clock = FakeClock()
    samples = f"{empty_mongo.rpartition('/')[2]}.CallQualitySample"
    slow = {"namespace": samples, "blockConnection": True, "blockTimeMS": 400}
    async with open_calls(empty_mongo, clock=clock, settings={"command_deadline": 1}) as calls:
        id = await analysable(calls, ROOM, clock())
        clock.advance(3600)
        await calls.quality.analyse(id)
        with failing("update", 1000, **slow):
            await calls.retention.run()
        (sample,) = await calls._store.samples(id)
        assert sample.analysed
        assert sample.expires_at is not None


async def test_very_many_samples_are_seen_and_stamped_some_at_a_time(
    empty_mongo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callstore.quality.facade.TOGETHER", 3)
    monkeypatch.setattr("callstore.stores.mongo.expiry.SAMPLES", 3)
    clock = FakeClock()
    async with open_calls(empty_mongo, clock=clock) as calls:
        small = [await analysable(calls, conversation(n), clock()) for n in (1, 2)]
        call = await calls.start(ROOM, ANN)
        for packets in range(8):
            await calls.quality.report(call.id, ANN, report_at(clock(), packets))
            clock.advance(5)
        await calls.end(call.id)
        clock.advance(3600)
        assert (await calls.sweep()).analysed == 3
        for id in (*small, call.id):
            samples = await calls._store.samples(id)
            assert all(sample.analysed for sample in samples)
            (at,) = {sample.expires_at for sample in samples}
            assert at is not None
        assert (await calls.sweep()).analysed == 0
        await calls.holds.place(call_id=call.id, reason="a lawsuit")
        await calls.sweep()
        assert {each.expires_at for each in await calls._store.samples(call.id)} == {None}


@pytest.mark.parametrize("times", [1, 2])
async def test_a_call_that_takes_too_long_keeps_no_other_from_its_analysis(
    calls: Calls, failing: Failing, empty_mongo: str, times: int
) -> None:
    for n in range(2):
        await analysable(calls, conversation(n), datetime.now(UTC))
    samples = f"{empty_mongo.rpartition('/')[2]}.CallQualitySample"
    with failing("find", times, namespace=samples, errorCode=50):
        if times == 1:
            report = await calls.sweep()
            assert (report.analysed, report.failed) == (1, 1)
        else:  # the store is away
            with pytest.raises(errors.StoreUnavailable, match="did not answer in time"):
                await calls.sweep()
    assert (await calls.sweep()).analysed == times


async def test_a_marking_that_was_cut_off_goes_on_though_samples_have_gone(
    empty_mongo: str,
) -> None:
    clock = FakeClock()
    async with open_calls(empty_mongo, clock=clock) as calls:
        id = await analysable(calls, ROOM, clock())
        await calls.quality.report(id, ANN, report_at(clock.advance(1), 200))
        made = await calls.quality.analyse(id)
        await calls.quality.report(id, ANN, report_at(clock.advance(1), 300))
        erased = [s for s in await calls._store.samples(id) if s.analysed]
        await calls._store.delete_rows("CallQualitySample", erased)
        assert await calls._store.unanalysed() == [id]
        assert await calls.quality.analyse(id) == made
        assert await calls._store.unanalysed() == []


async def test_nothing_goes_once_a_hold_is_placed(empty_mongo: str, failing: Failing) -> None:
    """By another process, while a piece of the call is being deleted."""
    clock = FakeClock()
    samples = f"{empty_mongo.rpartition('/')[2]}.CallQualitySample"
    slow = {"namespace": samples, "blockConnection": True, "blockTimeMS": 1500}
    async with (
        open_calls(empty_mongo, clock=clock) as calls,
        open_calls(empty_mongo, clock=clock) as other,
    ):
        id = await analysable(calls, ROOM, clock())
        with asked("delete") as sent, failing("delete", 1, **slow):
            deleting = asyncio.create_task(calls.privacy.delete_conversation(ROOM))
            for _ in range(600):
                if any(each.command["delete"] == "CallQualitySample" for each in sent):
                    break
                await asyncio.sleep(0.05)
            assert not deleting.done()
            await other.holds.place(conversation_id=ROOM, reason="a lawsuit")
            held = await other._store.samples(id)
            assert (await deleting).status == "pending"
        assert await other._store.samples(id) == held
        assert (await other.get(id)).holds
