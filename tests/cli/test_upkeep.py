"""sweep, doctor."""

import asyncio
import json
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import A, B, C, Made, Run, Scene, program, sql

from callstore import Calls, RetentionReport, errors, open_calls
from callstore.cli.sweep import _retain


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


async def test_retention_that_found_the_store_busy_is_not_left_for_an_hour(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_calls(f"sqlite:///{path}") as calls:
        run, tried, done = calls.retention.run, [], asyncio.Event()

        async def busy_once(**options: Any) -> RetentionReport:
            tried.append(options["by"])
            if len(tried) == 1:
                raise errors.Busy("others keep the file")
            report = await run(**options)
            done.set()
            return report

        monkeypatch.setattr(calls.retention, "run", busy_once)
        retaining = asyncio.create_task(_retain(calls, 0.01))
        await done.wait()
        retaining.cancel()
        assert tried == ["callstore sweep"] * 2


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
    assert json.loads(run("doctor", "--json").stdout) == {
        "calls": 1,
        "files": 0,
        "findings": [],
        "fixed": 0,
    }


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
