"""sweep, doctor, schema."""

import json
import re
import signal
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import A, B, C, Run, program, sql

from callstore import Calls

Made = Callable[[Callable[[Calls], Awaitable[Any]]], Any]
Scene = Callable[[Calls], Awaitable[str]]


async def ring(calls: Calls) -> str:
    """A call that rang out long ago."""
    return (await calls.start(C, A, invite=[B])).id


# -- sweep


def test_a_sweep_says_what_it_did(run: Run, made: Made) -> None:
    id = made(ring)
    assert run("sweep").stdout == "1 timed out\n"
    assert run("sweep").stdout == "nothing to do\n"
    assert "missed" in run("calls", "show", id).stdout


def test_a_sweep_as_json(run: Run, made: Made) -> None:
    made(ring)
    report = json.loads(run("--json", "sweep").stdout)
    assert report["timedOut"] == 1
    assert set(report) == {
        "timedOut", "lost", "switched", "expiredRings", "analysed", "finished", "failed",
    }  # fmt: skip


@contextmanager
def sweeping(path: Path, *args: str, **env: str) -> Iterator["subprocess.Popen[str]"]:
    process = program("--store", f"sqlite:///{path}", "sweep", *args, **env)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_sweep_every_goes_on_until_ctrl_c(path: Path, made: Made) -> None:
    made(ring)
    with sweeping(path, "--every", "0.05") as process:
        assert process.stdout is not None
        assert re.fullmatch(r"\S+Z  1 timed out\n", process.stdout.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert out == ""
    assert err == "sweeping every 0.05 s until Ctrl-C or SIGTERM\n"


@pytest.mark.parametrize("every", ["0.01", "60"])
def test_sweep_every_ends_on_sigterm_in_order(path: Path, made: Made, every: str) -> None:
    made(ring)
    with sweeping(path, "--every", every, "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["timedOut"] == 1
        process.terminate()
        out, err = process.communicate()
    assert process.returncode == 0
    assert err == ""
    assert all(json.loads(line)["timedOut"] == 0 for line in out.splitlines())


def test_sweep_every_outlives_a_busy_store(path: Path) -> None:
    deadline = {"CALLSTORE_COMMAND_DEADLINE": "0.1"}
    with sweeping(path, "--every", "0.05", **deadline) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("sweeping every ")
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            assert process.stderr.readline().startswith("error: busy: ")
        lock.execute("ROLLBACK")
        lock.close()
        process.terminate()
        process.communicate()
    assert process.returncode == 0


# -- doctor


def test_a_sound_database_agrees(run: Run, made: Made, talk: Scene) -> None:
    made(talk)
    assert run("doctor").stdout == "looked at 1 call: all agrees\n"
    assert json.loads(run("doctor", "--json").stdout) == {"calls": 1, "findings": [], "fixed": 0}


def test_the_doctor_finds_and_mends(run: Run, made: Made, talk: Scene, path: Path) -> None:
    id = made(talk)
    sql(path, "UPDATE CallSession SET joinedCount = 7")
    found = run("doctor")
    assert found.exit_code == 0
    assert re.search(rf"^counts +CallSession +{id} ", found.stdout, re.MULTILINE)
    assert found.stdout.endswith("looked at 1 call: 1 finding; --fix mends what can be\n")
    assert json.loads(run("doctor", "--json").stdout)["findings"][0]["id"] == id
    assert run("doctor", "--fix").stdout.endswith("1 finding, 1 mended\n")
    assert "all agrees" in run("doctor").stdout


# -- schema


def test_a_database_that_is_up_to_date(run: Run, made: Made, talk: Scene) -> None:
    made(talk)
    said = run("schema", "status").stdout
    assert re.search(r"database +(\d+), up to date\nthis code +\1 ", said)
    assert "2026-03-01T09:30:00Z" in said
    report = json.loads(run("schema", "status", "--json").stdout)
    assert report["version"] == report["code"]
    assert report["pending"] == []
    assert report["applied"][0]["appliedAt"] == "2026-03-01T09:30:00.250000Z"


def test_status_of_an_empty_database_leaves_it_empty(run: Run, path: Path) -> None:
    report = json.loads(run("schema", "status", "--json").stdout)
    assert report["version"] == 0
    assert report["pending"]
    assert "callstore schema up" in run("schema", "status").stdout
    assert "up to date" in run("schema", "up").stdout


def test_up_makes_what_is_missing(run: Run, made: Made, talk: Scene, path: Path) -> None:
    made(talk)
    sql(path, "DROP INDEX CallSession_history")
    refused = run("calls", "list", "--conversation", C)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: schema_mismatch: ")
    assert "callstore schema up" in refused.stderr
    assert "CallSession_history" in run("schema", "status").stdout
    assert "up to date" in run("schema", "up").stdout
    assert run("calls", "list", "--conversation", C).exit_code == 0


def test_a_database_of_a_later_schema_is_left_alone(
    run: Run, made: Made, talk: Scene, path: Path
) -> None:
    made(talk)
    sql(path, "INSERT INTO CallSchema VALUES (99, 'later', 1800000000000, 99)")
    for command in (["calls", "list", "--conversation", C], ["schema", "up"], ["sweep"]):
        result = run(*command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: schema_mismatch: ")
        assert "install a newer callstore" in result.stderr
    assert "99, ahead of this code" in run("schema", "status").stdout
