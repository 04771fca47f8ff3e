"""Calls that a sweep has to look at. Each costs what is live, or what is new."""

from datetime import datetime
from typing import Any

from callstore.stores.mongo import queries
from callstore.stores.mongo.codec import utc
from callstore.stores.mongo.connection import Database
from callstore.stores.mongo.engine import Session
from callstore.stores.mongo.queries import Filter


async def anyone_live(db: Database, session: Session) -> bool:
    live, key = {"live": True}, {"_id": 0, "conversationId": 1}  # of the index alone
    hint = "CallSession_oneLive"
    return await db["CallSession"].find_one(live, key, session=session, hint=hint) is not None


async def overdue(
    db: Database, now: datetime, silent_before: datetime | None, session: Session
) -> list[str]:
    rung_out = {**queries.rung_out(now), "startedAt": None}
    found = await _calls(db, rung_out, session) | await _silent(db, silent_before, session)
    return sorted(map(str, found))


async def due(
    db: Database,
    now: datetime,
    silent_before: datetime | None,
    few_before: datetime,
    session: Session,
) -> list[str]:
    found = await _silent(db, silent_before, session)
    for where in (queries.rung_out(now), queries.few(few_before)):
        found |= await _calls(db, where, session)
    found |= await _calls(db, queries.ahead(now), session, hint="CallSession_oneLive")
    return sorted(map(str, found))


async def unanalysed(db: Database, session: Session) -> list[str]:
    groups = await db["CallQualitySample"].aggregate(
        queries.NEW_SAMPLES, session=session, hint="CallQualitySample_new"
    )
    ids = [group["_id"]["call"] async for group in groups]
    return sorted(map(str, await _calls(db, {"_id": {"$in": ids}, "live": False}, session)))


async def _calls(db: Database, where: Filter, session: Session, **options: Any) -> set[Any]:
    calls = db["CallSession"].find(where, {"_id": 1}, session=session, **options)
    return {call["_id"] async for call in calls}


async def _silent(db: Database, before: datetime | None, session: Session) -> set[Any]:
    """Calls that somebody is in who came, and gave the last sign of life, before this."""
    if before is None:
        return set()
    found: set[Any] = set()
    for kind in queries.PARTY_FIELDS:
        where = queries.live_before(kind, before)
        people = db["CallParticipant"].find(where, queries.STAY, session=session)
        while some := await people.to_list(1000):
            late = {p["_id"]: p["callSessionId"] for p in some if utc(p["joined"]) <= before}
            alive = {"_id": {"$in": [*late]}, "seenAt": {"$gt": before}}
            async for pulse in db["CallPulse"].find(alive, {"_id": 1}, session=session):
                del late[pulse["_id"]]
            found |= set(late.values())
    return found
