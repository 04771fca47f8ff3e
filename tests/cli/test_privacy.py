"""privacy: export, xsd."""

import json
import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cli.conftest import A, B, C, Made, Run, Scene

from callstore import Calls

WHO = f"user:{A.id}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def recorded(made: Made, talk: Scene) -> str:
    """A call with a recording of A's."""

    async def sound() -> AsyncIterator[bytes]:
        yield b"sound"

    async def work(calls: Calls) -> str:
        await talk(calls)
        call = await calls.start(C, A, invite=[B])
        row = await calls.recordings.start(call.id, A)
        await calls.recordings.stop(row.id)
        return (await calls.recordings.put(row.id, sound())).id

    return str(made(work))


def test_an_export_is_written_and_counted(run: Run, recorded: str, here: Path) -> None:
    done = run("privacy", "export", WHO, "--by", "support")
    assert done.exit_code == 0
    name = f"user-{A.id}.json"
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == [name]
    assert ["calls", "2"] in lines
    assert ["recordings", "1"] in lines
    document = json.loads((here / name).read_text())
    assert document["manifest"]["counts"]["calls"] == len(document["calls"]) == 2
    again = run("privacy", "export", WHO)
    assert again.exit_code == 1
    assert again.stderr.startswith("error: file_exists:")
    told = json.loads(run("privacy", "export", WHO, "-o", "x.json", "--json").stdout)
    assert told["path"] == "x.json"
    counts = {**document["manifest"]["counts"], "audit": 3}  # one has come to nothing
    assert told["manifest"]["counts"] == counts
    assert sorted(os.listdir(here)) == sorted([name, "x.json"])


def test_a_zip_says_which_recordings_are_not_there(
    run: Run, recorded: str, here: Path, tmp_path: Path
) -> None:
    good = run("privacy", "export", WHO, "--format", "zip", "-o", "a.zip")
    assert "1 recording, 0 of them not as it should be" in good.stdout
    with zipfile.ZipFile(here / "a.zip") as archive:
        assert archive.read(f"recordings/{recorded}.webm") == b"sound"
    (file,) = (tmp_path / "recordings").glob("*/*.webm")
    file.unlink()
    bad = run("privacy", "export", WHO, "--format", "zip", "-o", "b.zip")
    assert bad.exit_code == 0
    assert f"recordings/{recorded}.webm: missing" in bad.stdout


def test_an_export_goes_to_stdout(run: Run, recorded: str, here: Path) -> None:
    done = run("privacy", "export", WHO, "--format", "xml", "--output", "-")
    assert done.stdout.startswith('<?xml version="1.0"')
    assert done.stdout.endswith("</manifest></export>\n")
    assert run("privacy", "export", WHO, "-o", "-", "--json").exit_code == 2
    assert os.listdir(here) == []


def test_of_whom_nothing_is_kept_there_is_an_export(run: Run, recorded: str) -> None:
    told = json.loads(run("privacy", "export", f"guest:{A.id}", "--json").stdout)
    counts = told["manifest"]["counts"]
    assert counts.pop("audit") == 1  # of this export
    assert set(counts.values()) == {0}


def test_who_is_no_party_is_wrong_usage(run: Run, here: Path) -> None:
    assert run("privacy", "export", "ada").exit_code == 2
    wrong = run("privacy", "export", "user:ada")
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith("error: invalid:")
    assert os.listdir(here) == []


def test_the_schema_of_the_xml_is_printed(run: Run) -> None:
    assert run("privacy", "xsd").stdout.startswith('<?xml version="1.0"')
    assert "<xs:schema" in json.loads(run("privacy", "xsd", "--json").stdout)["xsd"]
