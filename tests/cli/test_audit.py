"""audit: list, verify; and who did what on the command line."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import A, B, C, Made, Run, sql

from callstore import Calls
from callstore.testing import FakeClock
from callstore.testing.contract.recordings import stream

SECRET = {"CALLSTORE_SECRET": "nobody knows"}


@pytest.fixture
def noted(made: Made, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Three privileged acts."""
    monkeypatch.setenv("CALLSTORE_SECRET", SECRET["CALLSTORE_SECRET"])

    async def work(calls: Calls) -> list[Any]:
        first = await calls.audit.record("privacy.export", by="eve", party=A)
        clock.advance(3600)
        data = {"callId": C, "files": 2}
        second = await calls.audit.record("hold.place", by=None, party=B, data=data)
        third = await calls.audit.record("hold.release", by="[red]dan\x1b", data={})
        return [first, second, third]

    found: list[Any] = made(work)
    return found


def test_acts_are_listed_newest_first(run: Run, noted: list[Any]) -> None:
    said = run("audit", "list")
    assert said.exit_code == 0
    rows = [re.split(r"  +", line.strip()) for line in said.stdout.splitlines()[2:]]
    assert rows[0][:4] == ["3", "2026-03-01T10:30:00Z", "hold.release", "[red]dan?"]
    second = noted[1].party_hash[:12]
    assert rows[1][2:] == ["hold.place", "-", f"{second}…", f"callId {C}, files 2"]
    assert rows[2][2:4] == ["privacy.export", "eve"]
    document = json.loads(run("audit", "list", "--json").stdout)
    assert [item["seq"] for item in document["items"]] == [3, 2, 1]
    assert document["items"][2]["partyHash"] == noted[0].party_hash
    assert document["next"] is None


def test_they_are_found_by_time_action_and_party(run: Run, noted: list[Any]) -> None:
    def found(*asked: str) -> list[int]:
        listed = json.loads(run("audit", "list", *asked, "--json").stdout)
        return [item["seq"] for item in listed["items"]]

    assert found("--since", "2026-03-01T10:00") == [3, 2]
    assert found("--action", "privacy.export") == [1]
    assert found("--party", f"user:{B.id}") == [2]
    assert run("audit", "list", "--action", "privacy.erase").stdout == "nothing found\n"
    assert run("audit", "list", "--action", "calls.end").exit_code == 2
    keyless = run("audit", "list", "--party", f"user:{B.id}", env={"CALLSTORE_SECRET": ""})
    assert (keyless.exit_code, keyless.stdout) == (1, "")
    assert "set CALLSTORE_SECRET" in keyless.stderr


def test_each_page_names_the_next(run: Run, noted: list[Any]) -> None:
    said = run("audit", "list", "--limit", "2").stdout
    command = said.partition("next page: callstore ")[2].split()
    assert command[:4] == ["audit", "list", "--limit", "2"]
    assert run(*command).stdout.splitlines()[2].strip().startswith("1  ")
    assert run("audit", "list", "--cursor", "x").exit_code == 1


def test_a_chain_that_holds(run: Run, noted: list[Any]) -> None:
    said = run("audit", "verify")
    assert said.exit_code == 0
    facts = [re.split(r"  +", line.strip()) for line in said.stdout.splitlines()]
    assert facts == [["entries", "3"], ["chain", "holds"], ["head", noted[2].hash]]
    assert json.loads(run("audit", "verify", "--json").stdout) == {
        "ok": True, "entries": 3, "firstBad": None, "head": noted[2].hash
    }  # fmt: skip


def test_one_that_does_not_is_an_error(run: Run, noted: list[Any], path: Path) -> None:
    sql(path, "DELETE FROM CallAudit WHERE seq = 2")
    said = run("audit", "verify")
    assert said.exit_code == 1
    assert "does not hold" in said.stdout
    assert said.stderr.startswith("error: audit_broken: entry 2 is the first that was changed, ")
    in_json = run("audit", "verify", "--json")
    assert (in_json.exit_code, json.loads(in_json.stdout)["firstBad"]) == (1, 2)
    assert in_json.stderr == said.stderr


def test_an_empty_one_holds(run: Run) -> None:
    assert "holds" in run("audit", "verify").stdout
    assert run("audit", "list").stdout == "nothing found\n"


def test_commands_say_who_did_it(run: Run, made: Made, tmp_path: Path) -> None:
    async def work(calls: Calls) -> str:
        call = await calls.start(C, A, invite=[B])
        row = await calls.recordings.start(call.id, A)
        await calls.recordings.stop(row.id)
        return (await calls.recordings.put(row.id, stream(b"sound"))).id

    id = made(work)
    for command in (
        ["recordings", "get", id, "-o", str(tmp_path / "x"), "--by", "ann"],
        ["recordings", "get", id, "-o", "-"],
        ["recordings", "delete", id, "--by", "bob"],
        ["retention", "run", "--by", "cron"],
        ["schema", "up", "--by", "dan"],  # it is there already: nothing is done
    ):
        assert run(*command).exit_code == 0
    items = json.loads(run("audit", "list", "--json").stdout)["items"]
    assert [(item["action"], item["by"]) for item in reversed(items)] == [
        ("recordings.open", "ann"),
        ("recordings.open", None),
        ("recordings.delete", "bob"),
        ("retention.run", "cron"),
    ]


def test_a_schema_that_is_mended_is_written_down(run: Run, path: Path) -> None:
    run("schema", "up", "--by", "ann")
    assert run("audit", "list").stdout == "nothing found\n"  # that it was made is no act
    sql(path, "DROP INDEX CallSession_history")
    run("schema", "up", "--by", "ann")
    (item,) = json.loads(run("audit", "list", "--json").stdout)["items"]
    assert (item["action"], item["by"]) == ("schema.up", "ann")
    assert (item["data"]["from"], item["data"]["to"]) == (2, 2)
    assert "CallSession_history" in item["data"]["pending"][0]
