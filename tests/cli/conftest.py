import asyncio
import gzip
import json
import os
import pty
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from callstore import Calls, open_calls
from callstore.cli.app import callstore
from callstore.testing import FakeClock, conversation, fake_ids, guest, user

A, B, G, C = user(1), user(2), guest(3), conversation(1)
START = datetime(2026, 3, 1, 9, 30, 0, 250_000, tzinfo=UTC)
UNKNOWN = "f" * 24

Run = Callable[..., Result]
Made = Callable[[Callable[[Calls], Awaitable[Any]]], Any]
Scene = Callable[[Calls], Awaitable[str]]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CALLSTORE_") or name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CALLSTORE_SECRET", "nobody knows")


@pytest.fixture(autouse=True)
def traced(untraced: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What only a process of its own goes through is covered by it."""
    for name, value in untraced.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
def run(path: Path) -> Run:
    """The command on the store at `path`, in this process, on a terminal of 160 columns."""

    def run(*args: str, store: str | None = f"sqlite:///{path}", **options: Any) -> Result:
        env = {"CALLSTORE_STORE": store, "COLUMNS": "160", **options.pop("env", {})}
        return CliRunner(env=env).invoke(callstore, args, **options)

    return run


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def made(path: Path, clock: FakeClock) -> Callable[[Callable[[Calls], Awaitable[Any]]], Any]:
    """Does something with the store's calls, as an app would, and gives what it gives."""
    new_id = fake_ids()

    def made(work: Callable[[Calls], Awaitable[Any]]) -> Any:
        async def opened() -> Any:
            async with open_calls(f"sqlite:///{path}", clock=clock, new_id=new_id) as calls:
                return await work(calls)

        return asyncio.run(opened())

    return made


@pytest.fixture
def talk(clock: FakeClock) -> Callable[[Calls], Awaitable[str]]:
    """A call of 3m 12s between a user and a guest; gives its id."""

    async def talk(calls: Calls) -> str:
        call = await calls.start(C, A, invite=[B, G], end_when="empty")
        clock.advance(5)
        await calls.join(call.id, G, device={"browser": "Firefox", "os": "[Linux]"})
        clock.advance(192)
        await calls.end(call.id, by=A)
        return call.id

    return talk


@pytest.fixture
def measured(clock: FakeClock) -> Callable[[Calls], Awaitable[str]]:
    """A call in which both report a recorded trace; gives its id."""

    async def measured(calls: Calls) -> str:
        lines = [json.loads(line) for line in trace_lines("loss3")]
        clock.set(datetime.fromtimestamp(lines[0]["t"] / 1000, UTC))
        call = await calls.start(C, A, invite=[B])
        await calls.join(call.id, B)
        for line in lines:
            clock.set(datetime.fromtimestamp(line["t"] / 1000, UTC))
            await calls.quality.report(call.id, A if line["peer"] == "a" else B, line["report"])
        await calls.end(call.id)
        return call.id

    return measured


def trace_lines(name: str) -> list[bytes]:
    packed = files("callstore").joinpath(f"quality/traces/{name}.jsonl.gz").read_bytes()
    return gzip.decompress(packed).splitlines()


def program(*args: str, **env: str) -> "subprocess.Popen[str]":
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "callstore", *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
    )


def on_a_terminal(*args: str, **env: str) -> str:
    """What the command writes to a terminal of 120 columns and 25 lines."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "callstore", *args],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "25", **env},
    ):
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # how Linux says that the last writer is gone
                part = b""
            if not part:
                break
            said += part
    os.close(ours)
    return said.decode()


def sql(path: Path, statement: str) -> None:
    """What another writer does to the file."""
    db = sqlite3.connect(path)
    with db:
        db.execute(statement)
    db.close()
