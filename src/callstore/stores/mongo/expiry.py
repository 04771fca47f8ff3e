"""When rows go, written into them; and their going."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import DeleteMany, DeleteOne, UpdateMany, UpdateOne
from pymongo.asynchronous.cursor import AsyncCursor

from callstore.calls.model import Call
from callstore.retention.horizons import Past, Stamps
from callstore.stores.mongo import queries
from callstore.stores.mongo.codec import CODECS, Document, oid, utc
from callstore.stores.mongo.connection import Database
from callstore.stores.mongo.ddl import ANY
from callstore.stores.mongo.engine import Session
from callstore.stores.mongo.queries import Filter
from callstore.stores.mongo.rows import fetch
from callstore.stores.protocol import EXPIRING, PAPERS, Decide, Expired
from callstore.times import EPOCH, LATEST

_CALLS, _RECORDINGS = CODECS["CallSession"], CODECS["CallRecording"]
_BY_CALL = "callSessionId"
_TOGETHER = 1000  # calls that are counted together
SAMPLES = 10_000  # that are stamped together


async def stamp(
    db: Database,
    horizons: str,
    ended_before: datetime,
    limit: int,
    decide: Decide,
    session: Session,
) -> tuple[int, None]:
    """A call with very many samples in transactions of its own, of so many each: a call is stamped
    when all its rows are."""
    calls = await _unstamped(db, horizons, ended_before, limit, session)
    if not calls:
        return 0, None
    sampled = await _sampled(db, calls, session)
    pasts = await _pasts(db, calls, sampled, session)
    left = SAMPLES
    writes: dict[str, list[UpdateMany | UpdateOne]] = {}
    for done, call in enumerate(calls):
        stamps, many = decide(call, pasts[call.id]), sampled.get(oid(call.id), 0)
        if many > left:
            if done:
                calls = calls[:done]
                break
            of_call = queries.of_call(oid(call.conversation_id), oid(call.id))
            if await _stamp_samples(db, of_call, stamps.samples, session):
                return 1, None
        left -= min(many, left)
        for name, where, change in _writes(call, stamps):
            writes.setdefault(name, []).append(UpdateMany(where, change))
        told = {"expiresAt": stamps.call, "horizons": horizons}
        place = {"_id": oid(call.id), "conversationId": oid(call.conversation_id)}
        writes.setdefault("CallSession", []).append(UpdateOne(place, {"$set": told}))
    for name, updates in writes.items():
        await db[name].bulk_write(updates, ordered=False, session=session)
    return len(calls), None


async def _stamp_samples(
    db: Database, of_call: Filter, expires_at: datetime | None, session: Session
) -> bool:
    """Of those that are not stamped so, as many as go together; False where there are fewer."""
    ids = await _unlike(db, of_call, expires_at, session)
    if len(ids) < SAMPLES:
        return False
    # The call is written, too, so that a hold that comes meanwhile conflicts.
    conversation, call = of_call["conversationId"], of_call["callSessionId"]
    await stamp_anew(db, conversation, call, EPOCH, session)
    await _set_all(db, of_call, ids, expires_at, session)
    return True


async def unstamp_samples(db: Database, of_call: Filter, session: Session) -> bool:
    """Of a call that is under a hold. Whether there may be more."""
    ids = await _unlike(db, of_call, None, session)
    if ids:
        await _set_all(db, of_call, ids, None, session)
    return len(ids) == SAMPLES


async def _unlike(
    db: Database, of_call: Filter, expires_at: datetime | None, session: Session
) -> list[Any]:
    found = db["CallQualitySample"].find(
        _to_stamp(of_call, expires_at), {"_id": 1}, session=session, hint="CallQualitySample_key"
    )
    return [row["_id"] for row in await found.limit(SAMPLES).to_list()]


async def _set_all(
    db: Database, of_call: Filter, ids: list[Any], expires_at: datetime | None, session: Session
) -> None:
    some = {**of_call, "_id": {"$in": ids}}
    samples = db["CallQualitySample"]
    await samples.update_many(some, _set(expires_at), hint="_id_", session=session)


def _to_stamp(of_call: Filter, expires_at: datetime | None) -> Filter:
    return {**of_call, "analysed": True, "expiresAt": {"$ne": expires_at}}


async def stamp_anew(
    db: Database, conversation: Any, call: Any, at: datetime, session: Session
) -> bool:
    """The next sweep stamps the call; False where it is gone. Written in any case, so that who
    deletes the call meanwhile conflicts: the server does not write what is there already."""
    where = {"_id": call, "conversationId": conversation}
    anew = {"$set": {"horizons": None}, "$max": {"updatedAt": at}}
    writes = [UpdateOne(where, {"$set": {"horizons": ""}}), UpdateOne(where, anew)]
    done = await db["CallSession"].bulk_write(writes, session=session)
    return done.matched_count > 0


async def _unstamped(
    db: Database, horizons: str, ended_before: datetime, limit: int, session: Session
) -> list[Call]:
    found: list[Document] = []
    for others in _others(horizons):
        where = {**others, "endedAt": {"$lte": ended_before}}
        calls = db["CallSession"].find(where, session=session, hint="CallSession_horizons")
        if len(found) < limit:
            found += await calls.limit(limit - len(found)).to_list()
    return [_CALLS.decode(document) for document in found]


async def _sampled(db: Database, calls: list[Call], session: Session) -> dict[Any, int]:
    """How many samples a call has."""
    pipeline = [
        {"$match": queries.of_calls(calls)},
        {"$group": {"_id": f"${_BY_CALL}", "n": {"$sum": 1}}},
    ]
    found = await db["CallQualitySample"].aggregate(pipeline, session=session)
    return {each["_id"]: each["n"] for each in await found.to_list()}


async def _pasts(
    db: Database, calls: list[Call], sampled: dict[Any, int], session: Session
) -> dict[str, Past]:
    where = queries.of_calls(calls)
    last = [
        {"$match": where},
        {"$group": {"_id": f"${_BY_CALL}", "last": {"$max": "$createdAt"}}},
    ]
    spoken = await db["CallTranscription"].aggregate(last, session=session)
    captions = {each["_id"]: utc(each["last"]) for each in await spoken.to_list()}
    rows = map(_RECORDINGS.decode, await fetch(db, "CallRecording", where, session))
    kept = {row.call_session_id for row in rows if row.keeps_call}
    return {
        call.id: Past(
            last_caption=captions.get(oid(call.id)),
            sampled=oid(call.id) in sampled,
            recorded=call.id in kept,
        )
        for call in calls
    }


def _writes(call: Call, stamps: Stamps) -> Iterable[tuple[str, Filter, Any]]:
    of_call = queries.of_call(oid(call.conversation_id), oid(call.id))
    for name in ("CallParticipant", "CallLogEntry", "CallEvent", "CallPulse", "CallAnalytics"):
        yield name, {**of_call, "expiresAt": {"$ne": stamps.call}}, _set(stamps.call)
    yield "CallQualitySample", _to_stamp(of_call, stamps.samples), _set(stamps.samples)
    yield "CallTranscription", of_call, _set(_after("$createdAt", stamps.captions))
    has_file = {"$in": ["$status", ["processing", "available"]]}
    begins = {"$ifNull": ["$stoppedAt", "$createdAt"]}
    when = {"$cond": [has_file, _after(begins, stamps.recordings), None]}
    yield "CallRecording", of_call, _set(when)


def _set(value: Any) -> list[Document]:
    return [{"$set": {"expiresAt": value}}]


def _after(time: Any, span: timedelta | None) -> Any:
    later = {"$add": [time, int(span.total_seconds() * 1000)]} if span is not None else None
    return later and {"$min": [later, LATEST]}


async def expire_calls(
    db: Database, now: datetime, horizons: str, limit: int, session: Session
) -> tuple[dict[str, int], None]:
    keys = _keys(await _expired(db, now, horizons, session).limit(limit).to_list())
    if not keys:
        return {}, None
    return await delete_calls(db, keys, session), None


async def delete_calls(
    db: Database, keys: Sequence[tuple[Any, Any]], session: Session
) -> dict[str, int]:
    """Children before parents; how many rows of each collection. By one call each: the cross of
    many conversations and many calls is far more than there is to find."""
    gone = {}
    for collection in queries.CHILDREN:
        rows = [DeleteMany(queries.of_call(*key)) for key in keys]
        done = await db[collection.name].bulk_write(rows, ordered=False, session=session)
        gone[collection.name] = done.deleted_count
    calls = [
        DeleteOne({"_id": call, "conversationId": conversation}) for conversation, call in keys
    ]
    done = await db["CallSession"].bulk_write(calls, ordered=False, session=session)
    gone["CallSession"] = done.deleted_count
    return {name: count for name, count in gone.items() if count}


async def expire_rows(
    db: Database, collection: str, now: datetime, limit: int, session: Session
) -> tuple[int, None]:
    rows = db[collection].find(_past(now), {"_id": 1, "conversationId": 1}, session=session)
    found = await rows.hint(f"{collection}_expiresAt").limit(limit).to_list()
    if not found:
        return 0, None
    where: Filter = {"_id": {"$in": [row["_id"] for row in found]}}
    if collection in EXPIRING:  # of calls: a cluster wants to know the shard
        where["conversationId"] = {"$in": [*{row["conversationId"] for row in found}]}
    done = await db[collection].delete_many(where, session=session, hint="_id_")
    return done.deleted_count, None


async def count_expired(
    db: Database, now: datetime, horizons: str, ended_before: datetime, session: Session
) -> Expired:
    """What calls take with them, and of what goes row by row what they do not; files."""
    files = await db["CallRecording"].count_documents(
        queries.expired_recordings(now), session=session, hint="CallRecording_expiresAt"
    )
    counts = {"CallSession": 0}
    for name in (*EXPIRING, *PAPERS):
        hint = f"{name}_expiresAt"
        counts[name] = await db[name].count_documents(_past(now), session=session, hint=hint)
    calls = _expired(db, now, horizons, session)
    while some := await calls.to_list(_TOGETHER):
        keys = _keys(some)
        counts["CallSession"] += len(keys)
        where = queries.of_keys(keys)
        for collection in queries.CHILDREN:
            name, rows = collection.name, db[collection.name]
            of_calls = await rows.count_documents(where, session=session)
            if name in EXPIRING:
                of_calls -= await rows.count_documents({**where, **_past(now)}, session=session)
            counts[name] = counts.get(name, 0) + of_calls
    unstamped = 0
    for where in _others(horizons):
        unstamped += await db["CallSession"].count_documents(
            where, session=session, hint="CallSession_horizons"
        )
    gone = {name: count for name, count in counts.items() if count}
    held = await db["CallSession"].count_documents(
        queries.held(horizons, ended_before), session=session, hint="CallSession_horizons"
    )
    return Expired(rows=gone, files=files, unstamped=unstamped, held=held)


def _others(horizons: str) -> list[Filter]:
    """Ended calls that are not stamped by these."""
    spans: list[Any] = [None, {"$lt": horizons}, {"$gt": horizons}]
    return [{"live": False, "horizons": other} for other in spans]


def _expired(db: Database, now: datetime, horizons: str, session: Session) -> AsyncCursor[Document]:
    """Calls whose time has come, the longest past first."""
    where = {**_past(now), "horizons": horizons}
    found = db["CallSession"].find(where, {"conversationId": 1}, session=session)
    return found.hint("CallSession_expiresAt").sort("expiresAt", 1)


def _keys(calls: Iterable[Document]) -> list[tuple[Any, Any]]:
    return [(call["conversationId"], call["_id"]) for call in calls]


def _past(now: datetime) -> Filter:
    return {"expiresAt": {**ANY["time"], "$lte": now}}
