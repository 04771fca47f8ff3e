"""The first things anyone runs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def callstore(*arguments: str, columns: int = 120) -> str:
    traced = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-m", "callstore", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": str(columns), "PATH": "/usr/bin:/bin", "PYTHONUTF8": "1", **traced},
    )
    assert done.stderr == ""
    return done.stdout


def test_the_demo_shows_calls_their_people_scores_and_reasons() -> None:
    said = callstore("demo")
    for words in (
        "5 · A narrow line",
        "Chloe replays peer a of recording wifi",
        "p2p → sfu, 3 seated",
        "sfu → p2p, 2 seated",
        "without a connection",
        "high packet loss",
        "The conversation's history: Project Aurora",
        "Ben's own log",
        "What retention would delete",
        "What is kept of Ben, exported",
        "Chloe is erased",
        "1 missed and not seen",
    ):
        assert words in said
    assert re.search(r"Ben +accepted .*0:02 - 0:23 +failed", said)
    assert re.search(r"Chloe \(guest\) +declined", said)
    assert "\x1b" not in said  # a pipe gets no colours


@pytest.mark.parametrize("columns", [90, 100, 160])
def test_the_demo_fits_the_terminal(columns: int) -> None:
    assert max(map(len, callstore("demo", columns=columns).splitlines())) <= columns


def test_the_demos_store_can_be_kept_and_looked_at(tmp_path: Path) -> None:
    document = json.loads(callstore("demo", "--json", "--keep", str(tmp_path / "kept")))
    assert [one["call"]["outcome"] for one in document["calls"]].count("answered") == 3
    call = document["calls"][3]["call"]
    shown = callstore("--store", f"sqlite:///{tmp_path}/kept/demo.db", "calls", "show", call["id"])
    assert call["id"] in shown
    assert document["history"][0]["conversationId"] in shown
    assert document["log"][-1]["response"] == "missed"
    assert document["manifest"]["counts"]["calls"] == 5
    assert document["receipt"]["status"] == "done"
    assert document["retention"]["30"]["rows"].keys() < document["retention"]["90"]["rows"].keys()


def test_seeded_calls_are_found_by_what_the_seed_prints(tmp_path: Path) -> None:
    store = "--store", f"sqlite:///{tmp_path}/calls.db"
    said = callstore(*store, "seed", "--calls", "200", "--until", "2026-11-01")
    assert "seeded 200 calls" in said
    conversation = re.search(r"--conversation ([0-9a-f]{24})", said)
    party = re.search(r"--party (user:[0-9a-f]{24})", said)
    assert conversation
    assert party
    page = json.loads(
        callstore(*store, "--json", "calls", "list", "--conversation", conversation[1])
    )
    assert len(page["items"]) == 20
    assert page["items"][0]["createdAt"] < "2026-11-01"
    log = json.loads(callstore(*store, "--json", "calls", "list", "--party", party[1]))
    assert conversation[1] in {entry["conversationId"] for entry in log["items"]}


def test_the_report_of_a_seed_is_one_document(tmp_path: Path) -> None:
    store = "--store", f"sqlite:///{tmp_path}/calls.db"
    report = json.loads(callstore(*store, "seed", "--calls", "10", "--json"))
    assert report["calls"] == report["rows"]["CallSession"] == 10
