"""A real MongoDB, one for each process of the tests, and databases of every store. The same
examples in every run under CI; no deadline, for machines are shared."""

import itertools
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from hypothesis import is_hypothesis_test, settings
from pymongo import MongoClient

from callstore.schema.tables import COLLECTIONS
from callstore.testing.mongod import LocalMongod, NoMongod, local_mongod

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

TRACE = "COVERAGE_PROCESS_CONFIG"
_numbers = itertools.count()
_emptied: list[str] = []


OPTIONS = {
    # What a killed process had begun keeps its rows locked for so long; 60 s unless told.
    "transactionLifetimeLimitSeconds": 3,
    "enableTestCommands": 1,  # the server fails when it is told to
}


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """A worker of pytest-xdist is also traced as a process that a test started, and as if it were
    the only one; both would go on beneath pytest-cov's tracer where that is stopped."""
    if hasattr(session.config, "workerinput"):
        while started := Coverage.current():
            started.stop()


@pytest.fixture(scope="session", autouse=True)
def untraced() -> dict[str, str]:
    """Processes that tests start are not traced, but for the command: most are killed, and tell of
    nothing then. What is taken from their environment."""
    return {TRACE: os.environ.pop(TRACE)} if TRACE in os.environ else {}


@pytest.fixture(scope="session")
def mongod() -> Iterator[LocalMongod]:
    try:
        with local_mongod(options=OPTIONS) as running:
            yield running
    except NoMongod as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def client(mongod: LocalMongod) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongod.url) as opened:
        yield opened


@pytest.fixture
def fresh_mongo(
    mongod: LocalMongod, client: MongoClient[dict[str, Any]]
) -> Iterator[Callable[[], str]]:
    """Databases are emptied and used again: making one takes half a test's time. A test has two of
    them at once; where it asks for more, as a hundred lives do, it has the oldest again."""
    used: list[str] = []

    def emptied(name: str) -> str:
        for collection in COLLECTIONS:
            if collection.name != "CallSchema":
                client[name][collection.name].delete_many({})
        return name

    def fresh() -> str:
        if len(used) == 2:
            _emptied.append(emptied(used.pop(0)))
        used.append(_emptied.pop() if _emptied else f"contract{os.getpid()}-{next(_numbers)}")
        return f"{mongod.url}/{used[-1]}"

    yield fresh
    _emptied.extend(map(emptied, used))


@pytest.fixture
def empty_mongo(fresh_mongo: Callable[[], str]) -> str:
    return fresh_mongo()


@pytest.fixture
def new_mongo(mongod: LocalMongod, client: MongoClient[dict[str, Any]]) -> Iterator[str]:
    """Of a database that is not there yet."""
    name = f"new{os.getpid()}-{next(_numbers)}"
    yield f"{mongod.url}/{name}"
    client.drop_database(name)


@pytest.fixture(params=["sqlite", "mongodb"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database that is not there yet, of each store."""
    return _url(request, tmp_path, "new_mongo")


@pytest.fixture(params=["sqlite", "mongodb"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database of each store that others may have used before; its schema is as it was."""
    return _url(request, tmp_path, "empty_mongo")


def _url(request: pytest.FixtureRequest, tmp_path: Path, mongo: str) -> str:
    sqlite = request.param == "sqlite"
    return f"sqlite:///{tmp_path}/calls.db" if sqlite else request.getfixturevalue(mongo)


UNTRACED = (
    "privacy/test_cut_off.py",
    "privacy/test_markers.py",
    "privacy/test_memory.py",
    "privacy/test_watch_processes.py",
    "recordings/test_cut_off.py",
    "schema/test_documents_models.py",
    "stores/test_changing.py",
    "stores/test_copied_again.py",
    "stores/test_copying.py",
    "stores/test_kill.py",
    "stores/test_killed.py",
    "stores/test_lost_answers.py",
    "stores/test_mongo.py",
    "stores/test_processes.py",
    "stores/test_replica_set.py",
    "stores/test_roles.py",
    "stores/test_schema_rules.py",
    "stores/test_search.py",
    "stores/test_sqlite.py",
    "stores/test_ttl.py",
    "stores/test_verify.py",
    "::test_one_that_is_killed_at_any_batch",
    "::test_twenty_thousand_calls",
)
"""What covers hardly a line that no other does (`--cov-context=test` tells), and takes long: the
contract, but in memory, where it is fastest; much of one thing; what is killed, cut off and copied
again and again. Random examples are like them. Traced, they take half as long again, and more."""

TRACED = (
    "stores/test_memory.py",
    "test_sqlite.py::TestSeveralOpeners",  # memory has one opener
    "test_sqlite.py::TestSweepLease",
)


def _traced(item: pytest.Item) -> bool:
    if any(each in item.nodeid for each in TRACED):
        return True
    if is_hypothesis_test(getattr(item, "function", None)):
        return False
    return not any(each in item.nodeid for each in UNTRACED)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    tracer = Coverage.current()
    if tracer is None or _traced(item):
        return (yield)
    tracer.stop()
    try:
        return (yield)
    finally:
        tracer.start()
        os.environ.pop(TRACE, None)  # which that sets
