"""What goes of a call, or of a party in it; counted as it goes."""

from collections.abc import Iterable, Sequence
from typing import Any

from pymongo import DeleteMany, UpdateMany

from callstore.calls.lifecycle.turn import Erased
from callstore.calls.model import Call
from callstore.privacy.counting import counted, with_gone
from callstore.privacy.model import Counts, Erasure, Lately
from callstore.stores.mongo import queries
from callstore.stores.mongo.codec import CODECS, Document, oid
from callstore.stores.mongo.connection import Database
from callstore.stores.mongo.engine import Session
from callstore.stores.mongo.expiry import delete_calls
from callstore.stores.mongo.queries import Filter

Write = DeleteMany | UpdateMany
_OF_PARTICIPANT = ("CallTranscription", "CallQualitySample", "CallPulse")
_ERASURES = CODECS["CallErasure"]


async def unstamp(db: Database, calls: Sequence[Call], session: Session) -> None:
    """No row of these calls says any more when it goes, but for samples, of which there may be a
    million."""
    if calls:
        stamped: Filter = {**queries.of_calls(calls), "expiresAt": {"$ne": None}}
        for name in {each.name for each in queries.CHILDREN} - {"CallQualitySample"}:
            rows = db[name]
            await rows.update_many(stamped, {"$set": {"expiresAt": None}}, session=session)


async def erase(db: Database, erased: Sequence[Erased], session: Session) -> None:
    """What is counted of an erasure is counted in the first of what goes for it."""
    for erasure_id in dict.fromkeys(each.erasure_id for each in erased):
        some = [each for each in erased if each.erasure_id == erasure_id]
        counts = some[0].counts
        for each in some:
            if each.samples:
                each.went = await _thin(db, each.call, each.samples, session)
                counted(counts, "CallQualitySample", "rows", each.went)
        whole = [(e.call.conversation_id, e.call.id) for e in some if e.whole]
        await _erase_calls(db, whole, counts, session)
        for name, field, writes in _writes([each for each in some if each.party is not None]):
            await _write(db, (name, field), writes, counts, session)
        if (erasure := await load(db, erasure_id, session)) is not None:
            await save(db, with_gone(erasure, some), session)


async def _thin(db: Database, call: Call, limit: int, session: Session) -> int:
    of_call = queries.of_call(oid(call.conversation_id), oid(call.id))
    samples = db["CallQualitySample"]
    found = samples.find(of_call, {"_id": 1}, session=session, hint="CallQualitySample_key")
    ids = [row["_id"] for row in await found.limit(limit).to_list()]
    if ids:
        where = {**of_call, "_id": {"$in": ids}}
        await samples.delete_many(where, session=session, hint="_id_")
    return len(ids)


async def load(db: Database, erasure_id: str, session: Session) -> Erasure | None:
    found = await db["CallErasure"].find_one({"_id": oid(erasure_id)}, session=session)
    return _ERASURES.decode(found) if found else None


async def save(db: Database, erasure: Erasure, session: Session) -> None:
    document = _ERASURES.encode(erasure)
    where = {"_id": document["_id"]}
    await db["CallErasure"].replace_one(where, document, upsert=True, session=session)


async def erase_late(db: Database, rows: Sequence[Lately], session: Session) -> Counts:
    counts: Counts = {}
    there = await _begun_anew(db, [r for r in rows if r.participant_id is None], session)
    whole = [
        (r.conversation_id, r.call_session_id)
        for r in rows
        if r.participant_id is None and r.call_session_id not in there
    ]
    await _erase_calls(db, whole, counts, session)
    for name in _OF_PARTICIPANT:
        writes: list[Write] = [
            DeleteMany({**_of_key(r.conversation_id, r.call_session_id), **_of(r.participant_id)})
            for r in rows
            if r.participant_id is not None
        ]
        await _write(db, (name, "rows"), writes, counts, session)
    return counts


async def _begun_anew(db: Database, rows: Sequence[Lately], session: Session) -> set[str]:
    """The calls that are there though they were deleted: another has chosen the same id."""
    if not rows:
        return set()
    where = {
        "_id": {"$in": [oid(row.call_session_id) for row in rows]},
        "conversationId": {"$in": [oid(row.conversation_id) for row in rows]},
    }
    calls = db["CallSession"].find(where, {"_id": 1}, session=session, hint="_id_")
    return {str(call["_id"]) async for call in calls}


async def _erase_calls(
    db: Database, keys: Sequence[tuple[str, str]], counts: Counts, session: Session
) -> None:
    if not keys:
        return
    found = [(oid(conversation), oid(id)) for conversation, id in keys]
    for name, count in (await delete_calls(db, found, session)).items():
        counted(counts, name, "rows", count)


async def _write(
    db: Database,
    what: tuple[str, str],
    writes: Sequence[Write],
    counts: Counts,
    session: Session,
) -> None:
    """What of it is counted already, has no field."""
    name, field = what
    if writes:
        done = await db[name].bulk_write(writes, ordered=False, session=session)
        if field:
            counted(counts, name, field, done.deleted_count + done.modified_count)


def _writes(erased: Sequence[Erased]) -> Iterable[tuple[str, str, list[Write]]]:
    """(collection, what is counted, the writes) of parties that go."""
    present = [each for each in erased if each.participant is not None]
    for name in _OF_PARTICIPANT:
        yield name, "rows", [DeleteMany(_of_participant(each)) for each in present]
    for field in ("userId", "anonymousUserId", "actor"):
        named = [each for each in erased if field in each.named]
        yield "CallEvent", field, [_forget(each, field) for each in named]
    yield "CallEvent", "data", [_forget_reason(each) for each in erased if each.recordings]
    for name in ("CallParticipant", "CallLogEntry"):
        ids = [(each, each.rows[name]) for each in erased if name in each.rows]
        yield name, "", [DeleteMany({**_of_call(each), "_id": oid(id)}) for each, id in ids]


def _of_key(conversation: str, call: str) -> Filter:
    return queries.of_call(oid(conversation), oid(call))


def _of_call(erased: Erased) -> Filter:
    return _of_key(erased.call.conversation_id, erased.call.id)


def _of(participant_id: str | None) -> Document:
    return {"participantId": oid(participant_id)}


def _of_participant(erased: Erased) -> Filter:
    assert erased.participant is not None
    return {**_of_call(erased), **_of(erased.participant.id)}


def _forget(erased: Erased, field: str) -> Write:
    who: Any = erased.named[field]
    where = {**_of_call(erased), field: who if field == "actor" else oid(who)}
    return UpdateMany(where, {"$set": {field: None}})


def _forget_reason(erased: Erased) -> Write:
    where = {
        **_of_call(erased),
        "type": "recording.failed",
        "data.recordingId": {"$in": erased.recordings},
        "data.reason": {"$exists": True},
    }
    return UpdateMany(where, {"$unset": {"data.reason": ""}})
