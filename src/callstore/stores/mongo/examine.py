"""What a doctor looks for, and mends."""

from typing import Any

from callstore.schema import tables
from callstore.schema.declaration import Collection
from callstore.stores.findings import Counted, judge
from callstore.stores.mongo import moving, queries
from callstore.stores.mongo.codec import Document, key, oid
from callstore.stores.mongo.connection import Database
from callstore.stores.mongo.engine import Session
from callstore.stores.mongo.rows import fetch
from callstore.stores.protocol import Finding

_CALLS = 1000  # looked at together
_ROWS = 20_000

Key = tuple[Any, Any]  # conversation, call


async def miscounted(db: Database, after: Any, session: Session) -> tuple[int, list[Finding], Any]:
    """Of the next calls by id: how many, what was found, and the last id (None: no more)."""
    where = {"_id": {"$gt": after}} if after else {}
    found = db["CallSession"].find(where, _COUNTS, session=session).sort("_id", 1).limit(_CALLS)
    calls = await found.to_list()
    if not calls:
        return 0, [], None
    people = await _tally(db, "CallParticipant", calls, _PEOPLE, session)
    entries = await _tally(db, "CallLogEntry", calls, {}, session)
    events = await _tally(db, "CallEvent", calls, _EVENTS, session)
    tallies = (people, entries, events)
    findings = [
        finding
        for call in calls
        for finding in judge(_counted(call, *(t.get(call["_id"], _NONE) for t in tallies)))
    ]
    return len(calls), findings, calls[-1]["_id"]


_COUNTS = dict.fromkeys(
    (
        "conversationId",
        "liveCount",
        "joinedCount",
        "eventCount",
        "peakParticipants",
        "modeSwitchCount",
        "erasedCount",
    ),
    1,
)
_ANSWERED = {"$gt": ["$answeredAt", None]}
_LEFT = {"$gt": ["$leftAt", None]}
_PEOPLE = {
    "answered": {"$sum": {"$cond": [_ANSWERED, 1, 0]}},
    "seated": {"$sum": {"$cond": [{"$and": [_ANSWERED, {"$not": [_LEFT]}]}, 1, 0]}},
}
_EVENTS = {
    "last": {"$max": "$seq"},
    "switched": {"$sum": {"$cond": [{"$eq": ["$type", "mode.switched"]}, 1, 0]}},
}
_NONE = {"rows": 0, "answered": 0, "seated": 0, "last": 0, "switched": 0}


async def _tally(
    db: Database, collection: str, calls: list[Document], sums: Document, session: Session
) -> dict[Any, Document]:
    """Sums over the rows of these calls, by call."""
    where = queries.of_keys((call["conversationId"], call["_id"]) for call in calls)
    group = {"_id": "$callSessionId", "rows": {"$sum": 1}, **sums}
    pipeline = [{"$match": where}, {"$group": group}]
    found = await db[collection].aggregate(pipeline, session=session)
    return {each["_id"]: each for each in await found.to_list()}


def _counted(call: Document, people: Document, entries: Document, events: Document) -> Counted:
    return Counted(
        id=str(call["_id"]),
        live=call["liveCount"],
        joined=call["joinedCount"],
        peak=call["peakParticipants"],
        mode_switches=call["modeSwitchCount"],
        event_count=call["eventCount"],
        erased=call["erasedCount"],
        people=people["rows"],
        answered=people["answered"],
        seated=people["seated"],
        entries=entries["rows"],
        events=events["rows"],
        last_seq=events["last"],
        switched=events["switched"],
    )


async def orphans(
    db: Database, collection: Collection, after: Key | None, session: Session
) -> tuple[list[Finding], Key | None]:
    """Of the next rows by their key: the calls they are of that are gone themselves, and the last
    one looked at (None: no more)."""
    rows = db[collection.name]
    bounds = queries.past(after) if after else {}
    places = rows.find(bounds, queries.KEY, session=session, hint=f"{collection.name}_key")
    last = await places.sort(queries.BY_KEY).skip(_ROWS - 1).limit(1).to_list()
    upto = (last[0]["conversationId"], last[0]["callSessionId"]) if last else None
    found = await rows.aggregate(
        [
            {"$match": queries.both(bounds, queries.up_to(upto) if upto else {})},
            {"$group": {"_id": {name: f"${name}" for name in queries.OF_CALL}, "n": {"$sum": 1}}},
            {
                "$lookup": {
                    "from": "CallSession",
                    "localField": "_id.callSessionId",
                    "foreignField": "_id",
                    "let": {"conversation": "$_id.conversationId"},
                    "pipeline": [queries.SAME_CONVERSATION, {"$project": {"_id": 1}}],
                    "as": "call",
                }
            },
            {"$match": {"call": []}},
        ],
        session=session,
        hint=f"{collection.name}_key",
    )
    findings = [
        Finding(
            problem="orphan",
            collection=collection.name,
            id=str(each["_id"]["callSessionId"]),
            conversation_id=str(each["_id"]["conversationId"]),
            detail=f"{each['n']} rows whose call is gone",
        )
        for each in await found.to_list()
    ]
    return findings, upto


async def missing_nulls(
    db: Database, collection: Collection, after: Any, session: Session
) -> tuple[list[Finding], Any]:
    """Of the next rows by `_id`: those that lack a field, and the last one looked at (None: no
    more)."""
    rows, bounds = db[collection.name], {"$gt": after} if after else {}
    ids = rows.find({"_id": bounds} if bounds else {}, {"_id": 1}, session=session, hint="_id_")
    last = await ids.sort("_id", 1).skip(_ROWS - 1).limit(1).to_list()
    upto = last[0]["_id"] if last else None
    if upto is not None:
        bounds = {**bounds, "$lte": upto}
    names = _nullable(collection)
    lacking = {"$or": [{name: {"$exists": False}} for name in names]}
    where = {"_id": bounds, **lacking} if bounds else lacking
    found = rows.find(where, dict.fromkeys(names, 1), session=session, hint="_id_")
    findings = [
        Finding(
            problem="missing_nulls",
            collection=collection.name,
            id=str(row["_id"]),
            detail=f"lacks {', '.join(name for name in names if name not in row)}",
        )
        async for row in found
    ]
    return findings, upto


def _nullable(collection: Collection) -> list[str]:
    """But those that rows of older code may lack."""
    return [key(f.name) for f in collection.fields if f.nullable and not f.coming]


async def mend(db: Database, finding: Finding, session: Session) -> tuple[None, None]:
    work = _delete_orphan if finding.problem == "orphan" else _write_nulls
    return await work(db, finding, session)


async def _write_nulls(db: Database, finding: Finding, session: Session) -> tuple[None, None]:
    collection = tables.BY_NAME[finding.collection]
    for row in await fetch(db, collection.name, {"_id": oid(finding.id)}, session):
        nulls = {name: None for name in _nullable(collection) if name not in row}
        place = moving.place(collection, row)
        await db[collection.name].update_one(place, {"$set": nulls}, session=session)
    return None, None


async def _delete_orphan(db: Database, finding: Finding, session: Session) -> tuple[None, None]:
    assert finding.conversation_id is not None
    conversation, call = oid(finding.conversation_id), oid(finding.id)
    there = {"_id": call, "conversationId": conversation}
    if await db["CallSession"].find_one(there, {"_id": 1}, session=session):
        return None, None  # it has come just now
    where = queries.of_call(conversation, call)
    await db[finding.collection].delete_many(where, session=session)
    return None, None
