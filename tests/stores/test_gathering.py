"""Histories that are asked for at once are read together, and are what each would be alone."""

import asyncio
import gc
from collections.abc import Sequence
from typing import Any

import pymongo
import pytest
from bson import DatetimeMS, ObjectId
from tests.stores import listening

from callstore import errors, open_calls
from callstore.stores.mongo.gathering import MOST, Gathering
from callstore.testing.data import conversation, user


class Read:
    """Answers with the query, doubled, and remembers what was asked together; `began` tells of
    each reading."""

    def __init__(self) -> None:
        self.together: list[Sequence[int]] = []
        self.began: asyncio.Queue[None] = asyncio.Queue()
        self.may_answer = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, asked: Sequence[int]) -> list[int]:
        self.together.append(asked)
        self.began.put_nowait(None)
        await self.may_answer.wait()
        if self.error:
            raise self.error
        return [2 * query for query in asked]


async def settled() -> None:
    """All that goes on without an answer has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_whoever_asks_meanwhile_goes_with_the_next() -> None:
    read = Read()
    gathering = Gathering(read, 10)
    asking = []
    for number in range(2 + MOST + 3):
        asking.append(asyncio.create_task(gathering.ask(number)))
        if number < 2:
            await read.began.get()  # nobody else asks yet: it is on its way
    await settled()
    assert read.together == [[0], [1]]
    read.may_answer.set()
    assert await asyncio.gather(*asking) == [2 * number for number in range(len(asking))]
    assert [len(asked) for asked in read.together] == [1, 1, MOST, 3]


async def test_what_several_ask_is_read_once() -> None:
    read = Read()
    read.may_answer.set()
    gathering = Gathering(read, 10)
    assert await asyncio.gather(*(gathering.ask(n) for n in (1, 2, 1, 2))) == [2, 4, 2, 4]
    assert read.together == [[1, 2]]


async def test_who_gives_up_takes_nobody_along() -> None:
    read = Read()
    gathering = Gathering(read, 10)
    first, second = (asyncio.create_task(gathering.ask(number)) for number in (1, 2))
    await read.began.get()
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    read.may_answer.set()
    assert await second == 4
    assert read.together == [[1, 2]]


async def test_each_is_told_of_an_error_by_its_own() -> None:
    read = Read()
    read.may_answer.set()
    read.error = errors.StoreUnavailable("MongoDB cannot be reached")
    gathering = Gathering(read, 10)
    told = await asyncio.gather(*(gathering.ask(1) for _ in range(3)), return_exceptions=True)
    assert {str(error) for error in told} == {"MongoDB cannot be reached"}
    assert len({id(error) for error in told}) == 3
    read.error = None
    assert await gathering.ask(1) == 2


async def test_a_reading_that_somebody_cancels_is_not_joined_again() -> None:
    """As who shuts down cancels all tasks."""
    read = Read()
    gathering = Gathering(read, 10)
    asking = []
    for number in range(3):
        asking.append(asyncio.create_task(gathering.ask(number)))
        await settled()
    for task in asyncio.all_tasks() - {*asking, asyncio.current_task()}:
        task.cancel()
    told = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(error) for error in told} == {errors.StoreUnavailable}
    read.may_answer.set()
    assert await gathering.ask(1) == 2


async def test_what_nobody_waits_for_ends_with_its_store(caplog: pytest.LogCaptureFixture) -> None:
    read = Read()
    read.error = errors.StoreUnavailable("closed")
    gathering = Gathering(read, 10)
    for ends in (True, False):
        asking = asyncio.create_task(gathering.ask(1))
        await read.began.get()
        asking.cancel()
        await asyncio.wait([asking])
        if ends:
            read.may_answer.set()
            await asyncio.wait(gathering._readings)
            read.may_answer.clear()
    assert len(gathering._readings) == 1
    await gathering.close()
    gc.collect()
    assert not gathering._readings
    assert not caplog.records


async def test_a_host_may_make_its_tasks_as_it_likes() -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, work: asyncio.Task(work, loop=loop))
    read = Read()
    read.may_answer.set()
    assert await Gathering(read, 10).ask(1) == 2


ROOMS = range(1, 11)


async def test_pages_that_are_read_together_are_what_each_is_alone(fresh_mongo: Any) -> None:
    async with open_calls(fresh_mongo()) as calls:
        for room in ROOMS:
            for _ in range(room - 1):  # the first has none
                call = await calls.start(conversation(room), user(1), invite=[user(2)])
                await calls.join(call.id, user(2))
                await calls.end(call.id)
        asked: list[dict[str, Any]] = []
        alone = []
        for room in ROOMS:
            of = {"conversation_id": conversation(room), "limit": 3}
            asked += [of, {**of, "limit": 20}]
            alone += [await calls.history(**each) for each in asked[-2:]]
            if cursor := alone[-2].next:
                asked.append({**of, "cursor": cursor})
                alone.append(await calls.history(**asked[-1]))
        with listening.asked("find", "aggregate") as reads:
            together = await asyncio.gather(*(calls.history(**each) for each in [*asked, *asked]))
        assert together == [*alone, *alone]
        counted = [
            len(page.items) for each, page in zip(asked, alone, strict=True) if each["limit"] > 3
        ]
        assert counted == [room - 1 for room in ROOMS]
        assert len(reads) < len(asked)


async def test_a_row_that_cannot_be_read_harms_no_other_page(
    fresh_mongo: Any, client: pymongo.MongoClient[Any]
) -> None:
    async with open_calls(url := fresh_mongo()) as calls:
        made = [await calls.start(conversation(room), user(1)) for room in (1, 2)]
        rows = client.get_database(url.rpartition("/")[2])["CallSession"]
        far = {"$set": {"startedAt": DatetimeMS(2**60)}}
        rows.update_one({"_id": ObjectId(made[0].id)}, far, bypass_document_validation=True)
        asked = [calls.history(conversation(room)) for room in (1, 2, 3)]
        broken, whole, empty = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(broken, errors.StoreError)
        assert [call.id for call in getattr(whole, "items", ())] == [made[1].id]
        assert not getattr(empty, "items", None)


async def test_a_deadline_of_the_hosts_is_not_the_others(fresh_mongo: Any) -> None:
    """As it has around its own queries."""
    async with open_calls(fresh_mongo()) as calls:
        with pymongo.timeout(0.001):
            began = asyncio.create_task(calls.start(conversation(1), user(1)))
            first = asyncio.create_task(calls.history(conversation(2)))
        others = [calls.history(conversation(1)), calls.start(conversation(2), user(1))]
        await asyncio.gather(began, first, *others)
        with pytest.raises(errors.CallAlreadyLive):
            await calls.start(conversation(1), user(1))
