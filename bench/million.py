"""A million seeded calls, and the pages half a million deep in them.

The pages are those of the conversation and of the party with the most calls. A page's cursor is
made from the row at its depth, so that nobody has to turn 25,000 pages first.
"""

import asyncio
import contextlib
import random
import re
import sqlite3
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.harness import Figure, Options, Target, Timing, at_least, at_most, percentile
from bench.seeded import Seeding, seed
from callstore import open_calls
from callstore.calls.model import party_from_ref
from callstore.stores.pages import HistoryQuery, LogQuery
from callstore.stores.sqlite import connection, pages
from callstore.validation import check, cursor_text

DEPTH = 500_000
READS = 200  # of each page, by turns
INDEX = "CallLogEntry_conversation"  # taken away, to be built again
GB, MB = 1e9, 1e6

Page = Callable[[str | None], Awaitable[object]]  # by cursor


def run(options: Options) -> list[Figure]:
    path = options.folder / "million.db"
    figures = _seeding(path, options.calls)
    with contextlib.closing(connection.open_reader(path, 10)) as db:
        heavy, history = _deepest(db, "CallSession", "conversationId")
        party, log = _deepest(db, "CallLogEntry", "party")
        of_history = _query(HistoryQuery, conversation_id=heavy, cursor=history[1])
        of_log = _query(LogQuery, party=party_from_ref(party), cursor=log[1], unseen=False)
        figures += _plan("history", _statement(db, lambda: pages.history_page(db, of_history)), db)
        figures += _plan("log", _statement(db, lambda: pages.log_page(db, of_log)), db)
    store = f"sqlite:///{path}"
    figures += asyncio.run(deep_pages(store, (heavy, *history), (party, *log)))
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"DROP INDEX {INDEX}")
    return figures + asyncio.run(built_again(store))


def _seeding(path: Path, calls: int) -> list[Figure]:
    took = seed(f"sqlite:///{path}", calls)
    size = sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))
    return [
        *seeding(took, calls, at_most(15)),
        Figure("file", size / GB, "GB", None, f"{size / calls:,.0f} bytes a call"),
    ]


def seeding(took: Seeding, calls: int, target: Target | None = None) -> list[Figure]:
    return [
        Figure(f"seeding {calls:,} calls", took.seconds / 60, "min", target),
        Figure("CPU of it", took.cpu / 60, "min"),
        Figure("calls seeded", calls / took.seconds, "/s"),
        Figure("peak of memory", took.peak / MB, "MB", at_most(500)),
    ]


def _deepest(db: sqlite3.Connection, table: str, of: str) -> tuple[str, tuple[int, str]]:
    """Who has the most rows, and the depth and cursor of a page in their depths."""
    heavy, rows = db.execute(
        f"SELECT {of}, count(*) FROM {table} GROUP BY {of} ORDER BY count(*) DESC LIMIT 1"
    ).fetchone()
    depth = min(DEPTH, rows - 21)
    at, id = db.execute(
        f"SELECT createdAt, id FROM {table} WHERE {of} = ?"
        " ORDER BY createdAt DESC, id DESC LIMIT 1 OFFSET ?",
        (heavy, depth - 1),
    ).fetchone()
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
    return heavy, (depth, cursor_text((moment, id)))


def _query(kind: Any, **given: Any) -> Any:
    """A page's query without filters."""
    names: tuple[str, ...] = kind.__struct_fields__
    return check(kind, **{**dict.fromkeys(names), "limit": 20, "offset": 0, **given})


def _statement(db: sqlite3.Connection, read: Callable[[], object]) -> str:
    """The statement that finds the page's rows, with its values, as SQLite ran it."""
    ran: list[str] = []
    db.set_trace_callback(ran.append)
    read()
    db.set_trace_callback(None)
    return next(sql for sql in ran if "ORDER BY" in sql)


def _plan(name: str, statement: str, db: sqlite3.Connection) -> list[Figure]:
    steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
    good = searches_within_bounds(steps)
    return [Figure(f"{name}: a search, no sort", int(good), "", at_least(1), "; ".join(steps))]


def searches_within_bounds(steps: list[str]) -> bool:
    """Whether a plan is one search, by whom and by where the page begins, and sorts nothing."""
    return len(steps) == 1 and bool(
        re.match(
            r"SEARCH .*\((conversationId|party)=\? AND \(createdAt,id\)<\(\?,\?\)\)$", steps[0]
        )
    )


async def deep_pages(
    store: str, history: tuple[str, int, str], log: tuple[str, int, str]
) -> list[Figure]:
    """Each of whom (a conversation, a party), how deep, and the cursor there."""
    party = party_from_ref(log[0])
    async with open_calls(store) as calls:
        return [
            *await _compare(
                "history", lambda at: calls.history(history[0], cursor=at), *history[1:]
            ),
            *await _compare("log", lambda at: calls.log(party, cursor=at), *log[1:]),
        ]


async def built_again(store: str) -> list[Figure]:
    """What plan and up make of a missing index: its rows, its time, how often progress is told."""
    told: list[tuple[str, int, int]] = []
    async with open_calls(store, check_schema=False) as calls:
        (planned,) = (each for each in (await calls.schema.plan()).changes if each.name == INDEX)
        report = await calls.schema.up(progress=lambda *each: told.append(each))
    (built,) = report.built
    done = [amount for _, amount, _ in told]
    note = f"{built.rows:,} rows; plan said {planned.rows:,} and {planned.seconds or 0:.1f} s"
    return [
        Figure("up: a missing index", built.seconds, "s", None, note),
        Figure("progress told", len(set(done)), "times", at_least(2), f"ends at {done[-1]:,}"),
        Figure("progress never falls", int(done == sorted(done)), "", at_least(1)),
    ]


async def _compare(name: str, page: Page, depth: int, cursor: str) -> list[Figure]:
    """The first page and a deep one by turns, now the one first, now the other."""
    timing = Timing()
    for _ in range(READS):
        places: list[tuple[str, str | None]] = [("first", None), ("deep", cursor)]
        random.shuffle(places)
        for place, at in places:
            began = time.perf_counter()
            await page(at)
            timing.add(place, began)
    first, deep = (1e3 * percentile(timing.latencies[of], 0.5) for of in ("first", "deep"))
    return [
        Figure(f"{name}: first page, p50", first, "ms"),
        Figure(f"{name}: {depth:,} deep, p50", deep, "ms"),
        Figure(f"{name}: deep against first", deep / first, "x", at_most(1.5)),
    ]
