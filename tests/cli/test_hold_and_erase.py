"""hold and privacy: what may not go, and what goes."""

import json

from tests.cli.conftest import UNKNOWN, A, B, C, G, Made, Run, Scene


def test_a_hold_is_placed_listed_and_released(run: Run, made: Made, talk: Scene) -> None:
    made(talk)
    placed = json.loads(
        run("hold", "place", "--party", f"user:{A.id}", "--reason", "case 4711", "--json").stdout
    )
    assert (placed["party"], placed["reason"]) == (f"u:{A.id}", "case 4711")
    listed = run("hold", "list").stdout
    assert placed["id"] in listed
    assert "case 4711" in listed
    assert "1 hold" in listed
    refused = run("privacy", "erase", f"user:{B.id}")
    assert f"under hold {placed['id']}" in refused.stdout
    assert "pending" in refused.stdout
    assert run("hold", "release", placed["id"], "--by", "counsel").stdout.endswith("is released\n")
    assert run("hold", "list").stdout == "nothing is held\n"
    everything = json.loads(run("hold", "list", "--all", "--json").stdout)
    assert [hold["releasedBy"] for hold in everything] == ["counsel"]
    assert "finished" in run("sweep").stdout
    (receipt,) = json.loads(run("privacy", "receipts", "--json").stdout)
    assert receipt["status"] == "done"


def test_a_hold_is_on_one_thing(run: Run, made: Made, talk: Scene) -> None:
    call = made(talk)
    none = run("hold", "place", "--reason", "x")
    assert (none.exit_code, none.stderr.split(":")[:2]) == (1, ["error", " invalid"])
    assert run("hold", "place", "--conversation", C).exit_code == 2  # no reason
    unknown = run("hold", "place", "--call", UNKNOWN, "--reason", "x")
    assert unknown.stderr.startswith("error: call_not_found")
    assert run("hold", "place", "--call", call, "--reason", "x").exit_code == 0
    assert run("hold", "release", UNKNOWN).stderr.startswith("error: hold_not_found")


def test_a_party_is_erased_and_its_receipt_kept(run: Run, made: Made, talk: Scene) -> None:
    made(talk)
    who = f"guest:{G.id}"
    dry = run("privacy", "erase", who, "--dry-run")
    assert "a dry run" in dry.stdout
    erased = run("privacy", "erase", who, "--mode", "delete", "--by", "dpo")
    assert erased.exit_code == 0
    assert "CallParticipant" in erased.stdout
    assert G.id not in erased.stdout
    assert run("privacy", "receipts").stdout.count("done") == 2  # the header, and this one
    (receipt,) = json.loads(run("privacy", "receipts", "--party", who, "--json").stdout)
    assert (receipt["mode"], receipt["requestedBy"]) == ("delete", "dpo")
    assert receipt["counts"]["CallParticipant"] == {"rows": 1}


def test_a_conversation_is_deleted(run: Run, made: Made, talk: Scene) -> None:
    made(talk)
    dry = json.loads(run("privacy", "delete-conversation", C, "--dry-run", "--json").stdout)
    real = json.loads(run("privacy", "delete-conversation", C, "--json").stdout)
    assert (dry["id"], dry["counts"]) == (None, real["counts"])
    assert json.loads(run("doctor", "--json").stdout)["calls"] == 0
    gone = json.loads(run("privacy", "delete-guest", G.id, "--json").stdout)
    assert (gone["status"], gone["counts"]) == ("done", {})


def test_without_a_secret_it_says_what_to_do(run: Run, made: Made, talk: Scene) -> None:
    made(talk)
    told = run("privacy", "erase", f"user:{A.id}", env={"CALLSTORE_SECRET": ""})
    assert told.exit_code == 1
    assert "set CALLSTORE_SECRET" in told.stderr
