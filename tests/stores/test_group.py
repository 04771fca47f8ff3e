"""Which commands are committed together."""

import asyncio
from pathlib import Path
from typing import Any

from callstore import open_calls
from callstore.stores.protocol import Batch
from callstore.stores.sqlite.store import SqliteStore
from callstore.testing import conversation, user
from callstore.testing.contract.races import at_once, kinds
from callstore.testing.contract.world import ANN, BOB


class Apart(SqliteStore):
    """SQLite as if each conversation lay on a shard of its own, and what it was given to commit."""

    sharded = True

    def __init__(self, path: Path, *, patience: float) -> None:
        super().__init__(path, patience=patience)
        self.batches: list[tuple[set[str], set[str]]] = []
        self.places: dict[str, str] = {}

    def conversation_of(self, call_id: str) -> str | None:
        return self.places.get(call_id)

    async def transact(self, batch: Batch, patience: float, *, rehearsal: bool = False) -> None:
        self.batches.append((set(batch.call_ids), set(batch.conversation_ids)))
        await super().transact(batch, patience, rehearsal=rehearsal)


async def test_on_a_cluster_a_group_is_of_one_conversation(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("callstore.stores.sqlite.store.SqliteStore", Apart)
    async with open_calls(f"sqlite:///{tmp_path}/calls.db") as calls:
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


async def test_elsewhere_it_is_of_any(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Apart, "sharded", False)
    monkeypatch.setattr("callstore.stores.sqlite.store.SqliteStore", Apart)
    async with open_calls(f"sqlite:///{tmp_path}/calls.db") as calls:
        await at_once(calls.start(conversation(n), ANN) for n in range(1, 101))
        store: Any = calls._store
        assert len(store.batches) == 1
