"""Each query of each store method by its engine's own account: indexes, no sort, and on MongoDB no
more documents than it returns. Methods that examine more stand in one table, with their bounds."""

import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from pymongo import MongoClient
from tests.stores.explained import STRUCTURE, Asked, Document, entries, explained, heard, searched
from tests.stores.methods import METHODS, World

from callstore import errors, open_calls
from callstore.schema import tables
from callstore.schema.declaration import Collection
from callstore.stores.auditing import AuditStore
from callstore.stores.papers import Papers
from callstore.stores.parties import PartyStore
from callstore.stores.protocol import Store
from callstore.stores.sqlite import connection
from callstore.stores.structure import Structure
from callstore.testing import FakeClock
from callstore.testing.mongod import LocalMongod

pytestmark = pytest.mark.xdist_group("index use")  # databases with a past, made once


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mongod: LocalMongod) -> AsyncIterator[World]:
    with MongoClient[Document](mongod.url) as client:
        client.drop_database("index_use")
    async with _filled(f"{mongod.url}/index_use") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(mongod: LocalMongod) -> AsyncIterator[World]:
    """One that is asked as a cluster is, and of which nothing was asked before."""
    with MongoClient[Document](mongod.url) as client:
        client.drop_database("shard_use")
    async with _filled(f"{mongod.url}/shard_use") as made:
        made.calls._store._engine.sharded = True  # type: ignore[attr-defined]
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def file(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The same in SQLite, whose connections tell what they are asked."""
    connect = connection._connect

    def told(*arguments: Any) -> sqlite3.Connection:
        db = connect(*arguments)
        db.set_trace_callback(asked.hear)
        return db

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "_connect", told)
        async with _filled(f"sqlite:///{tmp_path_factory.mktemp('index')}/calls.db") as made:
            yield made


@contextlib.asynccontextmanager
async def _filled(url: str) -> AsyncIterator[World]:
    clock = FakeClock()
    options: Any = {"recordings": "memory:", "settings": {"secret": "nobody knows"}}
    async with open_calls(url, clock=clock, **options) as calls:
        made = World(url, calls, clock)
        await made.fill()
        yield made


asked = Asked()


@pytest.fixture(scope="module")
def database(mongod: LocalMongod) -> Iterator[Any]:
    with MongoClient[Document](mongod.url) as client:
        yield client["index_use"]


class Costs(NamedTuple):
    """What each of its queries may cost at most, beyond what it returns, and why. On MongoDB:
    `documents` and `keys` that are examined, `sorts` of keys; on SQLite: the entries of an index
    that is `scanned`. `whole`: a collection is read whole: on MongoDB by one query at most."""

    why: str
    documents: int = 0
    keys: int = 0
    sorts: int = 0
    scanned: int = 0
    whole: bool = False


FILTERED = Costs("a filtered page looks at no more than 1,000", documents=1000, keys=1000)
OFFSET = Costs("what it skips, and the page", documents=521, keys=521)
EXCEPTIONS = {
    "history by offset": OFFSET,
    "history with a party, by offset": OFFSET,
    "log by offset": OFFSET,
    "history of an outcome": FILTERED,
    "history of a type": FILTERED,
    "history of a duration": FILTERED,
    "history with a party, of an outcome": FILTERED,
    "history with a party, of a type": FILTERED,
    "history with a party, of a duration": FILTERED,
    "log of a direction": FILTERED,
    "log of a response": FILTERED,
    "log of an outcome": FILTERED,
    "log of a type": FILTERED,
    # Captions are searched by their rarest word, of a call among its own.
    "search in a call": Costs("the captions of the call", documents=201, keys=201),
    "search for a beginning": Costs("all that begin so", keys=203, sorts=203),
    "search, deep": Costs("a merge of two ranges: nothing waits", sorts=50),
    "search of a party": Costs("a merge of conversations: nothing waits", sorts=80),
    # Conditional: how many there are to look at is known, how many match is not.
    "current": Costs("the calls that a party is live in: a few", sorts=4),
    "overdue": Costs("the live calls, and pulses", documents=3, scanned=110),
    "due": Costs("the same", documents=110, keys=110, scanned=110),
    "unanalysed": Costs("calls with samples that no analysis has seen", documents=3, scanned=10),
    "retention: anyone live": Costs("the first that there is", scanned=110),
    "retention: stamping": Costs("the rows of a call, which say so already", documents=60, keys=60),
    "erase": Costs("the events, and the pulses, of a call", documents=60),
    "erase, counted": Costs("the same", documents=60),
    "party: samples of a call": Costs("a merge of two ranges: nothing waits", sorts=10),
    "holds": Costs("all that there are", scanned=20),
    "receipts": Costs("the same", scanned=20),
    # What reads everything, a batch at a time, by `_id` or key: on SQLite that is a scan.
    "doctor": Costs("20,000 rows, or 1,000 calls", documents=20_000, keys=23_000, whole=True),
    "copying: rows": Costs("100 rows", whole=True),
    "schema: rows filled": Costs("1,000 rows", documents=10, whole=True),
    # Once in the life of a schema; no command waits for it.
    "schema: rows that differ": Costs("of those that an index lacks", whole=True),
    "schema: what would be lost": Costs("whether a step would lose any", whole=True),
    "schema: an index built": Costs("how many rows it is of", whole=True),
    "schema: rules stated": Costs("what does not fit them", whole=True),
    "schema: what is held": Costs("asked before all is dropped", whole=True),
}
NONE = Costs("")
SEEKS = 20
"""Keys that are looked at to find where ranges begin and end."""
SCAN = re.compile(r"SCAN \w+ USING (?:COVERING )?INDEX (\w+)$")
OF_TABLES = re.compile(r"\bsqlite_(master|schema)\b|\bCallSchema\b")
"""The tables themselves, and the steps that they have gone through: a handful."""
OF_SCAN = re.compile(r"SCAN (sampled|\(subquery-\d+\))$|UNION USING TEMP B-TREE$")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("store", ["mongodb", "sqlite"])
async def test_a_method_uses_indexes_for_what_it_returns(
    world: World, file: World, database: Any, store: str, name: str
) -> None:
    if store == "mongodb":
        await on_mongodb(METHODS[name](world), database, EXCEPTIONS.get(name, NONE))
    else:
        await on_sqlite(METHODS[name](file), file, EXCEPTIONS.get(name, NONE))


async def on_mongodb(work: Awaitable[Any], database: Any, allowed: Costs) -> None:
    with explained(database) as queries:
        await work
    assert queries
    scans = [told for told in queries if "COLLSCAN" in told.stages]
    assert len(scans) <= allowed.whole, scans
    for told in queries:
        if told not in scans:
            assert told.documents <= max(allowed.documents, told.returned + 1), told
            most = told.documents + 4 * told.returned + SEEKS
            assert told.keys <= max(allowed.keys, most), told
        assert not told.sorts or told.keys <= allowed.sorts > 0, told


async def on_sqlite(work: Awaitable[Any], file: World, allowed: Costs) -> None:
    with asked.listening() as statements:
        await work
    assert statements
    with contextlib.closing(sqlite3.connect(file.url.removeprefix("sqlite:///"))) as db:
        for statement in dict.fromkeys(each for each in statements if not OF_TABLES.search(each)):
            lines = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
            for line in lines:
                if not (searched(line) or STRUCTURE.match(line)):
                    assert allows(db, allowed, line), (line, statement)


def allows(db: sqlite3.Connection, allowed: Costs, line: str) -> bool:
    """What a plan has beside searches: a scan, or what is made of one; never a sort."""
    if OF_SCAN.match(line):
        return allowed.whole or allowed.scanned > 0
    if allowed.whole:
        return line.startswith("SCAN ")
    scan = SCAN.match(line)
    return scan is not None and entries(db, scan[1]) <= allowed.scanned


SCATTERED = (
    "copying",
    "retention",
    "schema",
    "current",
    "overdue",
    "due",
    "unanalysed",
    "unfinished",
)
"""Of all conversations, on all shards."""
# Of a call, by its id, or of a conversation, or of a party's log.
HOT = [
    name
    for name in METHODS
    if not EXCEPTIONS.get(name, NONE).whole and not name.startswith(SCATTERED)
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", HOT)
async def test_a_query_says_which_shard_it_is_for(cluster: World, name: str) -> None:
    """On a cluster: from the first, which may look up the conversation of a call."""
    for may_look_up in (True, True, False):  # what the first makes, the second looks up
        with heard() as commands, contextlib.suppress(errors.Conflict):
            await METHODS[name](cluster)
        assert commands or not may_look_up
        for command in commands:
            for asked_of, where in filters(command):
                collection = tables.BY_NAME[asked_of]
                one = set(collection.shard) <= named(where)
                looks_up = may_look_up and collection is tables.CALL and set(where) == {"_id"}
                assert one or looks_up or known_scatter(collection, where), command


def known_scatter(collection: Collection, where: Document) -> bool:
    """The entries of a whole call lie with their parties: its end, expiry and recount ask all. Of
    a caption's id, or a recording's, nobody knows the call."""
    if collection in (tables.CAPTION, tables.RECORDING) and set(where) == {"_id"}:
        return True
    return collection is tables.LOG_ENTRY and {"conversationId", "callSessionId"} <= named(where)


def filters(command: Document) -> Iterator[tuple[str, Document]]:
    """Of which collection a command asks what, with what it joins."""
    collection = command[next(iter(command))]
    if "pipeline" in command:
        yield collection, command["pipeline"][0]["$match"]
        for stage in command["pipeline"]:
            if "$lookup" in stage:
                yield stage["$lookup"]["from"], joined(stage["$lookup"])
        return
    statements: list[Document] = command.get("updates") or command.get("deletes") or []
    for each in statements:
        yield collection, each["q"]
    if not statements:
        yield collection, command["filter" if "filter" in command else "query"]


def joined(lookup: Document) -> Document:
    """What each row that is joined must match."""
    (same,) = [stage["$match"]["$expr"]["$eq"] for stage in lookup["pipeline"]]
    return dict.fromkeys((lookup["foreignField"], same[0].removeprefix("$")))


def named(where: Document) -> set[str]:
    """The fields that a filter speaks of, whatever way a row matches it."""
    fields = set(where).union(*(named(each) for each in where.get("$and", ())))
    either = [named(each) for each in where.get("$or", ())]
    return fields.union(set.intersection(*either) if either else ())


@pytest.mark.asyncio(loop_scope="module")
async def test_every_method_of_a_store_is_asked(
    file: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the works above: a new one is explained, too, or says here what it asks nothing for."""
    store, done = file.calls._store, set[str]()
    parts = {Store: store, Papers: store.papers, AuditStore: store.audit, PartyStore: store.parties}
    wanted = {Structure: store.structure, **parts}
    for protocol, part in wanted.items():
        for name in methods(protocol):
            monkeypatch.setattr(part, name, noting(getattr(part, name), done))
    for work in METHODS.values():
        with contextlib.suppress(errors.Conflict):
            await work(file)
    assert {name for protocol in wanted for name in methods(protocol)} - done == ASKS_NOTHING
    assert EXCEPTIONS.keys() <= METHODS.keys()


ASKS_NOTHING = {
    *("ready", "close", "is_unique", "is_replaced", "identity", "rows_per_second"),
    "add_rows",  # inserts
    "drop",  # whole collections; what takes over a database is explained in test_adopting.py
}


def methods(protocol: type) -> list[str]:
    return [name for name, it in vars(protocol).items() if name[0] != "_" and callable(it)]


def noting(method: Callable[..., Any], done: set[str]) -> Callable[..., Any]:
    def noted(*given: Any, **named: Any) -> Any:
        done.add(method.__name__)
        return method(*given, **named)

    return noted


@pytest.mark.asyncio(loop_scope="module")
async def test_every_index_is_used_or_forbids_or_expires(world: World, database: Any) -> None:
    used: set[str] = set()
    for work in METHODS.values():
        with explained(database) as queries, contextlib.suppress(errors.Conflict):
            await work(world)
        used = used.union(*(told.indexes for told in queries))
    for collection in tables.COLLECTIONS:
        for index in collection.mongo_indexes:
            assert index.name in used or index.unique or index.ttl, index.name
