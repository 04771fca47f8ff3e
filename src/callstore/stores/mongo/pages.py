"""Pages of a history and of a log, newest first."""

from collections.abc import Sequence
from operator import itemgetter

from callstore.calls.model import LogEntry
from callstore.calls.pages import Place
from callstore.stores.mongo import queries
from callstore.stores.mongo.codec import CODECS, Document, utc
from callstore.stores.mongo.connection import Database
from callstore.stores.mongo.engine import Session
from callstore.stores.mongo.queries import NEWEST_FIRST, Filter
from callstore.stores.mongo.rows import TOGETHER, CallRows, fetch, with_participants
from callstore.stores.pages import EXAMINED, HistoryQuery, LogQuery

_ENTRIES = CODECS["CallLogEntry"]
Page = tuple[CallRows, Place | None]


async def history_page(db: Database, query: HistoryQuery, session: Session) -> Page:
    bounds, filters = queries.history(query)
    source = "CallSession" if query.party is None else "CallLogEntry"
    found, more = await _page(db, query, source, bounds, filters, session)
    if query.party is not None:
        found = await _calls_of(db, found, session)
    return await with_participants(db, found, session), more


async def newest(db: Database, asked: Sequence[HistoryQuery], session: Session) -> list[Page]:
    """Pages of histories, in two queries: of `plain` ones."""
    first, *others = [queries.newest(query, number) for number, query in enumerate(asked)]
    together = [{"$unionWith": {"coll": "CallSession", "pipeline": other}} for other in others]
    answer = await db["CallSession"].aggregate(
        first + together, session=session, batchSize=TOGETHER
    )
    found: list[list[Document]] = [[] for _ in asked]
    for call in await answer.to_list():
        found[call["asked"]].append(call)
    for calls in found:  # what order a union leaves is not promised
        calls.sort(key=itemgetter("createdAt", "_id"), reverse=True)
    pages = [_cut(calls, query.limit, None) for calls, query in zip(found, asked, strict=True)]
    shown = [call for page, _ in pages for call in page]
    people = (await with_participants(db, shown, session)).people
    return [(CallRows(page, people), more) for page, more in pages]


def plain(query: HistoryQuery) -> bool:
    """It costs what it returns."""
    return not (query.party or query.offset or queries.history(query)[1])


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
    return _cut(await sought.to_list(), query.limit, last)


def _cut(
    found: list[Document], limit: int, last: Document | None
) -> tuple[list[Document], Place | None]:
    """Of one more than a page has, where there are so many: the page, and where the next begins;
    else it begins after `last`."""
    if len(found) > limit:
        found = found[:limit]
        last = found[-1]
    return found, None if last is None else (utc(last["createdAt"]), str(last["_id"]))
