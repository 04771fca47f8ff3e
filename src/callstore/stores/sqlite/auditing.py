"""The audit's rows."""

import sqlite3
from typing import Any

from callstore.privacy.chain import Written
from callstore.privacy.model import AuditEntry
from callstore.schema.papers import AUDIT
from callstore.stores.auditing import Decide
from callstore.stores.sqlite import audit_queries as queries
from callstore.stores.sqlite import batches, moving
from callstore.stores.sqlite.codec import CODECS
from callstore.stores.sqlite.engine import Engine

_decode = CODECS["CallAudit"].decode
MOST = 2**63 - 1


class SqliteAudit:
    """An `AuditStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def change(self, decide: Decide, *, oldest: int = 0) -> Written | None:
        def work(db: sqlite3.Connection) -> Written | None:
            entries = _rows(db, queries.ENTRIES, after=0, limit=oldest) if oldest else []
            written = decide(_chain(db), entries)
            if written is not None:
                _write(db, written)
            return written

        return await self._engine.change(work)

    async def entries(self, after: int, limit: int) -> tuple[AuditEntry | None, list[AuditEntry]]:
        return await self._engine.read(
            lambda db: (_chain(db), _rows(db, queries.ENTRIES, after=after, limit=limit))
        )

    async def newest(
        self, below: int | None, limit: int, party_hash: str | None = None
    ) -> list[AuditEntry]:
        query = queries.NEWEST if party_hash is None else queries.NEWEST_OF_PARTY
        bound = {"below": MOST if below is None else below, "limit": limit, "party": party_hash}
        return await self._engine.read(lambda db: _rows(db, query, **bound))


def _rows(db: sqlite3.Connection, query: str, **bound: Any) -> list[AuditEntry]:
    return [_decode(row) for row in db.execute(query, bound)]


def _chain(db: sqlite3.Connection) -> AuditEntry | None:
    row = db.execute(queries.CHAIN).fetchone()
    return None if row is None else _decode(row)


def _write(db: sqlite3.Connection, written: Written) -> None:
    if written.gone_to:
        db.execute(queries.DELETE_OLDEST, (written.gone_to,))
    batches.insert(db, AUDIT, [written.entry])
    moving.put(db, AUDIT, [written.chain])
