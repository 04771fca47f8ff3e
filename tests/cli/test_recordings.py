"""recordings: list, get, delete."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cli.conftest import A, B, C, Made, Run, sql

from callstore import Calls
from callstore.testing import FakeClock

SOUND = bytes(range(256)) * 1000


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def recorded(made: Made, clock: FakeClock) -> tuple[str, str]:
    """A call of which a recording is available and another runs; gives its id and the first's."""

    async def sound() -> AsyncIterator[bytes]:
        yield SOUND

    async def work(calls: Calls) -> tuple[str, str]:
        call = await calls.start(C, A, invite=[B])
        await calls.join(call.id, B)
        row = await calls.recordings.start(call.id, B, format="mp4")
        clock.advance(83)
        await calls.recordings.stop(row.id)
        await calls.recordings.put(row.id, sound())
        await calls.recordings.start(call.id, A)
        return call.id, row.id

    call, row = made(work)
    return str(call), str(row)


def test_a_calls_recordings_are_listed(run: Run, recorded: tuple[str, str]) -> None:
    call, id = recorded
    listed = run("recordings", "list", call)
    assert listed.exit_code == 0
    assert f"{id}  available  2026-03-01T09:30:00Z  1m 23s  256.0 kB  mp4" in listed.stdout
    assert "recording" in listed.stdout
    rows = json.loads(run("recordings", "list", call, "--json").stdout)
    assert [row["status"] for row in rows] == ["available", "recording"]
    missing = run("recordings", "list", "f" * 24)
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert missing.stderr.startswith("error: call_not_found:")


def test_a_file_is_got_and_held_against_its_hash(
    run: Run, recorded: tuple[str, str], here: Path, path: Path
) -> None:
    _, id = recorded
    got = run("recordings", "get", id)
    assert got.stdout == f"{id}.mp4: 256.0 kB, its SHA-256 is as it should be\n"
    assert (here / f"{id}.mp4").read_bytes() == SOUND
    again = run("recordings", "get", id)
    assert again.exit_code == 1
    assert again.stderr == (
        f"error: file_exists: {id}.mp4 is there already; --output names another\n"
    )
    document = json.loads(run("recordings", "get", id, "-o", "x.mp4", "--json").stdout)
    assert (document["path"], document["recording"]["id"]) == ("x.mp4", id)
    assert run("recordings", "get", id, "--output", "-").stdout_bytes == SOUND
    sql(path, f"UPDATE CallRecording SET sha256 = '{'0' * 64}'")
    changed = run("recordings", "get", id, "-o", "y.mp4")
    assert changed.exit_code == 1
    assert changed.stderr.startswith("error: file_changed:")
    assert sorted(os.listdir(here)) == [f"{id}.mp4", "x.mp4"]


def test_what_has_no_file_is_not_got(run: Run, recorded: tuple[str, str], here: Path) -> None:
    call, _ = recorded
    running = json.loads(run("recordings", "list", call, "--json").stdout)[1]["id"]
    for id, code in ((running, "invalid_transition"), ("f" * 24, "recording_not_found")):
        got = run("recordings", "get", id)
        assert got.exit_code == 1
        assert got.stderr.startswith(f"error: {code}:")
    assert run("recordings", "get", running, "-o", "-", "--json").exit_code == 2
    assert os.listdir(here) == []


def test_a_file_is_deleted(run: Run, recorded: tuple[str, str], tmp_path: Path) -> None:
    call, id = recorded
    assert len([*(tmp_path / "recordings").glob("*/*")]) == 1
    assert run("recordings", "delete", id).stdout.startswith(f"recording {id} was deleted at 20")
    assert [*(tmp_path / "recordings").glob("*")] == []
    assert json.loads(run("recordings", "delete", id, "--json").stdout)["status"] == "deleted"
    assert "deleted" in run("recordings", "list", call).stdout
