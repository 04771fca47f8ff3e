"""Each query of each store method by its engine's own account: indexes, no sort, and on MongoDB no
more documents than it returns. What examines more stands in one table, with its bound."""

import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from pymongo import MongoClient, monitoring
from tests.stores.methods import METHODS, World
from tests.stores.test_query_plans import STRUCTURE, searched

from callstore import errors, open_calls
from callstore.schema import tables
from callstore.schema.declaration import Collection
from callstore.stores.sqlite import connection
from callstore.testing import FakeClock
from callstore.testing.mongod import LocalMongod

pytestmark = pytest.mark.xdist_group("index use")  # two databases with a past, made once
Document = dict[str, Any]


class Heard(monitoring.CommandListener):
    """The queries that were sent while `listening`."""

    def __init__(self) -> None:
        self.listening = False
        self.commands: list[Document] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self.listening and event.command_name in QUERIES:
            self.commands.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


QUERIES = ("find", "aggregate", "update", "delete", "findAndModify", "count", "distinct")
heard = Heard()
monitoring.register(heard)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mongod: LocalMongod) -> AsyncIterator[World]:
    with MongoClient[Document](mongod.url) as client:
        client.drop_database("index_use")
    async with _filled(f"{mongod.url}/index_use") as made:
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


class Asked:
    """The statements that SQLite was asked while `listening`, values and all."""

    STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")

    def __init__(self) -> None:
        self.listening = False
        self.statements: list[str] = []

    def hear(self, statement: str) -> None:
        own = "CallTranscription_words_" in statement  # of the full-text index to its tables
        if self.listening and self.STATEMENT.match(statement) and not own:
            self.statements.append(statement)


asked = Asked()


@pytest.fixture(scope="module")
def database(mongod: LocalMongod) -> Iterator[Any]:
    with MongoClient[Document](mongod.url) as client:
        yield client["index_use"]


# What examines more than it returns, how many documents at most, and why.
MORE = {
    "history of an outcome": (1000, "filtered pages look at no more than 1,000"),
    "log of a type": (1000, "the same"),
    "log of a response": (1000, "the same"),
    "history by offset": (521, "what it skips, and the page"),
    "current": (1, "the call that the row is of"),
    "analyse": (2, "samples are counted, too"),
    "due": (300, "live rows, and their pulses"),
    "overdue": (300, "the same"),
    "unanalysed": (3, "the calls that go on, with samples"),
    "retention: calls": (3000, "those that other horizons have stamped: a run stamps them first"),
    "retention: stamping": (300, "the rows of the calls, which say something else"),
    "erase": (60, "the events of its calls"),
    "erase, counted": (300, "the same"),
    "delete_conversation": (60, "calls that are there no more when it is explained"),
    "search in a call": (202, "the captions of the call"),
    "search in a conversation": (40, "those with the rarest of the words"),
    "search of a party": (80, "the same, and who was in their calls"),
    "search for a beginning": (203, "all that begin so"),
}
SORTS = {
    "current": "the calls that a party is live in: a few",
    "doctor": "a merge of what indexes give in order: nothing waits",
    "party: samples of a call": "the same",
    "search, deep": "the same",
    "search of a party": "the same, of its conversations",
    "search for a beginning": "words that begin alike lie apart",
}
WHOLE = {"doctor", "copying: rows"}  # reads everything, by keys, in batches


