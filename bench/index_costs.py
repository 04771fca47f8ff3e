"""python -m bench.index_costs: what an entry of each index costs on both engines, as the table in
docs/indexes.md.

The same rows are written into a fresh collection with nothing but its key and its rules, and into
one with the index beside them, a transaction here and the same one there by turns. All of the rows
have an entry.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

from bench.harness import mongod_in, rotated
from bench.index_rows import Past, past
from callstore.schema import tables
from callstore.schema.declaration import Collection, Index
from callstore.stores.mongo import codec, ddl
from callstore.stores.sqlite import codec as sqlite_codec
from callstore.stores.sqlite import connection, queries
from callstore.stores.sqlite import ddl as sqlite_ddl

TOGETHER = 250  # rows in a transaction: what is waited for at its end is little for each


class Scale(NamedTuple):
    seeded: int  # calls
    rows: int  # written, all of which have an entry


FULL = Scale(seeded=20_000, rows=20_000)
QUICK = Scale(seeded=1000, rows=1000)


class Side(NamedTuple):
    """A collection with its key, with or without an index beside it."""

    write: Callable[[Sequence[Any]], float]  # a transaction; how many seconds it took
    size: Callable[[], int]  # bytes of all that may be an index


Opening = Callable[[Collection, Sequence[Index]], AbstractContextManager[Side]]


@contextmanager
def in_sqlite(folder: Path, collection: Collection, having: Sequence[Index]) -> Iterator[Side]:
    encode, insert = sqlite_codec.CODECS[collection.name].encode, queries.insert(collection)
    with (
        tempfile.TemporaryDirectory(dir=folder) as name,
        closing(connection.open_writer(Path(name, "costs.db"), 10)) as db,
    ):
        db.execute("PRAGMA foreign_keys = OFF")  # their calls are not there
        db.execute(sqlite_ddl.create_table(collection))
        for index in having:
            made = sqlite_ddl.create_index(collection, index)
            for statement in [made] if isinstance(made, str) else made:
                db.execute(statement)

        def write(rows: Sequence[Any]) -> float:
            values = [encode(row) for row in rows]
            began = time.perf_counter()
            db.execute("BEGIN IMMEDIATE")
            db.executemany(insert, values)
            db.execute("COMMIT")
            return time.perf_counter() - began

        def size() -> int:
            told = ("page_count", "freelist_count", "page_size")
            pages, free, each = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in told)
            return int((pages - free) * each)

        yield Side(write, size)


@contextmanager
def in_mongo(
    client: MongoClient[Any], collection: Collection, having: Sequence[Index]
) -> Iterator[Side]:
    db, name = client[f"costs{len(having)}"], collection.name
    encode, majority = codec.CODECS[name].encode, WriteConcern("majority")
    db.create_collection(name, validator=ddl.validator(collection))
    if having:
        db[name].create_indexes([ddl.model(collection, index) for index in having])
    with client.start_session(causal_consistency=False) as session:

        def write(rows: Sequence[Any]) -> float:
            documents = [encode(row) for row in rows]
            began = time.perf_counter()
            with session.start_transaction(write_concern=majority):
                db[name].insert_many(documents, session=session)
            return time.perf_counter() - began

        def size() -> int:
            client.admin.command("fsync")
            stats = db.command("collStats", name, indexDetails=True)
            blocks = [each["block-manager"] for each in stats["indexDetails"].values()]
            # What earlier checkpoints have left free is no cost of an entry.
            free = sum(each["file bytes available for reuse"] for each in blocks)
            return int(sum(stats["indexSizes"].values()) - free)

        yield Side(write, size)
    db.drop_collection(name)


def costs(
    opening: Opening, collection: Collection, key: Sequence[Index], index: Index, rows: Any
) -> tuple[str, str]:
    """(bytes, microseconds and in brackets how many times a write without it) of an entry."""
    pairs = []
    with opening(collection, key) as bare, opening(collection, (*key, index)) as having:
        for number in range(len(rows) // TOGETHER):
            some = rows[number * TOGETHER : (number + 1) * TOGETHER]
            took = {side: side.write(some) for side in rotated((bare, having), number)}
            pairs.append((took[bare], took[having]))
        size = (having.size() - bare.size()) / len(rows)
    added = 1e6 * statistics.median(beside - alone for alone, beside in pairs) / TOGETHER
    times = statistics.median(beside / alone for alone, beside in pairs)
    return f"{size:.0f}", f"{added:.1f} ({times:.2f})"


def table(past: Past, count: int, on_sqlite: Opening, on_mongo: Opening) -> None:
    print("| index | rows with one | SQLite: bytes | us | MongoDB: bytes | us |")
    print("|---|---|---|---|---|---|")
    for collection in tables.COLLECTIONS:
        key = [each for each in collection.mongo_indexes if each not in collection.indexes]
        for index in (*key, *collection.indexes):
            rows = past.entries(collection, index, count)
            told = [f"`{index.name}`", past.share(collection, index)]
            if index in sqlite_ddl.indexes(collection):
                told += costs(on_sqlite, collection, (), index, rows)
            else:
                told += ("", "")
            if index in collection.mongo_indexes:
                beside = [each for each in key if each != index]
                told += costs(on_mongo, collection, beside, index, rows)
            else:
                told += ("", "")
            print(f"| {' | '.join(told)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.index_costs", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rows: a look")
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="must be on a real disk")
    options = parser.parse_args()
    scale = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as name:
        folder = Path(name)
        rows = asyncio.run(past(folder, scale.seeded))
        with mongod_in(folder) as mongod, MongoClient[Any](mongod.url) as client:
            table(rows, scale.rows, partial(in_sqlite, folder), partial(in_mongo, client))


if __name__ == "__main__":
    main()
