"""The audit's rows."""

from typing import Any

from callstore.privacy.chain import Written
from callstore.privacy.model import AuditEntry
from callstore.stores.auditing import Decide
from callstore.stores.mongo.codec import CODECS, oid
from callstore.stores.mongo.connection import Database
from callstore.stores.mongo.engine import Engine, Marker, Session
from callstore.stores.mongo.queries import Filter
from callstore.stores.mongo.rows import fetch

_CODEC = CODECS["CallAudit"]
_NAME = "CallAudit"
_KEY, _PARTY = "CallAudit_key", "CallAudit_party"


class MongoAudit:
    """An `AuditStore`. Read from the primary: what was written down is seen."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def change(self, decide: Decide, *, oldest: int = 0) -> Written | None:
        db = self._engine.db

        async def work(session: Session) -> tuple[Written | None, Marker | None]:
            chain = await _chain(db, session)
            written = decide(chain, await _next(db, 0, oldest, session) if oldest else [])
            if written is None:
                return None, None
            await _write(db, written, session)
            return written, Marker(collection=_NAME, id=oid(written.entry.id))

        return await self._engine.change(work)

    async def entries(self, after: int, limit: int) -> tuple[AuditEntry | None, list[AuditEntry]]:
        db = self._engine.db

        async def work(session: Session) -> tuple[AuditEntry | None, list[AuditEntry]]:
            return await _chain(db, session), await _next(db, after, limit, session)

        return await self._engine.read(work, long=True)

    async def newest(
        self, below: int | None, limit: int, party_hash: str | None = None
    ) -> list[AuditEntry]:
        seq = {"$gt": 0} if below is None else {"$gt": 0, "$lt": below}
        where: Filter = {"seq": seq}
        if party_hash is not None:
            where = {"partyHash": party_hash, **where}
        hint = _KEY if party_hash is None else _PARTY
        how: dict[str, Any] = {"hint": hint, "sort": [("seq", -1)], "limit": limit}
        db = self._engine.db
        found = await self._engine.read(lambda session: fetch(db, _NAME, where, session, **how))
        return [_CODEC.decode(document) for document in found]


async def _chain(db: Database, session: Session) -> AuditEntry | None:
    document = await db[_NAME].find_one({"seq": 0}, session=session, hint=_KEY)
    return None if document is None else _CODEC.decode(document)


async def _next(db: Database, after: int, limit: int, session: Session) -> list[AuditEntry]:
    where = {"seq": {"$gt": max(after, 0)}}
    how: dict[str, Any] = {"hint": _KEY, "sort": [("seq", 1)], "limit": limit}
    return [_CODEC.decode(document) for document in await fetch(db, _NAME, where, session, **how)]


async def _write(db: Database, written: Written, session: Session) -> None:
    rows = db[_NAME]
    if written.gone_to:
        oldest = {"seq": {"$gt": 0, "$lte": written.gone_to}}
        await rows.delete_many(oldest, session=session, hint=_KEY)
    await rows.insert_one(_CODEC.encode(written.entry), session=session)
    chain = _CODEC.encode(written.chain)
    await rows.replace_one({"_id": chain["_id"]}, chain, upsert=True, session=session)
