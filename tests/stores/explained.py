"""What the engines are asked, and what they say of it themselves."""

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from tests.stores.listening import Started, listening

Document = dict[str, Any]
QUERIES = ("find", "aggregate", "update", "delete", "findAndModify", "count", "distinct")


@contextlib.contextmanager
def _heard(take: Callable[[Document], object]) -> Iterator[None]:
    """What MongoDB is asked, as it is sent: before it has changed what it is about."""

    def started(event: Started) -> None:
        if event.database_name != "admin" and event.command_name in QUERIES:
            take(dict(event.command))

    with listening(started):
        yield


@contextlib.contextmanager
def heard() -> Iterator[list[Document]]:
    """The queries that clients send meanwhile, which were made after this was imported."""
    commands: list[Document] = []
    with _heard(commands.append):
        yield commands


@contextlib.contextmanager
def explained(database: Any) -> Iterator[list["Told"]]:
    """The same, each explained before it runs: of writes, each statement."""
    told: list[Told] = []
    with _heard(lambda command: told.extend(Told(database, each) for each in _single(command))):
        yield told


# What of a command belongs to its transaction and its connection.
_ASIDE = {
    *("lsid", "txnNumber", "autocommit", "startTransaction", "readConcern", "writeConcern"),
    *("$clusterTime", "$db", "$readPreference", "maxTimeMS"),
}


def _single(command: Document) -> Iterator[Document]:
    asked = {name: value for name, value in command.items() if name not in _ASIDE}
    for name in ("updates", "deletes"):
        if name in asked:
            yield from ({**asked, name: [each]} for each in asked[name])
            return
    yield asked


class Told:
    """What an explanation comes to. `returned` are the documents of the answer, joined ones
    included, or those that a write changes."""

    def __init__(self, database: Any, command: Document) -> None:
        self.command = command
        self.stages: set[str] = set()
        self.indexes: set[str] = set()
        self.documents = self.keys = self.returned = 0
        self._walk(database.command({"explain": command, "verbosity": "executionStats"}))
        if "$lookup" in self.stages:
            found = database[command["aggregate"]].aggregate(command["pipeline"])
            self.returned += sum(len(row.get("participants", ())) for row in found)

    @property
    def sorts(self) -> bool:
        return bool(self.stages & {"SORT", "SORT_MERGE", "$sort"})

    def __repr__(self) -> str:
        numbers = f"{self.documents} documents and {self.keys} keys for {self.returned}"
        return f"{numbers} by {self.indexes}, {self.stages}: {self.command}"

    def _walk(self, node: Any) -> None:
        if isinstance(node, list):
            for each in node:
                self._walk(each)
        elif isinstance(node, dict):
            self._take(node)
            for name, value in node.items():
                if name not in ("rejectedPlans", "command", "allPlansExecution"):
                    self._walk(value)

    def _take(self, node: Document) -> None:
        if "executionStats" in node:
            stats = node["executionStats"]
            self.documents += stats["totalDocsExamined"]
            self.keys += stats["totalKeysExamined"]
            self.returned += stats["nReturned"]
        if "$lookup" in node:  # what it joins is in none of the statistics but its own
            self.stages.add("COLLSCAN" if int(node["collectionScans"]) else "$lookup")
            self.indexes.update(node["indexesUsed"])
            self.documents += int(node["totalDocsExamined"])
            self.keys += int(node["totalKeysExamined"])
        if "$sort" in node:
            self.stages.add("$sort")
        if isinstance(node.get("stage"), str):
            self.stages.add(node["stage"])
            # One of the two, in an explanation; a batch's write is no answer.
            self.returned += node.get("nMatched", 0) + node.get("nWouldDelete", 0)
        if "indexName" in node:
            self.indexes.add(node["indexName"])


class Asked:
    """The statements that SQLite is asked, values and all."""

    _STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")

    def __init__(self) -> None:
        self._statements: list[str] | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[list[str]]:
        self._statements = []
        try:
            yield self._statements
        finally:
            self._statements = None

    def hear(self, statement: str) -> None:
        own = "CallTranscription_words_" in statement  # of the full-text index to its tables
        if self._statements is not None and self._STATEMENT.match(statement) and not own:
            self._statements.append(statement)


def entries(db: sqlite3.Connection, index: str) -> int:
    """How many rows an index of SQLite's has."""
    (table, sql), *_ = db.execute("SELECT tbl_name, sql FROM sqlite_master WHERE name = ?", [index])
    condition = sql.partition(" WHERE ")[2] or "1"
    counted = f"SELECT count(*) FROM {table} INDEXED BY {index} WHERE {condition}"
    (rows,) = db.execute(counted).fetchone()
    return int(rows)


_SEARCH = re.compile(
    r"SEARCH (?P<alias>\w+) USING (COVERING )?"
    r"(INDEX (?P<index>\w+)|(INTEGER )?PRIMARY KEY)"
)
# Lines of a plan that read no table; k, w: words that were found, and what is found by them.
STRUCTURE = re.compile(
    r"(LIST|SCALAR|CORRELATED SCALAR|LEFT-MOST) SUBQUERY|COMPOUND QUERY|UNION ALL|MATERIALIZE"
    r"|SETUP|SCAN CONSTANT ROW|CO-ROUTINE|RECURSIVE STEP|SCAN (json_each|k|w) VIRTUAL TABLE"
)


def searched(line: str) -> str | None:
    """Of a line of SQLite's plan: the alias it searches, and by which index."""
    found = _SEARCH.match(line)
    if found is None:
        return None
    index = found["index"] or "key"
    return f"{found['alias']} {'key' if index.startswith('sqlite_autoindex') else index}"
