"""Bars while something takes long: on a terminal they move, elsewhere there are none."""

import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bson import ObjectId
from tests.cli.conftest import A, B, C, Made, on_a_terminal, program
from tests.stores.database import mongo_database, sqlite_file
from tests.stores.prisma import Prisma, make

from callstore.testing import FakeClock

REDRAWN = re.compile(r"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)*")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
BAR = re.compile(r"^(\S.*?) +[━╸╺ ]{40} +(\d+)%$", re.MULTILINE)

Frame = list[tuple[str, int]]  # by bar: of what, and its percentage


def frames(said: str) -> list[Frame]:
    """What could be seen, picture by picture, while bars were drawn."""
    drawn = (CONTROL.sub("", part).replace("\r", "") for part in REDRAWN.split(said))
    found = ([(what, int(far)) for what, far in BAR.findall(part)] for part in drawn)
    return [frame for frame in found if frame]


def check_moving(seen: list[Frame]) -> None:
    """All bars are in sight, they are seen on their way, none goes back, all end complete."""
    passed: dict[str, list[int]] = {}
    for frame in seen:
        assert len(frame) < 25
        for what, far in frame:
            passed.setdefault(what, []).append(far)
    assert all(far == sorted(far) for far in passed.values())
    assert len({far for fars in passed.values() for far in fars} - {0, 100}) >= 2
    assert {far for _, far in seen[-1]} == {100}


def test_a_copy_shows_how_far_it_is(
    made: Made, path: Path, tmp_path: Path, clock: FakeClock
) -> None:
    clock.set(datetime.now(UTC))
    made(lambda calls: calls.seed(2000))
    copy = ("copy", f"sqlite:///{path}", f"sqlite:///{tmp_path}/b.db")
    said = on_a_terminal(*copy)
    seen = frames(said)
    check_moving(seen)
    assert any(frame[-1][0].startswith("verifying the copy's ") for frame in seen[:-1])
    assert "rows on both sides, the same" in said
    check_plain(*copy)


def test_taking_over_shows_how_far_it_is(new_mongo: str) -> None:
    with mongo_database(new_mongo) as db:
        make(db)
        write_calls(db, 750)
    check_plain("--store", new_mongo, "schema", "plan")
    said = on_a_terminal("--store", new_mongo, "schema", "up")
    check_moving(frames(said))
    assert "up to date" in said


def test_an_index_that_is_built_shows_how_far_it_is(made: Made, path: Path) -> None:
    made(lambda calls: calls.start(C, A))
    with sqlite_file(f"sqlite:///{path}") as db:
        for name in ("party", "log", "conversation", "unseen"):
            db.execute(f"DROP INDEX CallLogEntry_{name}")
        write_entries(db, 300_000)
    up = ("--store", f"sqlite:///{path}", "schema", "up")
    said = on_a_terminal(*up)
    seen = frames(said)
    check_moving(seen)
    assert ("index CallLogEntry_conversation", 100) in seen[-1]
    assert "up to date" in said
    check_plain(*up)


def write_entries(db: sqlite3.Connection, count: int) -> None:
    """Entries like the one that is there, each of another party."""
    db.execute("PRAGMA ignore_check_constraints = ON")  # they are right, and checks take long
    id = "printf('f%023x', n)"
    own = {"id": id, "userId": id, "party": f"'u:' || {id}"}
    columns = [name for _, name, *_ in db.execute("PRAGMA table_info(CallLogEntry)")]
    db.execute(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT ?)"
        f" INSERT INTO CallLogEntry SELECT {', '.join(own.get(name, name) for name in columns)}"
        " FROM numbers, (SELECT * FROM CallLogEntry LIMIT 1)",
        (count,),
    )


def write_calls(db: Any, count: int) -> None:
    """Calls that their initiator ended, as Prisma would have written them."""
    prisma = Prisma(db)
    first = prisma.create_call(ObjectId(C), ObjectId(A.id))
    prisma.join_call(first, user=ObjectId(B.id))
    prisma.later(60)
    prisma.end_call(first, ObjectId(A.id))
    call, people = db["CallSession"].find_one(), db["CallParticipant"].find().to_list()
    ids = [ObjectId() for _ in range(count - 1)]
    db["CallSession"].insert_many({**call, "_id": id} for id in ids)
    db["CallParticipant"].insert_many(
        {**row, "_id": ObjectId(), "callSessionId": id} for id in ids for row in people
    )


def check_plain(*args: str) -> None:
    """To a pipe goes what came of it, and no control character."""
    process = program(*args)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert not re.search(r"[^\n\x20-\U0010ffff]", out)
