"""Holds and erasures of a MongoDB database."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct

from callstore.calls.model import Party
from callstore.calls.pages import Place
from callstore.privacy.counting import of_holds, with_late
from callstore.privacy.model import Counts, Erasure, Hold, Lately
from callstore.recordings.model import Recording
from callstore.stores.mongo import erasing, queries, rows
from callstore.stores.mongo.codec import CODECS, Document, oid, utc
from callstore.stores.mongo.ddl import ANY
from callstore.stores.mongo.engine import Engine, Session
from callstore.stores.mongo.queries import Filter
from callstore.stores.papers import ErasureChange, HoldChange

R = TypeVar("R", bound=Struct)


class MongoPapers:
    lags = True  # a snapshot may be older than what has gone since

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def change_hold(self, id: str, change: HoldChange) -> Hold | None:
        return await self._change("CallHold", id, change)

    async def hold(self, id: str) -> Hold | None:
        found = await self._rows("CallHold", {"_id": oid(id)}, hint="_id_")
        return found[0] if found else None

    async def holds(self) -> list[Hold]:
        order = [("placedAt", -1), ("_id", -1)]
        return await self._rows("CallHold", {}, sort=order, hint="CallHold_placed")

    async def holds_on(self, party: Party) -> list[Hold]:
        in_force = {"party": party.ref, "releasedAt": None}
        released = {"party": party.ref, "releasedAt": ANY["time"]}
        return [
            *await self._rows("CallHold", in_force, hint="CallHold_party"),
            *await self._rows("CallHold", released, hint="CallHold_released"),
        ]

    async def unsettled_holds(self, now: datetime) -> list[Hold]:
        over = {"until": {**ANY["time"], "$lte": now}, "releasedAt": None, "settled": True}
        found = await self._rows("CallHold", {"settled": False}, hint="CallHold_unsettled")
        late = await self._rows("CallHold", over, hint="CallHold_until")
        return [*found, *late]

    async def forget_holds(self, erasure_id: str, party: Party, at: datetime) -> None:
        db = self._engine.db
        where = {"party": party.ref, "releasedAt": ANY["time"], "settled": True}
        gone = {"$set": {"party": None, "reason": None, "anonymizedAt": at}}

        async def work(session: Session) -> tuple[None, None]:
            done = await db["CallHold"].update_many(where, gone, session=session)
            erasure = await erasing.load(db, erasure_id, session)
            if erasure is not None:
                after = with_late(erasure, (), of_holds(done.modified_count))
                await erasing.save(db, after, session)
            return None, None

        await self._engine.change(work)

    async def change_erasure(self, id: str, change: ErasureChange) -> Erasure | None:
        return await self._change("CallErasure", id, change)

    async def erasure(self, id: str) -> Erasure | None:
        db = self._engine.db
        return await self._engine.read(lambda session: erasing.load(db, id, session))

    async def pending_erasures(self) -> list[Erasure]:
        where = {"status": "pending"}
        return await self._rows("CallErasure", where, hint="CallErasure_pending")

    async def erasures(self, party_hash: str | None) -> list[Erasure]:
        where = {} if party_hash is None else {"partyHash": party_hash}
        hint = "CallErasure_requested" if party_hash is None else "CallErasure_party"
        order = [("requestedAt", -1), ("_id", -1)]
        return await self._rows("CallErasure", where, sort=order, hint=hint)

    async def calls_in(self, conversation_id: str, after: Place | None, limit: int) -> list[Place]:
        where: Filter = {"conversationId": oid(conversation_id)}
        if after is not None:
            where |= queries.beyond(("createdAt", "_id"), (after[0], oid(after[1])), "$gt")
        order = [("createdAt", 1), ("_id", 1)]
        found = await self._fetch(
            "CallSession", where, sort=order, limit=limit, hint="CallSession_history"
        )
        return [(utc(row["createdAt"]), str(row["_id"])) for row in found]

    async def recordings_of_calls(self, calls: Sequence[tuple[str, str]]) -> list[Recording]:
        where = queries.of_keys((oid(conversation), oid(id)) for conversation, id in calls)
        return await self._rows("CallRecording", where, hint="CallRecording_key")

    async def erase_late(self, erasure_id: str, rows: Sequence[Lately]) -> Counts:
        db = self._engine.db

        async def work(session: Session) -> tuple[Counts, None]:
            counts = await erasing.erase_late(db, rows, session)
            erasure = await erasing.load(db, erasure_id, session)
            if erasure is not None:
                await erasing.save(db, with_late(erasure, rows, counts), session)
            return counts, None

        return await self._engine.change(work)

    async def scrub(self) -> bool:
        return True  # what of it is still in files is the server's

    async def _fetch(self, collection: str, where: Filter, **how: Any) -> list[Document]:
        db = self._engine.db
        return await self._engine.read(
            lambda session: rows.fetch(db, collection, where, session, **how), long=True
        )

    async def _rows(self, collection: str, where: Filter, **how: Any) -> list[Any]:
        decode = CODECS[collection].decode
        return [decode(document) for document in await self._fetch(collection, where, **how)]

    async def _change(
        self, collection: str, id: str, change: Callable[[R | None], R | None]
    ) -> R | None:
        codec, found = CODECS[collection], self._engine.db[collection]

        async def work(session: Session) -> tuple[R | None, None]:
            document = await found.find_one({"_id": oid(id)}, session=session)
            after = change(codec.decode(document) if document else None)
            if after is not None:
                await found.replace_one(
                    {"_id": oid(id)}, codec.encode(after), upsert=True, session=session
                )
            return after, None

        return await self._engine.change(work)
