"""What goes of a call, or of a party in it; counted as it goes."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from callstore.calls.lifecycle.turn import Erased
from callstore.calls.model import Call
from callstore.privacy.counting import counted, with_gone
from callstore.privacy.model import Counts, Erasure, Lately
from callstore.schema import papers
from callstore.stores.sqlite import erasing_queries as queries
from callstore.stores.sqlite import expiry_queries
from callstore.stores.sqlite.codec import CODECS
from callstore.stores.sqlite.queries import CALL_BY_ID, CHILDREN, delete_of_call, put

_ERASURES = CODECS["CallErasure"]


def unstamp(db: sqlite3.Connection, calls: Sequence[Call]) -> None:
    """No row of these calls says any more when it goes."""
    bound = [{"conversation": c.conversation_id, "call": c.id, "value": None} for c in calls]
    for collection in CHILDREN if calls else ():
        db.executemany(expiry_queries.stamp(collection), bound)


def erase(db: sqlite3.Connection, erased: Sequence[Erased]) -> None:
    for each in erased:
        if each.samples:
            bound = {"conversation": each.call.conversation_id, "call": each.call.id}
            each.went = db.execute(queries.THIN, {**bound, "limit": each.samples}).rowcount
            counted(each.counts, "CallQualitySample", "rows", each.went)
        elif each.whole:
            _erase_call(db, each.call.conversation_id, each.call.id, each.counts)
        else:
            _erase_party(db, each)
    for erasure_id in dict.fromkeys(each.erasure_id for each in erased):
        if (erasure := load(db, erasure_id)) is not None:
            save(db, with_gone(erasure, [e for e in erased if e.erasure_id == erasure_id]))


def load(db: sqlite3.Connection, erasure_id: str) -> Erasure | None:
    row = db.execute(queries.ERASURE, (erasure_id,)).fetchone()
    return _ERASURES.decode(row) if row else None


def save(db: sqlite3.Connection, erasure: Erasure) -> None:
    db.execute(put(papers.ERASURE), _ERASURES.encode(erasure))


def erase_late(db: sqlite3.Connection, rows: Iterable[Lately]) -> Counts:
    counts: Counts = {}
    for row in rows:
        if row.participant_id is None:
            # One that is there was begun anew, with the same id.
            if db.execute(CALL_BY_ID, (row.call_session_id,)).fetchone() is None:
                _erase_call(db, row.conversation_id, row.call_session_id, counts)
        else:
            bound = {"conversation": row.conversation_id, "call": row.call_session_id}
            _erase_of_participant(db, {**bound, "participant": row.participant_id}, counts)
    return counts


def _erase_call(db: sqlite3.Connection, conversation: str, call: str, counts: Counts) -> None:
    for collection in CHILDREN:
        done = db.execute(delete_of_call(collection), (conversation, call))
        counted(counts, collection.name, "rows", done.rowcount)
    done = db.execute(expiry_queries.DELETE_CALL, (conversation, call))
    counted(counts, "CallSession", "rows", done.rowcount)


def _erase_of_participant(db: sqlite3.Connection, bound: dict[str, Any], counts: Counts) -> None:
    for name, query in queries.OF_PARTICIPANT.items():
        counted(counts, name, "rows", db.execute(query, bound).rowcount)


def _erase_party(db: sqlite3.Connection, erased: Erased) -> None:
    assert erased.party is not None
    bound = {"conversation": erased.call.conversation_id, "call": erased.call.id}
    if erased.participant is not None:
        with_id = {**bound, "participant": erased.participant.id}
        _erase_of_participant(db, with_id, erased.counts)
    for name, who in erased.named.items():
        done = db.execute(queries.FORGET_IN_EVENTS[name], {**bound, "who": who})
        counted(erased.counts, "CallEvent", name, done.rowcount)
    if erased.recordings:
        theirs = {**bound, "recordings": json.dumps(erased.recordings)}
        done = db.execute(queries.FORGET_REASONS, theirs)
        counted(erased.counts, "CallEvent", "data", done.rowcount)
    for name, id in erased.rows.items():
        db.execute(queries.DELETE_ROW[name], {**bound, "id": id})
