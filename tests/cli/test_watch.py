"""watch."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from click.testing import Result
from pymongo import MongoClient
from tests.cli.conftest import Run

from callstore.testing.mongod import LocalMongod

pytestmark = pytest.mark.xdist_group("watch")


@pytest.fixture
def host(
    mongod: LocalMongod, client: MongoClient[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The host's database."""
    monkeypatch.setenv("CALLSTORE_SECRET", "a secret")
    name = f"cli-watch-{os.getpid()}"
    client[name].create_collection("Conversation")
    client[name].create_collection("User")
    yield client[name]
    client.drop_database(name)


def watch_and_delete(run: Run, mongod: LocalMongod, host: Any, *args: str) -> Result:
    """A watch that sees a conversation and a user deleted, and is told to stop."""
    rooms = [ObjectId("5" * 24), ObjectId("6" * 24)]
    host["Conversation"].insert_one({"_id": rooms[0]})
    host["User"].insert_one({"_id": rooms[1]})
    leases = host["CallLease"]

    def came_on(then: Any) -> Any:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            lease = leases.find_one({"_id": "watch"})
            if lease and lease["token"] != then:
                return lease["token"]
            time.sleep(0.02)
        raise TimeoutError

    def delete() -> None:
        try:
            begun = came_on(None)
            host["Conversation"].delete_one({"_id": rooms[0]})
            first = came_on(begun)
            host["User"].delete_one({"_id": rooms[1]})
            came_on(first)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    deleting = threading.Thread(target=delete)
    deleting.start()
    command = ("watch", "--conversations", "Conversation", "--users", "User", *args)
    result = run(*command, store=f"{mongod.url}/{host.name}")
    deleting.join()
    return result


def test_it_tells_of_each_deletion_and_names_nobody(
    run: Run, mongod: LocalMongod, host: Any
) -> None:
    result = watch_and_delete(run, mongod, host)
    assert result.exit_code == 0, result.output
    conversation, user = result.stdout.splitlines()
    assert re.fullmatch(
        rf"\S+Z  conversation {'5' * 24}: (done|pending), receipt \w{{24}}", conversation
    )
    assert re.fullmatch(r"\S+Z  user: (done|pending), receipt \w{24}", user)
    assert result.stderr == ("following deletions of Conversation, User until Ctrl-C or SIGTERM\n")


def test_as_json_a_line_each(run: Run, mongod: LocalMongod, host: Any) -> None:
    result = watch_and_delete(run, mongod, host, "--json", "--mode", "delete", "--from-now")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["what"], one["receipt"]["mode"]) for one in told] == [
        ("conversation", "delete"),
        ("user", "delete"),
    ]
    assert result.stderr == ""


def test_it_has_to_be_told_what_to_watch(run: Run) -> None:
    result = run("watch")
    assert result.exit_code == 2
    assert "at least one of" in result.stderr


def test_sqlite_is_refused(run: Run) -> None:
    result = run("watch", "--users", "User")
    assert result.exit_code == 1
    assert "error: store_error: the host's collections are in MongoDB" in result.stderr


def test_a_name_that_is_none_is_refused(run: Run, mongod: LocalMongod, host: Any) -> None:
    result = run("watch", "--users", "Use", store=f"{mongod.url}/{host.name}")
    assert result.exit_code == 1
    assert "error: collection_not_found: no collection" in result.stderr
