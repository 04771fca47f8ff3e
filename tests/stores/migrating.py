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
from callstore.schema.facade import Schema
from callstore.schema.shape import CollectionShape
from callstore.schema.steps import HISTORY, Fill, History, Made, Step

NEWEST = HISTORY.current
NOTE = Fill(
    collection="CallSession",
    where={"note": None},
    reads=("type", "createdAt"),
    writes=("note",),
    change=lambda row: {"note": f"{row['type']} of {row['createdAt']:%Y}"},
)


def _made(step: int) -> Made:
    if step <= NEWEST:
        return HISTORY.made(step)
    sqlite = HISTORY.shape_at("sqlite", NEWEST)["CallSession"]
    mongo = HISTORY.shape_at("mongodb", NEWEST)["CallSession"]
    note = "TEXT" if step == NEWEST + 1 else "TEXT NOT NULL"
    index = "CREATE INDEX CallSession_note ON CallSession (note, id)"
    must = {"bsonType": "object", "required": ["note"]}
    rules = {"$and": [*mongo.rules["$and"], {"$jsonSchema": must}]}
    made = {
        "sqlite": replace(
            sqlite,
            fields={**sqlite.fields, "note": note},
            indexes={**sqlite.indexes, "CallSession_note": index},
        ),
        "mongodb": CollectionShape(
            rules=mongo.rules if step == NEWEST + 1 else rules,
            indexes={**mongo.indexes, "CallSession_note": {"key": [["note", 1], ["_id", 1]]}},
        ),
    }
    return {store: {"CallSession": shape} for store, shape in made.items()}


LONGER = History(
    steps=(
        *HISTORY.steps,
        Step(id=NEWEST + 1, name="calls have a note", oldest_code=NEWEST, fills=(NOTE,)),
        Step(id=NEWEST + 2, name="they must have it", oldest_code=NEWEST + 1),
    ),
    made=_made,
)


def schema_of(calls: Calls) -> Schema:
    return Schema(
        calls._store,
        clock=lambda: datetime.now(UTC),
        new_id=id_maker(),
        settings=Settings(),
        history=LONGER,
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
