import gzip
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import UNKNOWN, A, B, C, Run, trace_lines

from callstore import Calls

Made = Callable[[Callable[[Calls], Awaitable[Any]]], Any]
Scene = Callable[[Calls], Awaitable[str]]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    file = tmp_path / "loss.jsonl"
    file.write_bytes(b"\n".join(trace_lines("loss3")))
    return file


def test_score_gives_the_documented_json(run: Run, trace: Path, path: Path) -> None:
    score = json.loads(run("quality", "score", str(trace), "--json").stdout)
    assert 0 <= score["qualityScore"] <= 100
    assert score["label"] in ("good", "excellent")
    assert [one["peer"] for one in score["participants"]] == ["a", "b"]
    for one in score["participants"]:
        assert {"avgQuality", "label", "avgPacketLoss", "avgJitter", "avgRtt", "avgBitrate"} <= set(
            one
        )
    issue = score["participants"][1]["issues"][0]
    assert {"type", "severity", "timestamp", "endedAt", "worst"} <= set(issue)
    assert not path.exists()


def test_score_needs_no_store(run: Run, trace: Path) -> None:
    assert run("quality", "score", str(trace), store="nonsense:").exit_code == 0


def test_score_takes_gzip_and_stdin_for_what_they_are(
    run: Run, trace: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "no-suffix"
    packed.write_bytes(gzip.compress(trace.read_bytes()))
    plain = run("--json", "quality", "score", str(trace)).stdout
    assert run("--json", "quality", "score", str(packed)).stdout == plain
    for file in (trace, packed):
        command = [sys.executable, "-m", "callstore", "--json", "quality", "score", "-"]
        with file.open() as stdin:
            assert subprocess.check_output(command, stdin=stdin, text=True) == plain
        piped = subprocess.check_output(command, input=file.read_bytes())
        assert piped.decode() == plain


def test_score_of_several_files_names_each(run: Run, trace: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    both = json.loads(run("quality", "score", str(trace), str(empty), "--json").stdout)
    assert [one["file"] for one in both] == [str(trace), str(empty)]
    assert both[1]["qualityScore"] is None
    said = run("quality", "score", str(trace), str(empty)).stdout
    assert str(trace) in said
    assert f"{empty}  not known\nno reports in it" in said


def test_score_shows_each_peer_and_its_issues(run: Run, trace: Path) -> None:
    said = run("quality", "score", str(trace)).stdout
    assert re.search(r"^a +8\d\.\d (good|excellent)", said, re.MULTILINE)
    assert re.search(r"high packet loss +major", said)


def test_a_peer_cannot_move_the_cursor(run: Run, tmp_path: Path) -> None:
    line = json.loads(trace_lines("good")[0])
    file = tmp_path / "evil.jsonl"
    file.write_text(json.dumps({**line, "peer": "\x1b[2J[red]"}))
    said = run("quality", "score", str(file)).stdout
    assert "?[2J[red]" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not json", "/0: is not a line of a trace"),
        (gzip.compress(b"{}" * 999, mtime=0)[:-9], "is broken as gzip"),
        (gzip.compress(b"{}", mtime=0)[:-4] + b"1234", "is broken as gzip"),
    ],
    ids=["no JSON", "cut off", "wrong length"],
)
def test_a_broken_trace_is_named(run: Run, tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "broken"
    file.write_bytes(content)
    result = run("quality", "score", str(file), "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: invalid: {file}: {said}")
    assert result.stderr.count("\n") == 1


def test_show_analyses_what_nobody_has_analysed(run: Run, made: Made, measured: Scene) -> None:
    id = made(measured)
    said = run("quality", "show", id).stdout
    assert re.search(rf"^call {id}  8\d\.\d (good|excellent)$", said, re.MULTILINE)
    for part in ("net", "freeze", "fps", "loss %", "█", f"user:{A.id}", f"user:{B.id}"):
        assert part in said
    assert re.search(r"\d issues", said)
    document = json.loads(run("quality", "show", id, "--json").stdout)
    assert document["callSessionId"] == id
    assert document["windows"][0]["windows"][0]["terms"]["net"] <= 100


def test_show_of_a_call_without_reports(run: Run, made: Made, talk: Scene) -> None:
    id = made(talk)
    result = run("quality", "show", id)
    assert result.exit_code == 0
    assert f"call {id}  not known" in result.stdout


def test_a_live_call_is_analysed_anew(run: Run, made: Made) -> None:
    async def ring(calls: Calls) -> str:
        id = (await calls.start(C, A, invite=[B])).id
        await calls.quality.analyse(id)
        await calls.join(id, B)
        return id

    document = json.loads(run("quality", "show", made(ring), "--json").stdout)
    assert len(document["participantMetrics"]) == 2


@pytest.mark.parametrize(("suffix", "magic"), [(".svg", b"<svg"), (".png", b"\x89PNG")])
def test_plot_draws_the_course(
    run: Run, made: Made, measured: Scene, tmp_path: Path, suffix: str, magic: bytes
) -> None:
    if suffix == ".png":
        pytest.importorskip("PIL", reason="Pillow is the extra `plot`")
    file = tmp_path / f"course{suffix}"
    result = run("quality", "show", made(measured), "--plot", str(file))
    assert result.stdout.endswith(f"drawn to {file}\n")
    assert magic in file.read_bytes()[:200]


def test_a_plot_that_cannot_be_written(run: Run, made: Made, talk: Scene, tmp_path: Path) -> None:
    result = run("quality", "show", made(talk), "--plot", str(tmp_path / "no" / "x.svg"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: os_error: ")


def test_show_of_an_unknown_call(run: Run) -> None:
    result = run("quality", "show", UNKNOWN, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: call_not_found: ")
