"""A batch's rows: loaded in a few queries, written in one or two commands per collection."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from pymongo import UpdateOne

from callstore.calls.lifecycle.turn import State, Want
from callstore.calls.model import Call, replace
from callstore.schema import papers, tables
from callstore.schema.declaration import Collection
from callstore.schema.model import Lease
from callstore.stores.mongo import erasing, queries
from callstore.stores.mongo.codec import CODECS, Document, oid
from callstore.stores.mongo.connection import Database
from callstore.stores.mongo.engine import Marker, Session
from callstore.stores.mongo.queries import Filter
from callstore.stores.mongo.rows import fetch
from callstore.stores.protocol import Batch, Changed, WriteConflict


class Places(dict[str, str]):
    """Call id -> its conversation, as it was looked up last. A call that is found there no more may
    have been deleted, and its id be another's by now."""

    MOST = 100_000

    def learn(self, call: Call) -> None:
        if len(self) >= self.MOST:
            self.clear()
        self[call.id] = call.conversation_id

    def forget(self, call_id: str) -> bool:
        """Whether it was known."""
        return self.pop(call_id, None) is not None


async def run(
    db: Database, batch: Batch, places: Places, session: Session, *, sharded: bool
) -> tuple[None, Marker | None]:
    """Load, decide, write; within a transaction of the caller's."""
    calls = await _load_calls(db, batch, places, session)
    states = await _load_rows(db, batch.wants(calls), session)
    lease_id = batch.lease_id(states)
    lease = await load_lease(db, lease_id, session) if lease_id else None
    scope = batch.scope(states)
    holds = await _rows(db, papers.HOLD, queries.holds_on(scope), session) if scope else []
    changed = batch.decide(states, lease, holds)
    await write(db, changed, session, sharded=sharded)
    return None, _marker(changed)


async def load_lease(db: Database, id: str, session: Session) -> Lease | None:
    document = await db["CallLease"].find_one({"_id": id}, session=session)
    return CODECS["CallLease"].decode(document) if document else None


async def _load_calls(db: Database, batch: Batch, places: Places, session: Session) -> list[Call]:
    found: list[Call] = []
    ids, conversations = batch.call_ids, batch.conversation_ids
    if ids:
        known = [places[id] for id in ids if id in places]
        where = queries.calls_by_id(ids, known if len(known) == len(ids) else ())
        found = await _rows(db, tables.CALL, where, session, hint="_id_")
        there = {call.id for call in found}
        if lost := [id for id in ids if id not in there and places.forget(id)]:
            where = queries.calls_by_id(lost)
            found += await _rows(db, tables.CALL, where, session, hint="_id_")
    if conversations:
        found += await _rows(db, tables.CALL, queries.live_calls(conversations), session)
    for call in found:
        places.learn(call)
    return list({call.id: call for call in found}.values())


async def _rows(
    db: Database, collection: Collection, where: Filter, session: Session, **options: Any
) -> list[Any]:
    decode = CODECS[collection.name].decode
    found = await fetch(db, collection.name, where, session, **options)
    return [decode(document) for document in found]


async def _load_rows(db: Database, wants: Sequence[Want], session: Session) -> list[State]:
    states = {
        want.call.id: State(call=want.call, everyone=want.everyone, recorded=want.recordings)
        for want in wants
    }
    wanted = {want.call.id: want for want in wants}
    ids = []
    if people := queries.people_of(wants):
        for row in await _rows(db, tables.PARTICIPANT, people, session):
            states[row.call_session_id].add(row)
            if wanted[row.call_session_id].wants_pulse(row):
                ids.append(oid(row.id))
    if entries := queries.entries_of(wants, states):
        for row in await _rows(db, tables.LOG_ENTRY, entries, session):
            states[row.call_session_id].add(row)
    if ids:
        where = {**queries.of_calls(want.call for want in wants), "_id": {"$in": ids}}
        for pulse in await _rows(db, tables.PULSE, where, session, hint="_id_"):
            states[pulse.call_session_id].add(pulse)
    if segments := [key for want in wants for key in want.keys(states[want.call.id])]:
        where = queries.captions_of_segments(segments)
        for caption in await _rows(db, tables.CAPTION, where, session):
            states[caption.call_session_id].add(caption)
    if recorded := [want.call for want in wants if want.recordings]:
        for recording in await _rows(db, tables.RECORDING, queries.of_calls(recorded), session):
            states[recording.call_session_id].add(recording)
    return list(states.values())


