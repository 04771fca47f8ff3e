"""How the command fails, and what a pipe and a terminal get."""

import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import A, B, C, Run, on_a_terminal, program

from callstore import Calls

Made = Callable[[Callable[[Calls], Awaitable[Any]]], Any]
Scene = Callable[[Calls], Awaitable[str]]

LIST = ("calls", "list", "--conversation", C)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_file_that_is_no_database_is_left_alone(run: Run, path: Path, flags: list[str]) -> None:
    path.write_text("my diary\n" * 99)
    result = run(*LIST, *flags)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: schema_mismatch: {path} is not a callstore database")
    assert path.read_text() == "my diary\n" * 99


def test_a_folder_that_is_not_there(run: Run, tmp_path: Path) -> None:
    result = run(*LIST, store=f"sqlite:///{tmp_path}/no/calls.db")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: store_unavailable: ")
    assert "--store" in result.stderr


@pytest.mark.parametrize("url", ["calls.db", "sqlite://calls.db", "nosuch://host/db"])
def test_a_store_that_is_no_store(run: Run, url: str) -> None:
    result = run(*LIST, store=url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: invalid: /store: ")


def test_a_pipe_gets_no_colours_and_nothing_is_cut(made: Made, talk: Scene, path: Path) -> None:
    id = made(talk)
    process = program("--store", f"sqlite:///{path}", *LIST)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert "\x1b" not in out
    assert f"user:{A.id}" in next(line for line in out.splitlines() if id in line)
    assert "no room" not in out


def test_a_terminal_gets_colours_unless_they_are_unwanted(
    made: Made, talk: Scene, path: Path
) -> None:
    made(talk)
    green = "\x1b[32m"
    store = f"sqlite:///{path}"
    assert green in on_a_terminal("--store", store, *LIST)
    assert green not in on_a_terminal("--store", store, *LIST, NO_COLOR="1")
    assert "\x1b" not in on_a_terminal("--store", store, *LIST, "--json")
    red = "\x1b[31merror:"
    assert red in on_a_terminal("--store", "nonsense", *LIST)
    assert red not in on_a_terminal("--store", "nonsense", *LIST, NO_COLOR="1")


def test_a_reader_that_goes_away_is_no_news(made: Made, path: Path) -> None:
    async def many(calls: Calls) -> None:
        for _ in range(100):
            call = await calls.start(C, A, invite=[B])
            await calls.cancel(call.id, A)

    made(many)
    for flags in ([], ["--json"]):
        process = program("--store", f"sqlite:///{path}", *LIST, "--limit", "100", *flags)
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate()
        assert err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_full_disk_is_said_in_a_line(path: Path, flags: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "callstore", "--store", f"sqlite:///{path}", *LIST, *flags],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: os_error: ")
    assert done.stderr.count("\n") == 1


def test_ctrl_c_while_reading_is_quiet() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "callstore", "quality", "score", "/dev/stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        process.stdin.write("\n" * 1_000_000)  # more than a pipe holds: it has begun to read
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        process.wait()
        assert process.stderr is not None
        assert (process.returncode, process.stderr.read()) == (130, "")


def test_a_narrow_encoding_is_no_error(made: Made, talk: Scene, path: Path) -> None:
    id = made(talk)
    process = program("--store", f"sqlite:///{path}", *LIST, PYTHONIOENCODING="ascii")
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert id in out
