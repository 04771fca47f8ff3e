"""Holds and erasures of an SQLite file."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct

from callstore.calls.model import Party
from callstore.calls.pages import Place
from callstore.privacy.counting import of_holds, with_late
from callstore.privacy.model import Counts, Erasure, Hold, Lately
from callstore.recordings.model import Recording
from callstore.schema import papers
from callstore.schema.declaration import Collection
from callstore.stores.papers import ErasureChange, HoldChange
from callstore.stores.sqlite import erasing, queries
from callstore.stores.sqlite import erasing_queries as own
from callstore.stores.sqlite.codec import CODECS, moment, ms
from callstore.stores.sqlite.engine import Engine

R = TypeVar("R", bound=Struct)
_MERGED = 500  # pages in a transaction
_TRIES, _BETWEEN = 5, 0.05  # seconds


def _merged(db: sqlite3.Connection, *, pages: int) -> bool:
    """Some more of the index of words in one; whether there is more to do. What was deleted is in
    it no longer once all of it is (FTS5's `merge`: https://www.sqlite.org/fts5.html, 6.9)."""
    before = db.total_changes
    db.execute(own.MERGE, (pages,))
    return db.total_changes - before >= 2


class SqlitePapers:
    lags = False  # one writer after the other

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def change_hold(self, id: str, change: HoldChange) -> Hold | None:
        return await self._change(papers.HOLD, own.HOLD, id, change)

    async def hold(self, id: str) -> Hold | None:
        found = await self._rows("CallHold", own.HOLD, (id,))
        return found[0] if found else None

    async def holds(self) -> list[Hold]:
        return await self._rows("CallHold", own.HOLDS)

    async def holds_on(self, party: Party) -> list[Hold]:
        return await self._rows("CallHold", own.HOLDS_ON_PARTY, {"party": party.ref})

    async def unsettled_holds(self, now: datetime) -> list[Hold]:
        return await self._rows("CallHold", own.UNSETTLED_HOLDS, {"now": ms(now)})

    async def forget_holds(self, erasure_id: str, party: Party, at: datetime) -> None:
        bound = {"party": party.ref, "at": ms(at)}

        def work(db: sqlite3.Connection) -> None:
            counts = of_holds(db.execute(own.FORGET_HOLDS, bound).rowcount)
            if (erasure := erasing.load(db, erasure_id)) is not None:
                erasing.save(db, with_late(erasure, (), counts))

        await self._engine.change(work)

    async def change_erasure(self, id: str, change: ErasureChange) -> Erasure | None:
        return await self._change(papers.ERASURE, own.ERASURE, id, change)

    async def erasure(self, id: str) -> Erasure | None:
        return await self._engine.read(lambda db: erasing.load(db, id))

    async def pending_erasures(self) -> list[Erasure]:
        return await self._rows("CallErasure", own.PENDING)

    async def erasures(self, party_hash: str | None) -> list[Erasure]:
        if party_hash is None:
            return await self._rows("CallErasure", own.ERASURES)
        return await self._rows("CallErasure", own.ERASURES_OF, (party_hash,))

    async def calls_in(self, conversation_id: str, after: Place | None, limit: int) -> list[Place]:
        at, id = (ms(after[0]), after[1]) if after else (0, "")
        bound = (conversation_id, at, id, limit)
        found = await self._engine.read(lambda db: db.execute(own.CALLS_IN, bound).fetchall())
        return [(moment(at), id) for at, id in found]

    async def recordings_of_calls(self, calls: Sequence[tuple[str, str]]) -> list[Recording]:
        bound = (json.dumps(calls),)
        return await self._rows("CallRecording", queries.RECORDINGS_OF_CALLS, bound)

    async def erase_late(self, erasure_id: str, rows: Sequence[Lately]) -> Counts:
        def work(db: sqlite3.Connection) -> Counts:
            counts = erasing.erase_late(db, rows)
            if (erasure := erasing.load(db, erasure_id)) is not None:
                erasing.save(db, with_late(erasure, rows, counts))
            return counts

        return await self._engine.change(work)

    async def scrub(self) -> bool:
        merge = -_MERGED  # begins with all that there is
        while await self._engine.change(partial(_merged, pages=merge)):
            merge = _MERGED
        for _ in range(_TRIES):
            if await self._engine.empty_log():
                return True
            await asyncio.sleep(_BETWEEN)
        return False

    async def _rows(self, collection: str, query: str, bound: Any = ()) -> list[Any]:
        decode = CODECS[collection].decode
        return await self._engine.read(lambda db: [decode(row) for row in db.execute(query, bound)])

    async def _change(
        self, collection: Collection, query: str, id: str, change: Callable[[R | None], R | None]
    ) -> R | None:
        codec = CODECS[collection.name]

        def work(db: sqlite3.Connection) -> R | None:
            row = db.execute(query, (id,)).fetchone()
            after = change(codec.decode(row) if row else None)
            if after is not None:
                db.execute(queries.put(collection), codec.encode(after))
            return after

        return await self._engine.change(work)
