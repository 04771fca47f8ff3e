"""Leases, of a database of an older schema too: who migrates it takes one first."""

import sqlite3

from callstore.schema import tables
from callstore.schema.model import Lease
from callstore.stores.sqlite.codec import CODECS

_LEASES = CODECS["CallLease"]
LEASE = "SELECT l.* FROM CallLease l WHERE l.id = ?"
DELETE_LEASE = "DELETE FROM CallLease WHERE id = ?"
_NAMES = [field.name for field in tables.LEASE.fields]


def load(db: sqlite3.Connection, id: str) -> Lease | None:
    found = db.execute(LEASE, (id,))
    row = found.fetchone()
    if row is None:
        return None
    values = dict(zip((column[0] for column in found.description), row, strict=True))
    lease: Lease = _LEASES.decode([values.get(name) for name in _NAMES])
    return lease


def save(db: sqlite3.Connection, lease: Lease) -> None:
    """In place of the one that is there; one that says nothing is not kept."""
    there = {column[0] for column in db.execute(LEASE, (lease.id,)).description}
    db.execute(DELETE_LEASE, (lease.id,))
    if not lease.empty:
        values = dict(zip(_NAMES, _LEASES.encode(lease), strict=True))
        known = {name: value for name, value in values.items() if name in there}
        marks = ", ".join("?" * len(known))
        insert = f"INSERT INTO CallLease ({', '.join(known)}) VALUES ({marks})"
        db.execute(insert, list(known.values()))
