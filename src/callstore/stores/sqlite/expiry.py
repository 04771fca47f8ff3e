"""When rows go, written into them; and their going."""

import json
import sqlite3
from datetime import datetime, timedelta
from typing import Any

from callstore.calls.model import Call
from callstore.retention.horizons import Past, Stamps
from callstore.schema import tables
from callstore.stores.protocol import EXPIRING, PAPERS, Decide, Expired
from callstore.stores.sqlite import expiry_queries as queries
from callstore.stores.sqlite.codec import CODECS, ms
from callstore.stores.sqlite.queries import CHILDREN, RECORDINGS_OF_CALLS, delete_of_call
from callstore.times import from_ms

_CALLS, _RECORDINGS = CODECS["CallSession"], CODECS["CallRecording"]


def stamp(
    db: sqlite3.Connection, horizons: str, ended_before: datetime, limit: int, decide: Decide
) -> int:
    bound = {"horizons": horizons, "before": ms(ended_before), "limit": limit}
    calls = [_CALLS.decode(row) for row in db.execute(queries.UNSTAMPED, bound)]
    pasts = _pasts(db, calls)
    decided = [(call, decide(call, past)) for call, past in zip(calls, pasts, strict=True)]
    for query, value in _WRITES:
        db.executemany(
            query,
            [
                {"conversation": call.conversation_id, "call": call.id, "value": value(stamps)}
                for call, stamps in decided
            ],
        )
    db.executemany(
        queries.STAMP_CALL, [(_time(stamps.call), horizons, call.id) for call, stamps in decided]
    )
    return len(calls)


def _pasts(db: sqlite3.Connection, calls: list[Call]) -> list[Past]:
    keys = json.dumps([(call.conversation_id, call.id) for call in calls])
    kept = {
        row.call_session_id
        for row in map(_RECORDINGS.decode, db.execute(RECORDINGS_OF_CALLS, (keys,)))
        if row.keeps_call
    }
    return [
        Past(
            last_caption=None if last is None else from_ms(last),
            sampled=bool(sampled),
            recorded=call.id in kept,
        )
        for call, (last, sampled) in zip(calls, db.execute(queries.PASTS, (keys,)), strict=True)
    ]


def _time(value: datetime | None) -> int | None:
    return None if value is None else ms(value)


def _span(value: timedelta | None) -> int | None:
    return None if value is None else int(value.total_seconds() * 1000)


def _rows(stamps: Stamps) -> int | None:
    return _time(stamps.call)


_WRITES: list[tuple[str, Any]] = [
    *(
        (queries.stamp(collection), _rows)
        for collection in (
            tables.PARTICIPANT,
            tables.LOG_ENTRY,
            tables.EVENT,
            tables.PULSE,
            tables.ANALYTICS,
        )
    ),
    (queries.RESTAMP_SAMPLES, lambda stamps: _time(stamps.samples)),
    (queries.STAMP_CAPTIONS, lambda stamps: _span(stamps.captions)),
    (queries.STAMP_RECORDINGS, lambda stamps: _span(stamps.recordings)),
]


def expire_calls(
    db: sqlite3.Connection, now: datetime, horizons: str, limit: int
) -> dict[str, int]:
    bound = {"now": ms(now), "horizons": horizons, "limit": limit}
    keys = db.execute(queries.EXPIRED_CALLS, bound).fetchall()
    if not keys:
        return {}
    gone = {
        collection.name: db.executemany(delete_of_call(collection), keys).rowcount
        for collection in CHILDREN
    }
    gone["CallSession"] = db.executemany(queries.DELETE_CALL, keys).rowcount
    return {name: count for name, count in gone.items() if count}


def expire_rows(db: sqlite3.Connection, collection: str, now: datetime, limit: int) -> int:
    query = queries.delete_expired(tables.BY_NAME[collection])
    return db.execute(query, {"now": ms(now), "limit": limit}).rowcount


def count_expired(
    db: sqlite3.Connection, now: datetime, horizons: str, ended_before: datetime
) -> Expired:
    bound = {"now": ms(now), "horizons": horizons, "before": ms(ended_before)}

    def counted(query: str) -> int:
        (count,) = db.execute(query, bound).fetchone()
        return int(count)

    rows = {
        each.name: counted(queries.count_expired(each, alone=each.name in EXPIRING))
        for each in (tables.CALL, *CHILDREN)
    }
    for name in PAPERS:
        rows[name] = counted(queries.count_own(name))
    return Expired(
        rows={name: count for name, count in rows.items() if count},
        files=counted(queries.COUNT_EXPIRED_RECORDINGS),
        unstamped=counted(queries.COUNT_UNSTAMPED),
        held=counted(queries.COUNT_HELD),
    )
