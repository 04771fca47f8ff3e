"""The bare loop: rows that callstore wrote, written again by nothing but sqlite3.

Same tables, indexes and pragmas, finished rows, and no more than the inserts and a commit for
every 64 commands: what the engine would give if deciding, reading and updating cost nothing.
"""

import contextlib
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.harness import Timing
from callstore.stores.sqlite import connection

GROUP = 64

Rows = dict[str, list[Sequence[Any]]]  # by table


def rewrite_calls(source: Path, target: Path) -> Timing:
    """All rows of all calls; a call counts as many commands as its version."""
    with contextlib.closing(sqlite3.connect(source)) as db:
        groups = list(_call_groups(db))
        versions = db.execute("SELECT sum(version) FROM CallSession").fetchone()[0]
    return _write(source, target, groups, versions)


def rewrite_samples(source: Path, target: Path) -> Timing:
    """The samples only, each one command's; the calls they belong to are there before."""
    with contextlib.closing(sqlite3.connect(source)) as db:
        calls = {"CallSession": db.execute("SELECT * FROM CallSession").fetchall()}
        rows = db.execute("SELECT * FROM CallQualitySample ORDER BY at, id").fetchall()
    groups = [{"CallQualitySample": rows[n : n + GROUP]} for n in range(0, len(rows), GROUP)]
    return _write(source, target, groups, len(rows), before=calls)


def _call_groups(db: sqlite3.Connection) -> Iterable[Rows]:
    rows = _rows_by_call(db)
    group: Rows = defaultdict(list)
    commands = 0
    for call_id, version in db.execute("SELECT id, version FROM CallSession ORDER BY createdAt"):
        for table, of_call in rows[call_id].items():
            group[table].extend(of_call)
        commands += version
        if commands >= GROUP:
            yield group
            group, commands = defaultdict(list), 0
    yield group


def _rows_by_call(db: sqlite3.Connection) -> dict[str, Rows]:
    found: dict[str, Rows] = defaultdict(lambda: defaultdict(list))
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        cursor = db.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        key = "id" if table == "CallSession" else "callSessionId"
        if key in names:
            for row in cursor:
                found[row[names.index(key)]][table].append(row)
    return found


def _write(
    source: Path, target: Path, groups: Iterable[Rows], commands: int, before: Rows | None = None
) -> Timing:
    timing = Timing(done=commands, latencies={"commit": []})
    with contextlib.closing(connection.open_writer(target, 10)) as db:
        _copy_schema(source, db)
        _insert(db, before or {})
        with timing.running():
            for group in groups:
                db.execute("BEGIN IMMEDIATE")
                _insert(db, group)
                began = time.perf_counter()
                db.execute("COMMIT")
                timing.latencies["commit"].append(time.perf_counter() - began)
    return timing


def _copy_schema(source: Path, db: sqlite3.Connection) -> None:
    with contextlib.closing(sqlite3.connect(source)) as old:
        made = old.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, rowid"
        ).fetchall()
    for (sql,) in made:
        db.execute(sql)


def _insert(db: sqlite3.Connection, rows: Rows) -> None:
    """Calls first: the other rows refer to them."""
    for table in sorted(rows, key=lambda name: name != "CallSession"):
        marks = ", ".join("?" * len(rows[table][0]))
        db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows[table])
