"""Which commands are committed together."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from callstore import open_calls
from callstore.stores.protocol import Batch
from callstore.stores.sqlite.store import SqliteStore
from callstore.testing import chosen_id, conversation, user
from callstore.testing.contract.races import at_once, kinds
from callstore.testing.contract.world import ANN, BOB


class Apart(SqliteStore):
    """SQLite as if it bore four groups at once, and what it was given to commit."""

    at_once = 4

    def __init__(self, path: Path, *, patience: float) -> None:
        super().__init__(path, patience=patience)
        self.batches: list[tuple[set[str], set[str]]] = []
        self.places: dict[str, str] = {}
        self.underway: list[set[str]] = []
        self.begun = asyncio.Event()
        self.most = 0  # batches that were on their way together

    def conversation_of(self, call_id: str) -> str | None:
        return self.places.get(call_id)

    async def transact(self, batch: Batch, patience: float, *, rehearsal: bool = False) -> None:
        self.batches.append((set(batch.call_ids), set(batch.conversation_ids)))
        of = {*batch.call_ids, *batch.conversation_ids}
        assert all(of.isdisjoint(other) for other in self.underway)
        self.underway.append(of)
        self.begun.set()
        self.most = max(self.most, len(self.underway))
        await super().transact(batch, patience, rehearsal=rehearsal)
        self.underway.remove(of)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("callstore.stores.sqlite.store.SqliteStore", Apart)
    return f"sqlite:///{tmp_path}/calls.db"


async def test_on_a_cluster_a_group_is_of_one_conversation(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Apart, "sharded", True)
    async with open_calls(url) as calls:
        store: Any = calls._store
        works = (calls.start(conversation(n % 10), user(n)) for n in range(1, 101))
        results = await at_once(works)
        assert kinds(results) == {"Call": 10, "CallAlreadyLive": 90}
        assert all(len(conversations) == 1 for _, conversations in store.batches)
        assert len(store.batches) == 10
        made = [await calls.live_in(conversation(n)) for n in range(10)]
        store.places = {call.id: call.conversation_id for call in made if call}
        store.batches.clear()
        both: list[Any] = [calls.join(call.id, BOB) for call in made if call]
        both += [calls.start(conversation(n), ANN) for n in range(10)]
        await asyncio.gather(*both, return_exceptions=True)
        for ids, conversations in store.batches:
            assert len({store.places[id] for id in ids} | conversations) == 1


async def test_elsewhere_it_is_of_any(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Apart, "at_once", 1)
    async with open_calls(url) as calls:
        await at_once(calls.start(conversation(n), ANN) for n in range(1, 101))
        store: Any = calls._store
        assert len(store.batches) == 1


async def test_groups_on_their_way_together_are_of_other_calls(url: str) -> None:
    async with open_calls(url) as calls:
        store: Any = calls._store
        made = [await calls.start(conversation(n), ANN) for n in range(1, 101)]
        store.batches.clear()
        await at_once(calls.join(call.id, BOB) for call in made)
        assert [len(ids) for ids, _ in store.batches] == [25] * 4
        assert store.most == 4
        store.batches.clear()
        hot, cool = made[0], made[1:21]
        crowd: list[Any] = [calls.join(hot.id, user(n)) for n in range(1, 101)]
        results = await at_once([*crowd, *(calls.leave(call.id, BOB) for call in cool)])
        assert kinds(results) == {"Joined": 50, "CallFull": 50, "Call": 20}
        assert [hot.id in ids for ids, _ in store.batches].count(True) == 1


async def test_a_caller_who_gave_up_leaves_no_group_behind(url: str) -> None:
    async with open_calls(url) as calls:
        store: Any = calls._store
        gone = asyncio.create_task(calls.start(conversation(1), ANN))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        call = await calls.start(conversation(2), ANN)
        assert call.live
        assert len(store.batches) == 1


async def test_of_one_call_commands_keep_the_order_in_which_they_were_asked(url: str) -> None:
    """Also where nobody knows yet of which conversation a call is."""
    async with open_calls(url) as calls:
        store: Any = calls._store
        ids = [chosen_id(n) for n in range(1, 301)]
        works: list[Any] = []
        for number, id in enumerate(ids):
            works.append(calls.start(conversation(number % 100), ANN, call_id=id))
            works.append(calls.join(id, BOB))
            works.append(calls.end(id))
        assert kinds(await at_once(works)) == {"Call": 600, "Joined": 300}
        assert store.most > 1


async def test_what_is_counted_in_one_row_is_one_group(url: str) -> None:
    settings = {"secret": "s" * 32}
    async with open_calls(url, settings=settings, recordings="memory:") as calls:
        for number in range(1, 31):
            await calls.end((await calls.start(conversation(number), ANN, invite=[BOB])).id)
        store: Any = calls._store
        store.batches.clear()
        receipt = await calls.privacy.erase(BOB)
        assert receipt.status == "done"
        assert [len(ids) for ids, _ in store.batches] == [30]


async def test_what_waited_for_a_group_is_shared_out_when_it_is_done(url: str) -> None:
    """Also where nobody asks for anything meanwhile, so that nobody wakes the other runners."""
    async with open_calls(url) as calls:
        store: Any = calls._store
        made = [await calls.start(conversation(n), ANN) for n in range(1, 81)]
        store.at_once = 1
        first = asyncio.gather(*(calls.join(call.id, BOB) for call in made))
        store.begun.clear()
        await store.begun.wait()
        store.batches.clear()
        then = asyncio.gather(*(calls.leave(call.id, BOB) for call in made))
        await asyncio.sleep(0)
        store.at_once = 4
        await asyncio.gather(first, then)
        assert [len(ids) for ids, _ in store.batches] == [20] * 4


async def test_a_runner_that_is_cancelled_before_it_begins_is_replaced(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Apart, "at_once", 1)
    async with open_calls(url) as calls:
        lost = asyncio.create_task(calls.start(conversation(1), ANN))
        await asyncio.sleep(0)
        (runner,) = calls._group._runners
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)
        call = await calls.start(conversation(2), ANN)
        assert (await lost).live
        assert call.live
