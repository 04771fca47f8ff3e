"""What is kept of a party, page by page."""

from collections.abc import Sequence
from typing import Any

from callstore.calls.model import Call, LogEntry, Participant, Party
from callstore.stores.mongo import queries
from callstore.stores.mongo.codec import CODECS, key, oid
from callstore.stores.mongo.engine import Engine, Session
from callstore.stores.mongo.queries import Filter
from callstore.stores.mongo.rows import fetch
from callstore.stores.parties import OF_PARTICIPANT, ORDERS, Part


class MongoParties:
    """A `PartyStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def entries(
        self, party: Party, after: str | None, limit: int
    ) -> tuple[list[LogEntry], str | None]:
        past = {} if after is None else {"callSessionId": {"$gt": oid(after)}}
        found: list[LogEntry] = await self._fetch(
            "CallLogEntry",
            {"party": party.ref, **past},
            hint="CallLogEntry_party",
            sort=[("callSessionId", 1)],
            limit=limit,
        )
        return found, found[-1].call_session_id if len(found) == limit else None

    async def around(
        self, party: Party, entries: Sequence[LogEntry]
    ) -> tuple[dict[str, Call], dict[str, Participant]]:
        if not entries:
            return {}, {}
        ids = [entry.call_session_id for entry in entries]
        by_id = queries.calls_by_id(ids, {entry.conversation_id for entry in entries})
        own = {**_of(entries), queries.PARTY_FIELDS[party.kind]: oid(party.id)}

        async def work(session: Session) -> tuple[list[Any], list[Any]]:
            db = self._engine.db
            calls = await fetch(db, "CallSession", by_id, session, hint="_id_")
            return calls, await fetch(db, "CallParticipant", own, session)

        calls, people = await self._engine.read(work)
        call_of, row_of = CODECS["CallSession"].decode, CODECS["CallParticipant"].decode
        rows: list[Participant] = [row_of(person) for person in people]
        return {c.id: c for c in map(call_of, calls)}, {row.call_session_id: row for row in rows}

    async def rows(self, collection: str, parts: Sequence[Part], limit: int) -> list[Any]:
        where = _of(parts)
        if collection in OF_PARTICIPANT:
            where["participantId"] = {"$in": [oid(str(part.participant_id)) for part in parts]}
        return await self._fetch(collection, where, hint=f"{collection}_key", limit=limit)

    async def rows_after(
        self, collection: str, part: Part, after: Any | None, limit: int
    ) -> list[Any]:
        where = queries.of_call(oid(part.conversation_id), oid(part.call_session_id))
        if collection in OF_PARTICIPANT:
            where["participantId"] = oid(str(part.participant_id))
        spoken = collection == "CallTranscription"
        return await self._fetch(
            collection,
            queries.both(where, _past(collection, after)),
            hint="CallTranscription_spoken" if spoken else f"{collection}_key",
            sort=[(key(name), 1) for name in ORDERS[collection]],
            limit=limit,
        )

    async def _fetch(self, collection: str, where: Filter, **how: Any) -> list[Any]:
        found = await self._engine.read(
            lambda session: fetch(self._engine.db, collection, where, session, **how)
        )
        decode = CODECS[collection].decode
        return [decode(document) for document in found]


def _of(rows: Sequence[LogEntry] | Sequence[Part]) -> Filter:
    return queries.of_keys((oid(row.conversation_id), oid(row.call_session_id)) for row in rows)


def _past(collection: str, after: Any | None) -> Filter:
    if after is None:
        return {}
    codec, order = CODECS[collection], ORDERS[collection]
    at, *more = [codec.column(after, name) for name in order]
    first = key(order[0])
    if not more:
        return {first: {"$gt": at}}
    return queries.beyond((first, key(order[1])), (at, more[0]), "$gt")
