"""A real MongoDB, one for each process of the tests, and databases of every store. The same
examples in every run under CI; no deadline, for machines are shared."""

import itertools
import os
from collections.abc import Callable, Iterator
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
    the only one; both would go on beneath the tracer that pytest-cov pauses for `no_cover`."""
    if hasattr(session.config, "workerinput"):
        while started := Coverage.current():
            started.stop()


@pytest.fixture(scope="session", autouse=True)
def untraced() -> dict[str, str]:
    """Processes that tests start are not traced, but for the command: most are killed, and tell of
    nothing then. What is taken from their environment."""
    name = "COVERAGE_PROCESS_CONFIG"
    return {name: os.environ.pop(name)} if name in os.environ else {}


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


MUCH = ("privacy/test_memory.py", "::test_twenty_thousand_calls")
CONTRACT = ("stores/test_sqlite.py", "stores/test_mongo.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The contract on three stores, random examples and much of one thing go the same ways again
    and again, and the tracer makes them take half as long again: what is covered is said by tests
    that mean to go there. The contract is traced where it is fastest, in memory; the rest, where it
    is kept, and what is a store's own by the tests of that."""
    for item in items:
        random = is_hypothesis_test(getattr(item, "function", None))
        elsewhere = random and "stores/test_memory.py" not in item.nodeid
        if elsewhere or any(name in item.nodeid for name in (*CONTRACT, *MUCH)):
            item.add_marker("no_cover")