# What SQLite scans or sorts of an index that holds only what it is after.
SCANNED = {  # beside what is read whole, by a key; k are the thousand rows read together
    "retention: anyone live": "one row: the first there is",
    "overdue": "the live calls",
    "due": "the live calls",
    "unanalysed": "the calls with samples that no analysis has seen",
    "holds": "all that there are",
    "receipts": "all that there are",
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("store", ["mongodb", "sqlite"])
async def test_a_method_uses_indexes_for_what_it_returns(
    request: pytest.FixtureRequest, world: World, file: World, database: Any, store: str, name: str
) -> None:
    if store == "mongodb":
        await explain_on_mongodb(world, database, name)
    else:
        await explain_on_sqlite(file, name)


async def explain_on_mongodb(world: World, database: Any, name: str) -> None:
    heard.commands.clear()
    heard.listening = True
    await METHODS[name](world)
    heard.listening = False
    assert heard.commands
    for command in heard.commands:
        told = explained(database, command)
        assert "COLLSCAN" not in told.stages, command
        assert name in SORTS or not told.stages & {"SORT", "SORT_MERGE"}, command
        if name not in WHOLE:
            most, _ = MORE.get(name, (told.returned + 1, ""))
            assert told.examined <= max(most, told.returned + 1), (told, command)
            assert told.keys <= max(most, 4 * (told.examined + told.returned) + 20), (told, command)
        if name in ("get", "live_in", "history"):
            assert told.examined <= 121


async def explain_on_sqlite(file: World, name: str) -> None:
    asked.statements.clear()
    asked.listening = True
    await METHODS[name](file)
    asked.listening = False
    assert asked.statements
    with contextlib.closing(sqlite3.connect(file.url.removeprefix("sqlite:///"))) as db:
        for statement in dict.fromkeys(asked.statements):
            lines = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
            costly = [each for each in lines if not searched(each) and not STRUCTURE.match(each)]
            if name in WHOLE:
                costly = [line for line in costly if " USING " not in line and line != "SCAN k"]
            assert name in SCANNED or not costly, (costly, statement)


class Told:
    """What an explanation comes to."""

    def __init__(self) -> None:
        self.stages: set[str] = set()
        self.indexes: set[str] = set()
        self.examined = self.keys = self.returned = 0

    def __repr__(self) -> str:
        return f"{self.stages} {self.indexes} {self.examined} {self.keys} {self.returned}"


# What of a command belongs to its transaction and its connection.
ASIDE = {
    *("lsid", "txnNumber", "autocommit", "startTransaction", "readConcern", "writeConcern"),
    *("$clusterTime", "$db", "$readPreference", "maxTimeMS"),
}


def explained(database: Any, command: Document) -> Told:
    asked = {name: value for name, value in command.items() if name not in ASIDE}
    if "updates" in asked:
        asked["updates"] = list(asked["updates"])[:1]
    if "deletes" in asked:
        asked["deletes"] = list(asked["deletes"])[:1]
    answer = database.command({"explain": asked, "verbosity": "executionStats"})
    told = Told()
    _walk(answer, told)
    return told


def _walk(node: Any, told: Told) -> None:
    if isinstance(node, list):
        for each in node:
            _walk(each, told)
    elif isinstance(node, dict):
        if "executionStats" in node:
            stats = node["executionStats"]
            told.examined += stats["totalDocsExamined"]
            told.keys += stats["totalKeysExamined"]
            told.returned += stats["nReturned"]
        if "$lookup" in node:
            told.indexes.update(node.get("indexesUsed", ()))
            told.keys += node.get("totalKeysExamined", 0)
            if node.get("collectionScans"):
                told.stages.add("COLLSCAN")
        if isinstance(node.get("stage"), str):
            told.stages.add(node["stage"])
        if "indexName" in node:
            told.indexes.add(node["indexName"])
        for name, value in node.items():
            if name not in ("rejectedPlans", "command", "allPlansExecution"):
                _walk(value, told)


# Of a call, by its id, or of a conversation, or of a party's log.
HOT = [
    name
    for name in METHODS
    if name not in {"current", "overdue", "due", "unanalysed", "unfinished recordings", *WHOLE}
    and not name.startswith(("copying", "retention"))  # of all conversations, on all shards
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", HOT)
async def test_a_query_says_which_shard_it_is_for(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a cluster, once the call's conversation has been looked up."""
    monkeypatch.setattr(world.calls._store._engine, "sharded", True)  # type: ignore[attr-defined]
    for _ in range(2):  # the first may make what the second looks up
        with contextlib.suppress(errors.Conflict):
            await METHODS[name](world)
    heard.commands.clear()
    heard.listening = True
    with contextlib.suppress(errors.Conflict):
        await METHODS[name](world)
    heard.listening = False
    for command in heard.commands:
        name = command[next(iter(command))]
        (collection,) = (c for c in tables.COLLECTIONS if c.name == name)
        for where in filters(command):
            one = set(collection.shard) <= named(where)
            assert one or known_scatter(collection, where), command


def known_scatter(collection: Collection, where: Document) -> bool:
    """The entries of a whole call lie with their parties: its end, expiry and recount ask all. Of
    a caption's id, or a recording's, nobody knows the call."""
    if collection in (tables.CAPTION, tables.RECORDING) and set(where) == {"_id"}:
        return True
    return collection is tables.LOG_ENTRY and {"conversationId", "callSessionId"} <= named(where)


def filters(command: Document) -> list[Document]:
    if "pipeline" in command:
        return [command["pipeline"][0]["$match"]]
    statements: list[Document] = command.get("updates") or command.get("deletes") or []
    return [each["q"] for each in statements] or [command.get("filter", command.get("query"))]


def named(where: Document) -> set[str]:
    """The fields that a filter speaks of, whatever way a row matches it."""
    fields = set(where).union(*(named(each) for each in where.get("$and", ())))
    either = [named(each) for each in where.get("$or", ())]
    return fields.union(set.intersection(*either) if either else ())


@pytest.mark.asyncio(loop_scope="module")
async def test_every_index_is_used_or_forbids_or_expires(world: World, database: Any) -> None:
    used: set[str] = set()
    for work in METHODS.values():
        heard.commands.clear()
        heard.listening = True
        with contextlib.suppress(errors.Conflict):
            await work(world)
        heard.listening = False
        used = used.union(*(explained(database, command).indexes for command in heard.commands))
    for collection in tables.COLLECTIONS:
        for index in collection.mongo_indexes:
            assert index.name in used or index.unique or index.ttl, index.name
