"""The million seeded calls of `million` on MongoDB: deep pages, and an index that is added.

The members' data lies in the folder that is said; half a gigabyte of it is in the server's cache.
"""

import asyncio
from datetime import UTC
from typing import Any

from pymongo import MongoClient

from bench.harness import Figure, Options, mongod_in
from bench.million import DEPTH, GB, INDEX, built_again, deep_pages, seeding
from bench.seeded import seed
from callstore.validation import cursor_text

NEWEST_FIRST = [("createdAt", -1), ("_id", -1)]


def run(options: Options) -> list[Figure]:
    with mongod_in(options.folder) as mongod:
        return _run(f"{mongod.url}/million", options.calls)


def _run(store: str, calls: int) -> list[Figure]:
    figures = seeding(seed(store, calls), calls)
    with MongoClient[dict[str, Any]](store) as client:
        db = client.get_default_database()
        size = db.command("dbStats")["totalSize"]
        figures.append(Figure("on disk", size / GB, "GB", None, f"{size / calls:,.0f} a call"))
        history = _deepest(db, "CallSession", "conversationId")
        log = _deepest(db, "CallLogEntry", "party")
        figures += asyncio.run(deep_pages(store, history, log))
        db["CallLogEntry"].drop_index(INDEX)
    return figures + asyncio.run(built_again(store))


def _deepest(db: Any, collection: str, of: str) -> tuple[str, int, str]:
    """Who has the most rows, and the depth and cursor of a page in their depths."""
    counted = [{"$sortByCount": f"${of}"}, {"$limit": 1}]
    (most,) = db[collection].aggregate(counted, allowDiskUse=True)
    depth = min(DEPTH, most["count"] - 21)
    rows = db[collection].find({of: most["_id"]}, {"createdAt": 1}).sort(NEWEST_FIRST)
    (row,) = rows.skip(depth - 1).limit(1)
    at = row["createdAt"].replace(tzinfo=UTC)
    return str(most["_id"]), depth, cursor_text((at, str(row["_id"])))
