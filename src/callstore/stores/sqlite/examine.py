"""What a doctor looks for, and mends."""

import sqlite3

from callstore.schema.declaration import Collection
from callstore.stores.findings import Counted, judge
from callstore.stores.protocol import Finding
from callstore.stores.sqlite import queries

_BATCH = 1000

Key = tuple[str, str]  # conversation, call


def miscounted(db: sqlite3.Connection, after: str) -> tuple[int, list[Finding], str | None]:
    """Of the next calls by id: how many, what was found, and the last id (None: no more)."""
    found = db.execute(queries.COUNTED, {"after": after, "limit": _BATCH}).fetchall()
    calls = [Counted(**dict(zip(Counted.__struct_fields__, row, strict=True))) for row in found]
    findings = [finding for call in calls for finding in judge(call)]
    return len(found), findings, found[-1][0] if found else None


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
