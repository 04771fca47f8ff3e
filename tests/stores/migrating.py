"""A history with two more steps, one that fills rows and one that then demands it; as a script, it
takes a database up or down, and tells each batch on stdout."""

import asyncio
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


def _calls(*, coming: bool) -> Collection:
    """Calls that have one more field, or soon have."""
    note = Field(name="note", attribute="note", kind="text", nullable=coming, coming=coming)
    index = Index(name="CallSession_note", fields=("note", "id"), serves="calls by their note")
    return replace(CALL, fields=(*CALL.fields, note), indexes=(*CALL.indexes, index))


def _made(step: int) -> Made:
    if step <= NEWEST:
        return HISTORY.made(step)
    calls = _calls(coming=step == NEWEST + 1)
    shapes = {"sqlite": sqlite.shape_of(calls), "mongodb": mongo.shape_of(calls)}
    return {store: {"CallSession": shape} for store, shape in shapes.items()}


LONGER = History(
    steps=(
        *HISTORY.steps,
        Step(id=NEWEST + 1, name="calls have a note", oldest_code=NEWEST, fills=(NOTE,)),
        # Of those too that older code has made meanwhile.
        Step(id=NEWEST + 2, name="they must have it", oldest_code=NEWEST + 1, fills=(NOTE,)),
    ),
    made=_made,
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
    sys.stdout.write(f"{what} {done} {total}\n")
    sys.stdout.flush()


async def main(url: str) -> None:
    async with open_calls(url, check_schema=False) as calls:
        found = await calls.schema.status()
        schema = calls.schema if found.foreign else schema_of(calls)
        await schema.up(progress=tell)


def killed_at(what: str, batch: int, url: str) -> None:
    """An up by another process, killed when it has told so many times of this."""
    command = [sys.executable, "-m", "tests.stores.migrating", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            batch -= line.startswith(what)
            if not batch:
                process.kill()
                break


def ended(lease: Any) -> Any:
    """A minute later."""
    return replace(lease, holder=None)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
