"""A batch's rows: loaded in a few queries, written in a statement per table and shape of change."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from callstore.calls.lifecycle.turn import State, Want
from callstore.calls.model import Call, Participant
from callstore.privacy.model import Hold
from callstore.schema import tables
from callstore.schema.declaration import Collection
from callstore.stores.protocol import Batch, Changed, Scope, WriteConflict
from callstore.stores.sqlite import erasing, leasing, queries
from callstore.stores.sqlite.codec import CODECS
from callstore.stores.sqlite.erasing_queries import HOLDS_ON

_CALLS = CODECS["CallSession"]
_PARTICIPANTS = CODECS["CallParticipant"]
_PULSES = CODECS["CallPulse"]
_ENTRIES = CODECS["CallLogEntry"]
_CAPTIONS = CODECS["CallTranscription"]
_RECORDINGS = CODECS["CallRecording"]
_WIDTH = len(tables.PARTICIPANT.fields)


def run(db: sqlite3.Connection, batch: Batch) -> None:
    """Load, decide, write; within a transaction of the caller's."""
    calls = _load_calls(db, batch)
    states = _load_rows(db, batch.wants(calls))
    lease_id = batch.lease_id(states)
    lease = leasing.load(db, lease_id) if lease_id else None
    scope = batch.scope(states)
    holds = _load_holds(db, scope) if scope else []
    write(db, batch.decide(states, lease, holds))


def _load_holds(db: sqlite3.Connection, scope: Scope) -> list[Hold]:
    bound = {name: json.dumps([*who]) for name, who in msgspec.structs.asdict(scope).items()}
    return [CODECS["CallHold"].decode(row) for row in db.execute(HOLDS_ON, bound)]


def _load_calls(db: sqlite3.Connection, batch: Batch) -> list[Call]:
    calls: dict[str, Call] = {}
    for query, keys in (
        (queries.CALLS_BY_ID, batch.call_ids),
        (queries.LIVE_CALLS, batch.conversation_ids),
    ):
        for call in _fetch(db, _CALLS, query, keys):
            calls[call.id] = call
    return list(calls.values())


def _fetch(db: sqlite3.Connection, codec: Any, query: str, keys: Sequence[Any]) -> list[Any]:
    return [codec.decode(row) for row in db.execute(query, (json.dumps(keys),))] if keys else []


def _load_rows(db: sqlite3.Connection, wants: Iterable[Want]) -> list[State]:
    states: dict[str, State] = {}
    users: list[tuple[str, str, str]] = []
    guests: list[tuple[str, str, str]] = []
    everyone: list[tuple[str, str]] = []
    wants = list(wants)
    for want in wants:
        call = want.call
        states[call.id] = State(call=call, everyone=want.everyone, recorded=want.recordings)
        if want.everyone:
            everyone.append((call.conversation_id, call.id))
            continue
        for party in want.parties:
            rows = users if party.kind == "user" else guests
            rows.append((call.conversation_id, call.id, party.id))
    for query, keys in (
        (queries.USERS_OF_CALLS, users),
        (queries.GUESTS_OF_CALLS, guests),
        (queries.EVERYONE_OF_CALLS, everyone),
    ):
        if keys:
            for row in db.execute(query, (json.dumps(keys),)):
                _add_participant(states, row)
    entries = [
        (party.ref, want.call.id) for want in wants for party in want.entries(states[want.call.id])
    ]
    for entry in (
        *_fetch(db, _ENTRIES, queries.ENTRIES_OF_PARTIES, entries),
        *_fetch(db, _ENTRIES, queries.ENTRIES_OF_CALLS, everyone),
    ):
        states[entry.call_session_id].add(entry)
    if segments := [key for want in wants for key in want.keys(states[want.call.id])]:
        for caption in _fetch(db, _CAPTIONS, queries.CAPTIONS_OF_SEGMENTS, segments):
            states[caption.call_session_id].add(caption)
    recorded = [(w.call.conversation_id, w.call.id) for w in wants if w.recordings]
    for recording in _fetch(db, _RECORDINGS, queries.RECORDINGS_OF_CALLS, recorded):
        states[recording.call_session_id].add(recording)
    return list(states.values())


def _add_participant(states: dict[str, State], row: Sequence[Any]) -> None:
    participant: Participant = _PARTICIPANTS.decode(row[:_WIDTH])
    state = states[participant.call_session_id]
    state.add(participant)
    if row[_WIDTH] is not None:
        state.add(_PULSES.decode(row[_WIDTH:]))


def write(db: sqlite3.Connection, changed: Changed) -> None:
    """Updates before inserts: a call that is closed makes room for the next one."""
    pairs = [(tables.BY_NAME[name], rows) for name, rows in changed.pairs.items()]
    for collection, rows in pairs:
        _update(db, collection, rows)
    if changed.metrics:
        db.executemany(
            queries.update(tables.PARTICIPANT, ("qualityMetrics",)),
            [
                (_PARTICIPANTS.value("quality_metrics", metrics), *_key(tables.PARTICIPANT, row))
                for row, metrics in changed.metrics
            ],
        )
    if changed.gone:
        keys = [_key(tables.CAPTION, row) for row in changed.gone]
        db.executemany(queries.delete(tables.CAPTION), keys)
    for collection, rows in pairs:
        insert(db, collection, [new for old, new in rows if old is None])
    insert(db, tables.EVENT, changed.events)
    insert(db, tables.SAMPLE, changed.samples)
    erasing.unstamp(db, changed.unstamped)
    erasing.erase(db, changed.erased)


def insert(db: sqlite3.Connection, collection: Collection, rows: Sequence[Any]) -> None:
    if rows:
        encode = CODECS[collection.name].encode
        db.executemany(queries.insert(collection), [encode(row) for row in rows])


def _update(
    db: sqlite3.Connection, collection: Collection, pairs: Sequence[tuple[Any, Any]]
) -> None:
    """Writes what differs; WriteConflict where a guarded field is no longer what was read."""
    codec, guard = CODECS[collection.name], collection.guard
    shapes: dict[tuple[str, ...], list[list[Any]]] = defaultdict(list)
    for old, new in pairs:
        changes = codec.differences(old, new) if old is not None else {}
        if changes:
            bound = [*changes.values(), *_key(collection, new)]
            shapes[tuple(changes)].append([*bound, codec.column(old, guard)] if guard else bound)
    for shape, bounds in shapes.items():
        done = db.executemany(queries.update(collection, shape), bounds)
        if done.rowcount != len(bounds):
            raise WriteConflict(collection.name)


def _key(collection: Collection, row: Any) -> list[Any]:
    codec = CODECS[collection.name]
    return [codec.column(row, name) for name in collection.key]
