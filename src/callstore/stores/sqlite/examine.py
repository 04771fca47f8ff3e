"""What a doctor looks for, and mends."""

import sqlite3
from collections.abc import Callable
from functools import partial

from callstore.schema.tables import Collection
from callstore.stores.protocol import Finding
from callstore.stores.sqlite import queries

_BATCH = 1000


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
) -> list[Finding]:
    def finding(problem: str, detail: str) -> Finding:
        return Finding(problem=problem, collection="CallSession", id=id, detail=detail)

    found = []
    if live != seated:
        found.append(finding("counts", f"liveCount is {live}, seated are {seated}"))
    if joined != answered:
        found.append(finding("counts", f"joinedCount is {joined}, ever seated are {answered}"))
    if written != (last or 0) or last != events:
        found.append(
            finding("seq_gap", f"eventCount is {events}, {written} events, the last is {last}")
        )
    return found


def _orphans(collection: Collection, db: sqlite3.Connection) -> list[Finding]:
    rows = db.execute(queries.orphans(collection))
    return [
        Finding(problem="orphan", collection=collection.name, id=id, detail="its call is gone")
        for (id,) in rows
    ]


ORPHANS: list[Callable[[sqlite3.Connection], list[Finding]]] = [
    partial(_orphans, collection) for collection in queries.CHILDREN
]


def delete_orphans(db: sqlite3.Connection) -> None:
    for collection in queries.CHILDREN:
        db.execute(queries.delete_orphans(collection))


def recount(db: sqlite3.Connection, call_id: str) -> None:
    db.execute(queries.RECOUNT, {"call": call_id})
