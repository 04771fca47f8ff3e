"""Pages of a history and of a log, newest first."""

import sqlite3
from typing import Any

import msgspec

from callstore.calls.model import Call, LogEntry
from callstore.calls.pages import Place
from callstore.stores.pages import EXAMINED, HistoryQuery, LogQuery
from callstore.stores.sqlite import queries
from callstore.stores.sqlite.codec import CODECS, moment, ms
from callstore.stores.sqlite.rows import with_participants

_CALLS = CODECS["CallSession"]
_ENTRIES = CODECS["CallLogEntry"]


def history_page(db: sqlite3.Connection, query: HistoryQuery) -> tuple[list[Call], Place | None]:
    source, bounds, filters = queries.history(query)
    alias = "c" if query.party is None else "e"
    where = f"{queries.CALL_COLUMNS}, {alias}.createdAt, {alias}.id"
    rows, more = _page(db, query, where, source, alias, bounds, filters)
    return with_participants(db, [_CALLS.decode(row[:-2]) for row in rows]), more


def log_page(db: sqlite3.Connection, query: LogQuery) -> tuple[list[LogEntry], Place | None]:
    source, bounds, filters = queries.log(query)
    what = f"{queries.ENTRY_COLUMNS}, e.createdAt, e.id"
    rows, more = _page(db, query, what, source, "e", bounds, filters)
    return [_ENTRIES.decode(row[:-2]) for row in rows], more


def _page(
    db: sqlite3.Connection,
    query: HistoryQuery | LogQuery,
    what: str,
    source: str,
    alias: str,
    bounds: list[str],
    filters: list[str],
) -> tuple[list[Any], Place | None]:
    """The rows, each ending in its (createdAt, id), and where the next page begins."""
    bound = _bound(query)
    last = None
    if filters and not query.offset:
        # The place of the last entry that this page may look at.
        place = queries.page(f"{alias}.createdAt, {alias}.id", source, bounds, alias)
        last = db.execute(place, {**bound, "limit": 1, "offset": EXAMINED - 1}).fetchone()
        if last is not None:
            bounds = [*bounds, f"({alias}.createdAt, {alias}.id) >= (:last_at, :last_id)"]
            bound |= {"last_at": last[0], "last_id": last[1]}
    bound |= {"limit": query.limit + 1, "offset": query.offset}
    rows = db.execute(queries.page(what, source, [*bounds, *filters], alias), bound).fetchall()
    if len(rows) > query.limit:
        rows = rows[: query.limit]
        last = rows[-1][-2:]
    return rows, None if last is None else (moment(last[0]), last[1])


def _bound(query: HistoryQuery | LogQuery) -> dict[str, Any]:
    bound = msgspec.structs.asdict(query)
    for name in ("since", "until"):
        bound[name] = None if bound[name] is None else ms(bound[name])
    if query.cursor is not None:
        bound["after_at"], bound["after_id"] = ms(query.cursor[0]), query.cursor[1]
    bound["party"] = query.party.ref if query.party else None
    del bound["cursor"]
    return bound
