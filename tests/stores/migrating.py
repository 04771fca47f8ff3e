"""A history with a change in three more steps: one adds what is new, one fills it, one demands it
and takes away what it replaces. As a script, it takes a database up, and tells each batch on
stdout, or one of the other history down."""

import asyncio
import signal
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from callstore import Calls, Settings, open_calls
from callstore.ids import id_maker
from callstore.schema.declaration import Collection, Field, Index
from callstore.schema.facade import Schema
from callstore.schema.steps import HISTORY, Fill, History, Made, Step
from callstore.schema.tables import CALL
from callstore.stores.mongo import shape as mongo
from callstore.stores.sqlite import shape as sqlite

NEWEST = HISTORY.current
NOTE = Fill(
    collection="CallSession",
    where={"note": None},
    reads=("type", "createdAt"),
    writes=("note",),
    change=lambda row: {"note": f"{row['type']} of {row['createdAt']:%Y}"},
)


EXPAND, BACKFILL, CONTRACT = NEWEST + 1, NEWEST + 2, NEWEST + 3
OLD = "CallSession_fewSince"


def _calls(*, coming: bool) -> Collection:
    """Calls that have one more field, or soon have, and an index in the place of another's."""
    note = Field(name="note", attribute="note", kind="text", nullable=coming, coming=coming)
    by_note = Index(name="CallSession_note", fields=("note", "id"), serves="calls by their note")
    (old,) = (index for index in CALL.indexes if index.name == OLD)
    new = replace(old, name="CallSession_few", fields=(*old.fields, "id"))
    kept = tuple(index for index in CALL.indexes if coming or index != old)
    return replace(CALL, fields=(*CALL.fields, note), indexes=(*kept, by_note, new))


def made_of(*collections: Collection) -> Made:
    return {
        "sqlite": {one.name: sqlite.shape_of(one) for one in collections},
        "mongodb": {one.name: mongo.shape_of(one) for one in collections},
    }


def _made(step: int) -> Made:
    if step <= NEWEST:
        return HISTORY.made(step)
    return made_of(_calls(coming=step < CONTRACT))


LONGER = History(
    steps=(
        *HISTORY.steps,
        Step(id=EXPAND, name="calls may have a note", oldest_code=NEWEST),
        # Code of this step writes it; older code, which does not, still runs.
        Step(id=BACKFILL, name="those that lack it get one", oldest_code=NEWEST, fills=(NOTE,)),
        # Those too that older code has made since.
        Step(id=CONTRACT, name="all must have it", oldest_code=BACKFILL, fills=(NOTE,)),
    ),
    made=_made,
)


TYPE = Fill(
    collection="CallSession",
    where={"type": None},
    reads=("note",),
    writes=("type",),
    change=lambda row: {"type": row["note"].partition(" ")[0]},
)


def _retyped(step: int) -> Collection:
    """Calls that have a note, and from which their type goes."""
    coming = step < CONTRACT
    calls = _calls(coming=coming)
    fields = tuple(
        replace(field, nullable=True, coming=True) if field.name == "type" else field
        for field in calls.fields
        if field.name != "type" or coming
    )
    return replace(calls, fields=fields)


REPLACING = History(
    steps=(
        *HISTORY.steps,
        Step(id=EXPAND, name="calls may have a note, or a type", oldest_code=NEWEST, undo=(TYPE,)),
        Step(id=BACKFILL, name="those that lack a note get one", oldest_code=NEWEST, fills=(NOTE,)),
        # Code that still names a field cannot use a database that has it no more.
        Step(id=CONTRACT, name="a note only", oldest_code=CONTRACT, fills=(NOTE,), undo=(TYPE,)),
    ),
    made=lambda step: HISTORY.made(step) if step <= NEWEST else made_of(_retyped(step)),
)


def schema_of(calls: Calls, history: History = LONGER) -> Schema:
    return Schema(
        calls._store,
        clock=lambda: datetime.now(UTC),
        new_id=id_maker(),
        settings=Settings(),
        history=history,
    )


def tell(what: str, done: int, total: int) -> None:
    """And waits until it may go on."""
    sys.stdout.write(f"{what} {done} {total}\n")
    sys.stdout.flush()
    sys.stdin.readline()


async def main(url: str, way: str) -> None:
    async with open_calls(url, check_schema=False) as calls:
        found = await calls.schema.status()
        if way == "down":
            await schema_of(calls, REPLACING).down(to=NEWEST, yes=True, progress=tell)
        else:
            schema = calls.schema if found.foreign else schema_of(calls)
            await schema.up(progress=tell)


def process(url: str, way: str = "up") -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.stores.migrating", url, way]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, text=True, bufsize=1, stdin=pipe, stdout=pipe)


def killed_at(what: str, batch: int, url: str, way: str = "up") -> None:
    """What another process does, killed when it has told so many times of this."""
    with process(url, way) as migrating:
        assert migrating.stdin is not None
        assert migrating.stdout is not None
        for line in migrating.stdout:
            batch -= line.startswith(what)
            if not batch:
                migrating.kill()
                break
            migrating.stdin.write("\n")
    assert migrating.returncode == -signal.SIGKILL


def ended(lease: Any) -> Any:
    """A minute later."""
    return replace(lease, holder=None)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))


async def live_shape(calls: Calls) -> Any:
    return await calls._store.structure.live()
