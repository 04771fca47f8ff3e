"""The replica set that is shipped for tests."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from pymongo import MongoClient

from callstore.testing import NoMongod, local_mongod, mongod


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_writable_at_once_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with local_mongod() as one:
        assert list(tmp_path.iterdir())
        with MongoClient[dict[str, int]](one.url) as client:
            client["x"]["y"].insert_one({"z": 1})
        (pid,) = one.pids
        assert runs(pid)
    assert not runs(pid)
    assert list(tmp_path.iterdir()) == []


def test_a_member_is_killed_and_comes_back() -> None:
    with local_mongod(3) as three:
        assert len(set(three.pids)) == 3
        first = three.primary()
        three.kill(first)
        second = three.primary()
        assert second != first
        three.start(first)
        with MongoClient[dict[str, int]](f"{three.url}/x") as client:
            client["x"]["y"].insert_one({"z": 1})


def test_a_running_one_is_used_where_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLSTORE_TEST_MONGO_URL", "mongodb://somewhere:1/")
    with local_mongod() as running:
        assert (running.url, running.pids) == ("mongodb://somewhere:1", [])


def test_a_binary_may_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "mongod"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CALLSTORE_TEST_MONGOD", str(script))
    with pytest.raises(NoMongod, match="ended with 3"), local_mongod():
        pass


def test_where_there_is_none_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CALLSTORE_TEST_MONGOD", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(mongod, "WHEEL", "no-such-wheel")
    with pytest.raises(NoMongod, match="pip install no-such-wheel"), local_mongod():
        pass


def test_the_driver_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, callstore.testing; sys.exit('pymongo' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
