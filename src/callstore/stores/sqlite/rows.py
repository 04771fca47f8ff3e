"""Calls with their people, and other rows read by key."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from callstore.calls.model import Call, Participant, Party, in_order_of_joining, replace
from callstore.stores.sqlite import queries
from callstore.stores.sqlite.codec import CODECS

_CALLS = CODECS["CallSession"]
_PARTICIPANTS = CODECS["CallParticipant"]


def one_call(db: sqlite3.Connection, query: str, key: str) -> Call | None:
    row = db.execute(query, (key,)).fetchone()
    if row is None:
        return None
    call: Call = _CALLS.decode(row)
    people = db.execute(queries.PARTICIPANTS, (call.conversation_id, call.id))
    rows = [_PARTICIPANTS.decode(person) for person in people]
    return replace(call, participants=in_order_of_joining(rows))


def current_call(db: sqlite3.Connection, party: Party) -> Call | None:
    """The live call that the party joined last; a party is live in a few at most."""
    rows = db.execute(queries.LIVE_ROWS[party.kind], (party.id,))
    live: list[Participant] = [_PARTICIPANTS.decode(row) for row in rows]
    if not live:
        return None
    last = max(live, key=lambda row: (row.stints[-1].joined_at, row.id))
    return one_call(db, queries.CALL_BY_ID, last.call_session_id)


def with_participants(db: sqlite3.Connection, calls: Sequence[Call]) -> list[Call]:
    people: dict[str, list[Participant]] = {call.id: [] for call in calls}
    keys = json.dumps([(call.conversation_id, call.id) for call in calls])
    for row in db.execute(queries.PARTICIPANTS_OF_CALLS, (keys,)):
        participant = _PARTICIPANTS.decode(row)
        people[participant.call_session_id].append(participant)
    return [replace(call, participants=in_order_of_joining(people[call.id])) for call in calls]


def rows_of_call(
    db: sqlite3.Connection, collection: str, query: str, call_id: str, **bound: Any
) -> list[Any]:
    decode = CODECS[collection].decode
    return [decode(row) for row in db.execute(query, {"call": call_id, **bound})]
