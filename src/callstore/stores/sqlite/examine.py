"""What a doctor looks for, and mends."""

import sqlite3
from typing import Literal

from callstore.schema.tables import Collection
from callstore.stores.protocol import Finding
from callstore.stores.sqlite import queries

_BATCH = 1000

Key = tuple[str, str]  # conversation, call


def miscounted(db: sqlite3.Connection, after: str) -> tuple[int, list[Finding], str | None]:
    """Of the next calls by id: how many, what was found, and the last id (None: no more)."""
    found = db.execute(queries.MISCOUNTED, {"after": after, "limit": _BATCH}).fetchall()
    findings = [finding for row in found for finding in _judge(*row)]
    return len(found), findings, found[-1][0] if found else None


def _judge(
    id: str,
    live: int,
    joined: int,
    events: int,
    seated: int,
    answered: int,
    written: int,
    last: int | None,
    peak: int,
    mode_switches: int,
    switched: int,
    people: int,
    entries: int,
) -> list[Finding]:
    wrong: list[tuple[Literal["counts", "seq_gap"], bool, str]] = [
        ("counts", live != seated, f"liveCount is {live}, seated are {seated}"),
        ("counts", joined != answered, f"joinedCount is {joined}, ever seated are {answered}"),
        (
            "counts",
            not seated <= peak <= answered,
            f"peakParticipants is {peak}, ever seated are {answered}",
        ),
        (
            "counts",
            mode_switches != switched,
            f"modeSwitchCount is {mode_switches}, {switched} events",
        ),
        ("counts", entries < people, f"{people} participants, but {entries} log entries"),
        (
            "seq_gap",
            written != (last or 0) or last != events,
            f"eventCount is {events}, {written} events, the last is {last}",
        ),
    ]
    return [
        Finding(problem=problem, collection="CallSession", id=id, detail=detail)
        for problem, found, detail in wrong
        if found
    ]


def orphans(
    db: sqlite3.Connection, collection: Collection, after: Key
) -> tuple[list[Finding], Key | None]:
    """Of the next calls that have rows in the collection: those that are gone themselves, and the
    last one looked at (None: no more)."""
    bound = {"conversation": after[0], "call": after[1], "limit": _BATCH}
    found = db.execute(queries.calls_of(collection), bound).fetchall()
    findings = [
        Finding(
            problem="orphan",
            collection=collection.name,
            id=call,
            conversation_id=conversation,
            detail=f"{count} rows whose call is gone",
        )
        for conversation, call, count, there in found
        if not there
    ]
    return findings, found[-1][:2] if found else None


def delete_orphan(db: sqlite3.Connection, finding: Finding) -> None:
    collection = next(c for c in queries.CHILDREN if c.name == finding.collection)
    db.execute(queries.delete_of_call(collection), (finding.conversation_id, finding.id))
