"""Pages of a history and of a log, newest first."""

from typing import Any

from callstore.calls.model import Call, LogEntry
from callstore.calls.pages import Place
from callstore.stores.mongo import queries
from callstore.stores.mongo.codec import CODECS, Document, utc
from callstore.stores.mongo.connection import Database
from callstore.stores.mongo.engine import Session
from callstore.stores.mongo.queries import NEWEST_FIRST, Filter
from callstore.stores.mongo.rows import fetch, with_participants
from callstore.stores.pages import EXAMINED, HistoryQuery, LogQuery

_ENTRIES = CODECS["CallLogEntry"]


async def history_page(
    db: Database, query: HistoryQuery, session: Session
) -> tuple[list[Call], Place | None]:
    bounds, filters = queries.history(query)
    source = "CallSession" if query.party is None else "CallLogEntry"
    found, more = await _page(db, query, source, bounds, filters, session)
    if query.party is not None:
        found = await _calls_of(db, found, session)
    return await with_participants(db, found, session), more


async def _calls_of(db: Database, entries: list[Document], session: Session) -> list[Document]:
    if not entries:
        return []
    ids = [entry["callSessionId"] for entry in entries]
    where = {"_id": {"$in": ids}, "conversationId": entries[0]["conversationId"]}
    found = await fetch(db, "CallSession", where, session, hint="_id_")
    calls = {call["_id"]: call for call in found}
    return [calls[id] for id in ids if id in calls]


async def log_page(
    db: Database, query: LogQuery, session: Session
) -> tuple[list[LogEntry], Place | None]:
    bounds, filters = queries.log(query)
    found, more = await _page(db, query, "CallLogEntry", bounds, filters, session)
    return [_ENTRIES.decode(entry) for entry in found], more


async def _page(
    db: Database,
    query: HistoryQuery | LogQuery,
    source: str,
    bounds: Filter,
    filters: list[Filter],
    session: Session,
) -> tuple[list[Document], Place | None]:
    """The documents, and where the next page begins."""
    collection = db[source]
    where = queries.both(bounds, queries.span(query))
    last: Document | None = None
    if filters and not query.offset:
        # The place of the last entry that this page may look at: of the index alone.
        places = collection.find(where, {"createdAt": 1}, session=session)
        farthest = places.sort(NEWEST_FIRST).skip(EXAMINED - 1).limit(1)
        for last in await farthest.to_list():
            filters = [queries.down_to(last["createdAt"], last["_id"]), *filters]
    matching = collection.find(queries.both(where, *filters), session=session)
    sought = matching.sort(NEWEST_FIRST).skip(query.offset).limit(query.limit + 1)
    found: list[dict[str, Any]] = await sought.to_list()
    if len(found) > query.limit:
        found = found[: query.limit]
        last = found[-1]
    return found, None if last is None else (utc(last["createdAt"]), str(last["_id"]))