async def write(db: Database, changed: Changed, session: Session, *, sharded: bool) -> None:
    """Updates before inserts: a call that is closed makes room for the next one."""
    pairs = [(tables.BY_NAME[name], rows) for name, rows in changed.pairs.items()]
    for collection, rows in pairs:
        updates = [
            each for old, new in rows if old for each in _updates(collection, old, new, sharded)
        ]
        if collection is tables.PARTICIPANT:
            updates += [_set_metrics(row, metrics) for row, metrics in changed.metrics]
        if updates:
            done = await db[collection.name].bulk_write(updates, session=session)
            if done.matched_count != len(updates):
                raise WriteConflict(collection.name)
    if changed.gone:
        where = {"conversationId": {"$in": [oid(row.conversation_id) for row in changed.gone]}}
        where["_id"] = {"$in": [oid(row.id) for row in changed.gone]}
        await db[tables.CAPTION.name].delete_many(where, session=session, hint="_id_")
    for collection, rows in pairs:
        await insert(db, collection, [new for old, new in rows if old is None], session)
    await insert(db, tables.EVENT, changed.events, session)
    await insert(db, tables.SAMPLE, changed.samples, session)
    await erasing.unstamp(db, changed.unstamped, session)
    await erasing.erase(db, changed.erased, session)


async def insert(
    db: Database, collection: Collection, rows: Iterable[Any], session: Session
) -> None:
    encode = CODECS[collection.name].encode
    if documents := [encode(row) for row in rows]:
        await db[collection.name].insert_many(documents, session=session)


def _updates(collection: Collection, old: Any, new: Any, sharded: bool) -> list[UpdateOne]:
    """By `_id`, the fastest way: that another was faster the transaction's snapshot tells, so the
    guard need not. A cluster wants to know the shard."""
    codec = CODECS[collection.name]
    changes = codec.differences(old, new)
    where: Document = {"_id": codec.value("id", new.id)}
    if sharded:
        where |= {name: codec.column(old, name) for name in collection.shard}
    if changes:
        return [UpdateOne(where, {"$set": changes})]
    if collection is not tables.PULSE:
        return []
    # To be in the way of a beat the row must be written, and the server does not write a value that
    # is there already.
    other = new.seen_at + timedelta(milliseconds=1)
    return [UpdateOne(where, {"$set": {"seenAt": at}}) for at in (other, new.seen_at)]


def _set_metrics(row: Any, metrics: Any) -> UpdateOne:
    codec = CODECS["CallParticipant"]
    where = {"_id": oid(row.id), "conversationId": oid(row.conversation_id)}
    return UpdateOne(where, {"$set": {"qualityMetrics": codec.value("quality_metrics", metrics)}})


def _marker(changed: Changed) -> Marker | None:
    """A row that no other attempt inserts; else what has become of all that change."""
    gone = {each.call.id for each in changed.erased if each.whole}
    spoken = [new for old, new in changed.captions if old is None]
    inserted: dict[str, Sequence[Any]] = {
        tables.EVENT.name: changed.events,
        tables.SAMPLE.name: changed.samples,
        tables.CAPTION.name: spoken,
    }
    for name, rows in inserted.items():
        for row in rows:
            if row.call_session_id not in gone:
                return Marker(collection=name, id=oid(row.id))
    changes = [
        Marker(collection=name, id=oid(new.id), matching=CODECS[name].differences(old, new))
        for name in (tables.CAPTION.name, tables.RECORDING.name)
        for old, new in changed.pairs[name]
        if old is not None and new.call_session_id not in gone
    ]
    changes += [
        Marker(collection=tables.CAPTION.name, id=oid(row.id), matching=None)
        for row in changed.gone
    ]
    changes += [
        Marker(collection=tables.CALL.name, id=oid(each.call.id), matching=None)
        for each in changed.erased
        if each.whole
    ]
    return replace(changes[0], others=tuple(changes[1:])) if changes else None
