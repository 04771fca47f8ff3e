"""What is kept of a party, page by page."""

import json
import sqlite3
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from callstore.calls.model import Call, LogEntry, Participant, Party
from callstore.schema import tables
from callstore.schema.declaration import Collection
from callstore.stores.parties import OF_PARTICIPANT, ORDERS, Part
from callstore.stores.sqlite import queries
from callstore.stores.sqlite.codec import CODECS
from callstore.stores.sqlite.engine import Engine

ENTRIES = f"""
SELECT {queries.ENTRY_COLUMNS} FROM CallLogEntry e
WHERE e.party = :party AND e.callSessionId > :after ORDER BY e.callSessionId LIMIT :limit"""

# Keys: [[conversation, call, party id], …]
_OWN_ROWS = f"""
SELECT {queries.columns(tables.PARTICIPANT, "p")} FROM json_each(?) k
CROSS JOIN CallParticipant p ON p.conversationId = k.value ->> 0
  AND p.callSessionId = k.value ->> 1 AND p.userId = k.value ->> 2"""
OWN_ROWS = {"user": _OWN_ROWS, "guest": _OWN_ROWS.replace("p.userId", "p.anonymousUserId")}


@cache
def rows_of(collection: Collection) -> str:
    """Keys: [[conversation, call, participant], …]"""
    own = "AND r.participantId = k.value ->> 2" if collection.name in OF_PARTICIPANT else ""
    return f"""
SELECT {queries.columns(collection, "r")} FROM json_each(:keys) k
CROSS JOIN {collection.name} r ON r.conversationId = k.value ->> 0
  AND r.callSessionId = k.value ->> 1 {own} LIMIT :limit"""


@cache
def rows_after(collection: Collection, *, first: bool) -> str:
    """The + keeps the engine from looking a speaker's captions up by a key of another order."""
    own = {"CallTranscription": "+r.participantId", "CallQualitySample": "r.participantId"}
    of = f"AND {own[collection.name]} = :participant" if collection.name in own else ""
    order = _order(collection)
    past = "" if first else f"AND ({', '.join(order)}) > ({', '.join(f':{n}' for n in order)})"
    return f"""
SELECT {queries.columns(collection, "r")} FROM {collection.name} r
WHERE r.conversationId = :conversation AND r.callSessionId = :call {of} {past}
ORDER BY {", ".join(f"r.{name}" for name in order)} LIMIT :limit"""


def _order(collection: Collection) -> tuple[str, ...]:
    return ORDERS[collection.name]  # attributes and columns of one word are the same


class SqliteParties:
    """A `PartyStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def entries(
        self, party: Party, after: str | None, limit: int
    ) -> tuple[list[LogEntry], str | None]:
        bound = {"party": party.ref, "after": after or "", "limit": limit}
        found = await self._engine.read(partial(_decoded, "CallLogEntry", ENTRIES, bound))
        return found, found[-1].call_session_id if len(found) == limit else None

    async def around(
        self, party: Party, entries: Sequence[LogEntry]
    ) -> tuple[dict[str, Call], dict[str, Participant]]:
        ids = json.dumps([entry.call_session_id for entry in entries])
        keys = [(each.conversation_id, each.call_session_id, party.id) for each in entries]

        def work(db: sqlite3.Connection) -> tuple[list[Call], list[Participant]]:
            calls = _decoded("CallSession", queries.CALLS_BY_ID, (ids,), db)
            own = OWN_ROWS[party.kind]
            return calls, _decoded("CallParticipant", own, (json.dumps(keys),), db)

        calls, rows = await self._engine.read(work)
        return {call.id: call for call in calls}, {row.call_session_id: row for row in rows}

    async def rows(self, collection: str, parts: Sequence[Part], limit: int) -> list[Any]:
        keys = [(p.conversation_id, p.call_session_id, p.participant_id) for p in parts]
        bound = {"keys": json.dumps(keys), "limit": limit}
        query = rows_of(tables.BY_NAME[collection])
        return await self._engine.read(partial(_decoded, collection, query, bound))

    async def rows_after(
        self, collection: str, part: Part, after: Any | None, limit: int
    ) -> list[Any]:
        kind, codec = tables.BY_NAME[collection], CODECS[collection]
        bound = {
            "conversation": part.conversation_id,
            "call": part.call_session_id,
            "participant": part.participant_id,
            "limit": limit,
        }
        if after is not None:
            bound |= {name: codec.column(after, name) for name in _order(kind)}
        query = rows_after(kind, first=after is None)
        return await self._engine.read(partial(_decoded, collection, query, bound))


def _decoded(collection: str, query: str, bound: Any, db: sqlite3.Connection) -> list[Any]:
    decode = CODECS[collection].decode
    return [decode(row) for row in db.execute(query, bound)]
