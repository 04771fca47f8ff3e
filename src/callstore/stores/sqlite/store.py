"""The embedded store: one SQLite file."""

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from callstore.calls.model import Call, Event, LogEntry, Party
from callstore.calls.pages import Place
from callstore.captions.model import Caption
from callstore.quality.model import Analytics, Sample
from callstore.recordings.model import Recording, in_order_of_beginning
from callstore.schema import tables
from callstore.schema.model import Lease
from callstore.stores.leases import Change
from callstore.stores.pages import CaptionsQuery, HistoryQuery, LogQuery, SearchQuery
from callstore.stores.protocol import Batch, Decide, Expired, Finding
from callstore.stores.sqlite import (
    batches,
    captions,
    connection,
    engine,
    examine,
    expiry,
    expiry_queries,
    leasing,
    moving,
    pages,
    queries,
    rows,
)
from callstore.stores.sqlite.auditing import SqliteAudit
from callstore.stores.sqlite.codec import CODECS, ms
from callstore.stores.sqlite.papers import SqlitePapers
from callstore.stores.sqlite.parties import SqliteParties
from callstore.stores.sqlite.structure import SqliteStructure

T = TypeVar("T")


class SqliteStore:
    """A `Store`. Several processes may use one file: each waits for the others' commits."""

    sharded = False
    at_once = 1
    watching = None

    def __init__(self, path: Path | None, *, patience: float) -> None:
        """`path` None is a database in memory. SchemaMismatch for a file that is not callstore's,
        which is left untouched."""
        if path is not None:
            connection.check_file(path)
        self._engine = engine.Engine(path, patience)
        self.structure = SqliteStructure(self._engine)
        self.papers = SqlitePapers(self._engine)
        self.audit = SqliteAudit(self._engine)
        self.parties = SqliteParties(self._engine)

    def conversation_of(self, call_id: str) -> str | None:  # noqa: ARG002
        return None  # its rows lie where all do

    # -- changing

    async def transact(self, batch: Batch, patience: float, *, rehearsal: bool = False) -> None:
        await self._engine.write(lambda db: batches.run(db, batch), patience, rehearsal=rehearsal)

    async def mark_seen(self, party: Party, call_ids: list[str] | None, at: datetime) -> int:
        return await self._mark(queries.SEE_ALL, queries.SEE, party, call_ids, at)

    async def hide(self, party: Party, call_ids: list[str] | None, at: datetime) -> int:
        return await self._mark(queries.HIDE_ALL, queries.HIDE, party, call_ids, at)

    async def _mark(
        self, every: str, some: str, party: Party, call_ids: list[str] | None, at: datetime
    ) -> int:
        bound: dict[str, Any] = {"party": party.ref, "at": ms(at)}
        if call_ids is not None:
            bound["calls"] = json.dumps(call_ids)
        query = every if call_ids is None else some
        return await self._engine.change(lambda db: db.execute(query, bound).rowcount)

    async def save_analysis(self, analytics: Analytics) -> bool:
        bound = {
            "conversation": analytics.conversation_id,
            "call": analytics.call_session_id,
            "at": ms(analytics.analyzed_at),
        }

        def work(db: sqlite3.Connection) -> bool:
            if not db.execute(queries.STAMP_ANEW, bound).rowcount:
                return False
            db.execute(queries.DELETE_ANALYTICS, bound)
            batches.insert(db, tables.ANALYTICS, [analytics])
            return True

        return await self._engine.change(work)

    async def mark_analysed(self, samples: Sequence[Sample], at: datetime) -> None:
        bound = {"call": samples[0].call_session_id, "at": ms(at)}

        def work(db: sqlite3.Connection) -> None:
            if db.execute(queries.STAMP_ANEW, bound).rowcount:
                keys = [moving.key(tables.SAMPLE, sample) for sample in samples]
                db.executemany(queries.MARK_SAMPLE, keys)

        await self._engine.change(work)

    async def add_rows(self, rows: dict[str, list[Any]]) -> None:
        def work(db: sqlite3.Connection) -> None:
            with connection.singly("a row is there already"):
                for collection in tables.COLLECTIONS:
                    batches.insert(db, collection, rows.get(collection.name, []))

        await self._engine.change(work)

    async def rows(self, collection: str, after: Any, limit: int) -> tuple[list[Any], Any]:
        kind = tables.BY_NAME[collection]
        return await self._engine.read(lambda db: moving.rows(db, kind, after, limit))

    async def rows_like(self, collection: str, rows: Sequence[Any]) -> dict[str, Any]:
        kind = tables.BY_NAME[collection]
        return await self._engine.read(lambda db: moving.rows_like(db, kind, rows))

    async def put_rows(self, collection: str, rows: Sequence[Any]) -> None:
        kind = tables.BY_NAME[collection]
        await self._engine.change(lambda db: moving.put(db, kind, rows))

    async def delete_rows(self, collection: str, rows: Sequence[Any]) -> None:
        kind = tables.BY_NAME[collection]
        await self._engine.change(lambda db: moving.delete(db, kind, rows))

    async def change_lease(self, id: str, change: Change) -> Lease | None:
        def work(db: sqlite3.Connection) -> Lease | None:
            lease = change(leasing.load(db, id))
            if lease is not None:
                leasing.save(db, lease)
            return lease

        return await self._engine.change(work)

    async def mend(self, finding: Finding) -> None:
        """Of an orphan: no row of a table lacks a field."""
        await self._engine.change(partial(examine.delete_orphan, finding=finding))

    # -- reading

    async def call(self, call_id: str) -> Call | None:
        return await self._engine.keyed(lambda db: rows.one_call(db, queries.CALL_BY_ID, call_id))

    async def live_call(self, conversation_id: str) -> Call | None:
        return await self._engine.keyed(
            lambda db: rows.one_call(db, queries.LIVE_CALL, conversation_id)
        )

    async def current_call(self, party: Party) -> Call | None:
        return await self._engine.keyed(lambda db: rows.current_call(db, party))

    async def history_page(self, query: HistoryQuery) -> tuple[list[Call], Place | None]:
        return await self._engine.read(lambda db: pages.history_page(db, query))

    async def log_page(self, query: LogQuery) -> tuple[list[LogEntry], Place | None]:
        return await self._engine.read(lambda db: pages.log_page(db, query))

    async def unseen(self, party: Party) -> int:
        def work(db: sqlite3.Connection) -> int:
            (count,) = db.execute(queries.UNSEEN, (party.ref,)).fetchone()
            return int(count)

        return await self._engine.keyed(work)

    async def events(self, call_id: str, after: int, limit: int | None) -> list[Event]:
        bound = {"after": after, "limit": -1 if limit is None else limit}
        return await self._engine.read(
            lambda db: rows.rows_of_call(db, "CallEvent", queries.EVENTS, call_id, **bound)
        )

    async def samples(self, call_id: str) -> list[Sample]:
        return await self._engine.read(
            lambda db: rows.rows_of_call(db, "CallQualitySample", queries.SAMPLES, call_id)
        )

    async def analytics(self, call_id: str) -> Analytics | None:
        found: list[Analytics] = await self._engine.keyed(
            lambda db: rows.rows_of_call(db, "CallAnalytics", queries.ANALYTICS, call_id)
        )
        return found[0] if found else None

    async def caption(self, caption_id: str) -> Caption | None:
        return await self._engine.keyed(lambda db: captions.caption(db, caption_id))

    async def captions(self, call_id: str) -> list[Caption]:
        return await self._engine.read(lambda db: captions.captions(db, call_id))

    async def captions_page(self, query: CaptionsQuery) -> tuple[list[Caption], Place | None]:
        return await self._engine.read(lambda db: captions.captions_page(db, query))

    async def recordings(self, ids: Sequence[str]) -> list[Recording]:
        return await self._recordings(queries.RECORDINGS, ids=json.dumps(ids))

    async def recordings_of(self, call_id: str) -> list[Recording]:
        found = await self._recordings(queries.RECORDINGS_OF_CALL, call=call_id)
        return in_order_of_beginning(found)

    async def unfinished_recordings(self, stopped_before: datetime) -> list[Recording]:
        return await self._recordings(queries.UNFINISHED_RECORDINGS, before=ms(stopped_before))

    async def _recordings(self, query: str, **bound: Any) -> list[Recording]:
        decode = CODECS["CallRecording"].decode
        return await self._engine.read(lambda db: [decode(r) for r in db.execute(query, bound)])

    async def search_captions(self, query: SearchQuery) -> tuple[list[Caption], Place | None]:
        return await self._engine.read(lambda db: captions.search(db, query))

    # -- sweeping and examining

    async def overdue(self, now: datetime, silent_before: datetime | None) -> list[str]:
        return await self._ids(queries.OVERDUE, now=now, silent_before=silent_before)

    async def due(
        self, now: datetime, silent_before: datetime | None, few_before: datetime
    ) -> list[str]:
        return await self._ids(
            queries.DUE, now=now, silent_before=silent_before, few_before=few_before
        )

    async def _ids(self, query: str, **times: datetime | None) -> list[str]:
        bound = {name: time and ms(time) for name, time in times.items()}
        return await self._engine.read(lambda db: [id for (id,) in db.execute(query, bound)])

    async def unanalysed(self) -> list[str]:
        return await self._engine.read(lambda db: [id for (id,) in db.execute(queries.UNANALYSED)])

    # -- retention

    async def anyone_live(self) -> bool:
        (found,) = await self._engine.keyed(lambda db: db.execute(queries.ANYONE_LIVE).fetchone())
        return bool(found)

    async def stamp(self, horizons: str, ended_before: datetime, limit: int, decide: Decide) -> int:
        return await self._engine.change(
            lambda db: expiry.stamp(db, horizons, ended_before, limit, decide)
        )

    async def unstamp_samples(self, call_id: str) -> bool:  # noqa: ARG002 - a file takes them all
        return False

    async def expire_calls(self, now: datetime, horizons: str, limit: int) -> dict[str, int]:
        gone = await self._engine.change(lambda db: expiry.expire_calls(db, now, horizons, limit))
        await self._engine.checkpoint()
        return gone

    async def expire_rows(self, collection: str, now: datetime, limit: int) -> int:
        gone = await self._engine.change(lambda db: expiry.expire_rows(db, collection, now, limit))
        await self._engine.checkpoint()
        return gone

    async def expired_recordings(self, now: datetime, limit: int) -> list[Recording]:
        return await self._recordings(expiry_queries.EXPIRED_RECORDINGS, now=ms(now), limit=limit)

    async def count_expired(self, now: datetime, horizons: str, ended_before: datetime) -> Expired:
        return await self._engine.read(
            lambda db: expiry.count_expired(db, now, horizons, ended_before)
        )

    async def examine(self) -> AsyncIterator[tuple[int, list[Finding]]]:
        for collection in queries.CHILDREN:
            key: examine.Key | None = ("", "")
            while key is not None:
                work = partial(examine.orphans, collection=collection, after=key)
                found, key = await self._engine.read(work)
                yield 0, found
        after: str | None = ""
        while after is not None:
            count, found, after = await self._engine.read(partial(examine.miscounted, after=after))
            yield count, found

    def ready(self) -> None:
        """The schema is there: opens the readers."""
        self._engine.open_readers()

    async def close(self) -> None:
        await self._engine.close()
