"""The clustered store: a MongoDB replica set."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from bson import ObjectId

from callstore.calls.model import Call, Event, LogEntry, Party
from callstore.calls.pages import Place
from callstore.captions.model import Caption
from callstore.errors import Busy, StoreError, StoreUnavailable
from callstore.quality.model import Analytics, Sample
from callstore.recordings.model import Recording, in_order_of_beginning
from callstore.schema import tables
from callstore.schema.model import Lease
from callstore.stores.leases import Change
from callstore.stores.mongo import (
    analysing,
    batches,
    captions,
    connection,
    examine,
    expiry,
    moving,
    pages,
    queries,
    rows,
    sweeping,
)
from callstore.stores.mongo.auditing import MongoAudit
from callstore.stores.mongo.codec import CODECS, Document, oid
from callstore.stores.mongo.engine import AT_ONCE, LONG, Engine, Marker, Session
from callstore.stores.mongo.gathering import Gathering
from callstore.stores.mongo.papers import MongoPapers
from callstore.stores.mongo.parties import MongoParties
from callstore.stores.mongo.queries import Filter, Pipeline
from callstore.stores.mongo.structure import MongoStructure
from callstore.stores.mongo.watching import MongoWatching
from callstore.stores.pages import CaptionsQuery, HistoryQuery, LogQuery, SearchQuery
from callstore.stores.protocol import Batch, Decide, Expired, Finding

T = TypeVar("T")


class MongoStore:
    """A `Store`. State is read from the primary; history, log and search may come from where the
    URL's readPreference says."""

    def __init__(self, url: str, *, patience: float) -> None:
        self._engine = Engine(url, patience)
        self._places = batches.Places()
        self._histories = Gathering(self._newest, patience)
        self.structure = MongoStructure(self._engine)
        self.papers = MongoPapers(self._engine)
        self.watching = MongoWatching(self._engine)
        self.audit = MongoAudit(self._engine)
        self.parties = MongoParties(self._engine)

    @property
    def sharded(self) -> bool:
        return self._engine.sharded

    @property
    def at_once(self) -> int:
        """Two keep client and server busy, and more were smaller ones; on a cluster each is of one
        conversation."""
        return AT_ONCE // 2 if self.sharded else 2

    def conversation_of(self, call_id: str) -> str | None:
        return self._places.get(call_id)

    # -- changing

    async def transact(self, batch: Batch, patience: float, *, rehearsal: bool = False) -> None:
        db, places = self._engine.db, self._places
        # What is rehearsed may be more than goes at once when it is done.
        limits = (LONG, LONG / 2) if rehearsal else (patience,)
        await self._engine.transaction(
            lambda session: batches.run(db, batch, places, session, sharded=self.sharded),
            *limits,
            rehearsal=rehearsal,
        )

    async def mark_seen(self, party: Party, call_ids: list[str] | None, at: datetime) -> int:
        where = queries.UNSEEN if call_ids is None else {"seenAt": None}
        return await self._mark("seenAt", where, party, call_ids, at)

    async def hide(self, party: Party, call_ids: list[str] | None, at: datetime) -> int:
        return await self._mark("hiddenAt", {"hiddenAt": None}, party, call_ids, at)

    async def _mark(
        self, field: str, where: Filter, party: Party, call_ids: list[str] | None, at: datetime
    ) -> int:
        which: Filter = {"party": party.ref, **where}
        if call_ids is not None:
            which["callSessionId"] = {"$in": [oid(id) for id in call_ids]}
        entries = self._engine.db["CallLogEntry"]

        async def work(session: Session) -> tuple[int, None]:
            done = await entries.update_many(which, {"$set": {field: at}}, session=session)
            return done.modified_count, None

        return await self._engine.change(work)

    async def save_analysis(self, analytics: Analytics) -> bool:
        return await self._engine.change(partial(analysing.save, self._engine.db, analytics))

    async def mark_analysed(self, samples: Sequence[Sample], at: datetime) -> None:
        await self._engine.change(partial(analysing.mark, self._engine.db, samples, at))

    async def add_rows(self, rows: dict[str, list[Any]]) -> None:
        db = self._engine.db
        filled = [c for c in tables.COLLECTIONS if rows.get(c.name)]
        if not filled:
            return
        first = rows[filled[0].name][0]

        async def work(session: Session) -> tuple[None, Marker]:
            for collection in filled:
                with connection.singly("a row is there already"):
                    await batches.insert(db, collection, rows[collection.name], session)
            return None, Marker(collection=filled[0].name, id=oid(first.id))

        await self._engine.change(work, LONG)

    async def rows(self, collection: str, after: Any, limit: int) -> tuple[list[Any], Any]:
        work = partial(moving.rows, self._engine.db, tables.BY_NAME[collection], after, limit)
        return await self._engine.read(work, long=True)

    async def rows_like(self, collection: str, rows: Sequence[Any]) -> dict[str, Any]:
        work = partial(moving.rows_like, self._engine.db, tables.BY_NAME[collection], rows)
        return await self._engine.read(work, long=True)

    async def put_rows(self, collection: str, rows: Sequence[Any]) -> None:
        work = partial(moving.put, self._engine.db, tables.BY_NAME[collection], rows)
        await self._engine.change(work, LONG)

    async def delete_rows(self, collection: str, rows: Sequence[Any]) -> None:
        await self._engine.change(
            partial(moving.delete, self._engine.db, tables.BY_NAME[collection], rows)
        )

    async def change_lease(self, id: str, change: Change) -> Lease | None:
        db, leases = self._engine.db, self._engine.db["CallLease"]

        async def work(session: Session) -> tuple[Lease | None, None]:
            lease = change(await batches.load_lease(db, id, session))
            if lease is not None and lease.empty:
                await leases.delete_one({"_id": id}, session=session)
            elif lease is not None:
                document = CODECS["CallLease"].encode(lease)
                await leases.replace_one({"_id": id}, document, upsert=True, session=session)
            return lease, None

        return await self._engine.change(work)

    async def mend(self, finding: Finding) -> None:
        await self._engine.change(lambda session: examine.mend(self._engine.db, finding, session))

    # -- reading

    async def call(self, call_id: str) -> Call | None:
        call = await self._call(call_id, self._places.get(call_id))
        if call is None and self._places.forget(call_id):
            call = await self._call(call_id, None)
        if call is not None:
            self._places.learn(call)
        return call

    async def _call(self, call_id: str, conversation: str | None) -> Call | None:
        where = queries.call_by_id(call_id, conversation)
        return await self._one("CallSession", [{"$match": where}], hint="_id_")

    async def live_call(self, conversation_id: str) -> Call | None:
        return await self._one(
            "CallSession", [{"$match": {"conversationId": oid(conversation_id), "live": True}}]
        )

    async def current_call(self, party: Party) -> Call | None:
        return await self._one("CallParticipant", queries.current_call(party))

    async def _one(self, collection: str, first: Pipeline, **options: Any) -> Call | None:
        db = self._engine.db
        return await self._engine.read(
            lambda session: rows.one_call(db, collection, first, session, **options)
        )

    async def history_page(self, query: HistoryQuery) -> tuple[list[Call], Place | None]:
        if pages.plain(query) and not self.sharded:
            found, more = await self._histories.ask(query)
        else:
            db = self._engine.lagging
            work = partial(pages.history_page, db, query)
            found, more = await self._engine.read(work)
        return found.whole, more

    async def _newest(self, asked: Sequence[HistoryQuery]) -> Sequence[pages.Page | StoreError]:
        try:
            return await self._engine.read(partial(pages.newest, self._engine.lagging, asked))
        except (Busy, StoreUnavailable):
            raise
        except StoreError as error:  # a row that cannot be read: whose?
            if len(asked) == 1:
                return [error]
            return [(await self._newest([one]))[0] for one in asked]

    async def log_page(self, query: LogQuery) -> tuple[list[LogEntry], Place | None]:
        db = self._engine.lagging
        return await self._engine.read(lambda session: pages.log_page(db, query, session))

    async def unseen(self, party: Party) -> int:
        entries = self._engine.db["CallLogEntry"]
        where = {"party": party.ref, **queries.UNSEEN}
        return await self._engine.read(lambda s: entries.count_documents(where, session=s))

    async def events(self, call_id: str, after: int, limit: int | None) -> list[Event]:
        return await self._of_call(
            "CallEvent", call_id, {"seq": {"$gt": after}}, sort=[("seq", 1)], limit=limit or 0
        )

    async def samples(self, call_id: str) -> list[Sample]:
        order = [("participantId", 1), ("at", 1), ("_id", 1)]
        return await self._of_call("CallQualitySample", call_id, {}, long=True, sort=order)

    async def analytics(self, call_id: str) -> Analytics | None:
        found: list[Analytics] = await self._of_call("CallAnalytics", call_id, {})
        return found[0] if found else None

    async def caption(self, caption_id: str) -> Caption | None:
        work = partial(captions.caption, self._engine.db, caption_id)
        return await self._engine.read(work)

    async def captions(self, call_id: str) -> list[Caption]:
        db = self._engine.db

        async def work(session: Session) -> list[Caption]:
            read = partial(captions.captions, db, session=session)
            return await self._in_call(call_id, session, read, [])

        return await self._engine.read(work)

    async def captions_page(self, query: CaptionsQuery) -> tuple[list[Caption], Place | None]:
        db = self._engine.db

        async def work(session: Session) -> tuple[list[Caption], Place | None]:
            read = partial(captions.captions_page, db, query=query, session=session)
            return await self._in_call(query.call_id, session, read, ([], None))

        return await self._engine.read(work)

    async def recordings(self, ids: Sequence[str]) -> list[Recording]:
        where = {"_id": {"$in": [oid(id) for id in ids]}}
        return await self._recordings(where, hint="_id_")

    async def recordings_of(self, call_id: str) -> list[Recording]:
        return in_order_of_beginning(await self._of_call("CallRecording", call_id, {}))

    async def unfinished_recordings(self, stopped_before: datetime) -> list[Recording]:
        underway, late = queries.UNDERWAY, queries.without_file(stopped_before)
        found = await self._recordings(underway, hint="CallRecording_underway", long=True)
        return found + await self._recordings(late, hint="CallRecording_processing", long=True)

    async def _recordings(self, where: Filter, *, long: bool = False, **how: Any) -> list[Any]:
        db, decode = self._engine.db, CODECS["CallRecording"].decode
        found = await self._engine.read(
            lambda session: rows.fetch(db, "CallRecording", where, session, **how), long=long
        )
        return [decode(document) for document in found]

    async def search_captions(self, query: SearchQuery) -> tuple[list[Caption], Place | None]:
        db = self._engine.lagging

        async def work(session: Session) -> tuple[list[Caption], Place | None]:
            read = partial(captions.search, db, query=query, session=session)
            if query.call_id is not None:
                return await self._in_call(query.call_id, session, read, ([], None))
            room = query.conversation_id
            return await read({} if room is None else {"conversationId": oid(room)})

        return await self._engine.read(work)

    async def _of_call(
        self, collection: str, call_id: str, where: Filter, *, long: bool = False, **options: Any
    ) -> list[Any]:
        db, decode = self._engine.db, CODECS[collection].decode

        async def work(session: Session) -> list[Document]:
            async def read(of_call: Filter) -> list[Document]:
                return await rows.fetch(db, collection, {**of_call, **where}, session, **options)

            return await self._in_call(call_id, session, read, [])

        return [decode(document) for document in await self._engine.read(work, long=long)]

    async def _in_call(
        self, call_id: str, session: Session, read: Callable[[Filter], Awaitable[T]], nothing: T
    ) -> T:
        """What is read of the rows of a call; `nothing` where there is none. Where nothing is found
        the call is looked up, once: it may have begun anew in another conversation."""
        remembered = self._places.get(call_id)
        if remembered is not None:
            found = await read(queries.of_call(oid(remembered), oid(call_id)))
            if found != nothing:
                return found
        calls = self._engine.db["CallSession"]
        call = await calls.find_one({"_id": oid(call_id)}, session=session)
        if call is None:
            self._places.forget(call_id)
            return nothing
        self._places.learn(CODECS["CallSession"].decode(call))
        if self._places[call_id] == remembered:
            return nothing
        return await read(queries.of_call(call["conversationId"], call["_id"]))

    async def overdue(self, now: datetime, silent_before: datetime | None) -> list[str]:
        work = partial(sweeping.overdue, self._engine.db, now, silent_before)
        return await self._engine.read(work, long=True)

    async def due(
        self, now: datetime, silent_before: datetime | None, few_before: datetime
    ) -> list[str]:
        work = partial(sweeping.due, self._engine.db, now, silent_before, few_before)
        return await self._engine.read(work, long=True)

    async def unanalysed(self) -> list[str]:
        return await self._engine.read(partial(sweeping.unanalysed, self._engine.db), long=True)

    async def anyone_live(self) -> bool:
        return await self._engine.read(partial(sweeping.anyone_live, self._engine.db))

    async def stamp(self, horizons: str, ended_before: datetime, limit: int, decide: Decide) -> int:
        work = partial(expiry.stamp, self._engine.db, horizons, ended_before, limit, decide)
        return await self._engine.change(work, _patience(limit))

    async def unstamp_samples(self, call_id: str) -> bool:
        db = self._engine.db

        async def work(session: Session) -> tuple[bool, None]:
            read = partial(expiry.unstamp_samples, db, session=session)
            return bool(await self._in_call(call_id, session, read, None)), None

        return await self._engine.change(work)

    async def expire_calls(self, now: datetime, horizons: str, limit: int) -> dict[str, int]:
        args = self._engine.db, now, horizons, limit
        return await self._engine.change(partial(expiry.expire_calls, *args), _patience(limit))

    async def expire_rows(self, collection: str, now: datetime, limit: int) -> int:
        work = partial(expiry.expire_rows, self._engine.db, collection, now, limit)
        return await self._engine.change(work)

    async def expired_recordings(self, now: datetime, limit: int) -> list[Recording]:
        where, hint = queries.expired_recordings(now), "CallRecording_expiresAt"
        return await self._recordings(where, hint=hint, limit=limit)

    async def count_expired(self, now: datetime, horizons: str, ended_before: datetime) -> Expired:
        work = partial(expiry.count_expired, self._engine.db, now, horizons, ended_before)
        return await self._engine.read(work, long=True)

    async def examine(self) -> AsyncIterator[tuple[int, list[Finding]]]:
        db = self._engine.db
        looks = [partial(examine.missing_nulls, db, each) for each in tables.KEPT]
        looks += [partial(examine.orphans, db, each) for each in queries.CHILDREN]
        for look in looks:
            place, more = None, True
            while more:
                found, place = await self._engine.read(partial(look, place), long=True)
                yield 0, found
                more = place is not None
        after: ObjectId | None = None
        while True:
            counting = partial(examine.miscounted, db, after)
            count, found, after = await self._engine.read(counting, long=True)
            if after is None:
                return
            yield count, found

    def ready(self) -> None:
        """There is nothing to open."""

    async def close(self) -> None:
        await self._histories.close()
        await self._engine.close()


def _patience(calls: int) -> float | None:
    """For all rows of so many: of one, as long as it may take, for fewer there are not."""
    return LONG if calls == 1 else None
