"""schema: status, plan, up, down, verify."""

import json
import re
from pathlib import Path

from bson import ObjectId
from tests.cli.conftest import A, B, C, Made, Run, Scene, sql
from tests.stores.database import mongo_database
from tests.stores.prisma import Prisma, make


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
    sql(path, "DROP INDEX CallSession_fewSince")
    sql(path, "CREATE INDEX CallSession_fewSince ON CallSession (type)")
    for command in ("status", "plan"):
        said = run("schema", command).stdout
        assert re.search(r"\n +missing index CallSession_history +not yet", said)
        assert re.search(r"\n +changed index CallSession_fewSince +not yet", said)
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


def test_plan_tells_what_up_would_do_and_leave(
    run: Run, made: Made, talk: Scene, path: Path
) -> None:
    made(talk)
    sql(path, "DROP INDEX CallSession_history")
    sql(path, "CREATE INDEX of_ours ON CallSession (type)")
    said = run("schema", "plan").stdout
    assert re.search(r"make +index CallSession_history +CallSession +conversationId, ", said)
    assert re.search(r"leave as it is +index of_ours +CallSession +type", said)
    report = json.loads(run("schema", "plan", "--json").stdout)
    assert [(each["action"], each["name"]) for each in report["changes"]] == [
        ("make", "CallSession_history"),
        ("leave", "of_ours"),
    ]
    assert re.search(r"CallSession_history +CallSession +1 ", run("schema", "up").stdout)
    assert "of_ours" in run("schema", "plan").stdout


def test_names_of_others_move_no_cursor(run: Run, made: Made, talk: Scene, path: Path) -> None:
    made(talk)
    sql(path, 'CREATE INDEX "of\x1b[31mours" ON CallSession (type)')
    sql(path, "DROP INDEX CallSession_history")
    sql(path, 'CREATE INDEX CallSession_history ON CallSession (type) WHERE type <> "\x1b[0m"')
    sql(path, "INSERT INTO CallSchema VALUES (99, 'la\x1bter', 1800000000000, 1)")
    assert "la?ter" in run("schema", "status").stdout
    sql(path, "DELETE FROM CallSchema WHERE id = 99")
    said = run("schema", "plan").stdout
    assert "of?[31mours" in said
    assert "?[0m" in said
    sql(
        path,
        "CREATE TRIGGER theirs BEFORE INSERT ON CallSession"
        " BEGIN SELECT RAISE(ABORT, 'n\x1bo'); END",
    )
    assert "n?o" in run("schema", "verify").stdout


def test_down_loses_rows_only_when_told_to(run: Run, made: Made, talk: Scene) -> None:
    made(talk)
    said = run("schema", "down", "--to", "1").stdout
    assert "1, behind: callstore schema up" in said
    assert re.search(r"\n +step 2: captions, .* +not yet", said)
    assert "queries that no index serves any more" in said
    assert re.search(r"\nCallSession by horizons, expiresAt \(sweep: ended calls", said)
    refused = run("schema", "down", "--to", "0")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("error: conflict: this loses CallSession (1 rows)")
    assert "up to date" in run("schema", "up").stdout
    assert run("calls", "list", "--conversation", C).exit_code == 0
    assert "0, behind" in run("schema", "down", "--to", "0", "--yes").stdout


def test_verify_says_what_is_taken_that_must_not_be(
    run: Run, made: Made, talk: Scene, path: Path
) -> None:
    made(talk)
    assert "probes went as they must" in run("schema", "verify").stdout
    sql(path, "DROP INDEX CallSession_oneLive")
    result = run("schema", "verify")
    assert result.exit_code == 1
    assert re.search(r"CallSession +CallSession_oneLive, twice +it was taken", result.stdout)
    assert result.stderr.startswith("error: schema_mismatch: 1 of ")
    assert run("schema", "verify", "--json").exit_code == 1


def test_where_it_cannot_go_it_says_so(run: Run, made: Made, talk: Scene) -> None:
    made(talk)
    assert "/to: must be from 2" in run("schema", "up", "--to", "1").stderr
    assert run("schema", "down").exit_code == 2
    run("schema", "down", "--to", "1")
    assert "error: schema_mismatch" in run("schema", "verify").stderr


def test_export_is_the_text_of_a_file_and_needs_no_store(run: Run, path: Path) -> None:
    for format, part in (
        ("typescript", "export interface CallSession<"),
        ("zod", "export const CallSessionSchema = z.object({"),
        ("prisma", "model CallSession {"),
        ("json", '"CallSession": {'),
    ):
        result = run("schema", "export", "--format", format)
        assert part in result.stdout
        document = json.loads(run("schema", "export", "--format", format, "--json").stdout)
        assert document == {"format": format, "text": result.stdout}
    assert not path.exists()
    assert run("schema", "export", "--format", "sql").exit_code == 2


def test_a_database_that_prisma_wrote_is_planned_and_taken_over(run: Run, new_mongo: str) -> None:
    with mongo_database(new_mongo) as db:
        make(db)
        prisma = Prisma(db)
        old = prisma.create_call(ObjectId(C), ObjectId(A.id))
        prisma.later(60)
        prisma.create_call(ObjectId(C), ObjectId(B.id))
    refused = run("calls", "list", "--conversation", C, store=new_mongo)
    assert refused.exit_code == 1
    assert "callstore schema plan" in refused.stderr
    plan = run("schema", "plan", store=new_mongo).stdout
    assert "written by something else: callstore schema up takes it over" in plan
    assert "1 several live" in plan
    assert str(old) in plan
    stopped = run("schema", "up", store=new_mongo)
    assert stopped.exit_code == 1
    assert "--close-older" in stopped.stderr
    taken = run("schema", "up", "--close-older", store=new_mongo)
    assert taken.exit_code == 0
    assert "up to date" in taken.stdout
    listed = json.loads(run("calls", "list", "--conversation", C, "--json", store=new_mongo).stdout)
    assert [call["outcome"] for call in listed["items"]] == ["ongoing", "failed"]
