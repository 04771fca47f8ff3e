"""Analyses, and the samples that they have seen."""

from collections.abc import Sequence
from datetime import datetime

from callstore.quality.model import Analytics, Sample
from callstore.schema import tables
from callstore.stores.mongo import batches, expiry, queries
from callstore.stores.mongo.codec import oid
from callstore.stores.mongo.connection import Database
from callstore.stores.mongo.engine import Marker, Session


async def save(db: Database, analytics: Analytics, session: Session) -> tuple[bool, Marker | None]:
    conversation, call = oid(analytics.conversation_id), oid(analytics.call_session_id)
    if not await expiry.stamp_anew(db, conversation, call, analytics.analyzed_at, session):
        return False, None
    await db["CallAnalytics"].delete_one(queries.of_call(conversation, call), session=session)
    await batches.insert(db, tables.ANALYTICS, [analytics], session)
    return True, Marker(collection="CallAnalytics", id=oid(analytics.id))


async def mark(
    db: Database, samples: Sequence[Sample], at: datetime, session: Session
) -> tuple[None, None]:
    conversation, call = oid(samples[0].conversation_id), oid(samples[0].call_session_id)
    if await expiry.stamp_anew(db, conversation, call, at, session):
        ids = {"$in": [oid(sample.id) for sample in samples]}
        seen = {**queries.of_call(conversation, call), "_id": ids}
        rows, marked = db["CallQualitySample"], {"$set": {"analysed": True}}
        await rows.update_many(seen, marked, hint="_id_", session=session)
    return None, None
