"""Taking over while what wrote the database goes on writing, or does so once that was cut off."""

from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId
from tests.stores.adopting import ANN, BOB, CAT, DAN, ROOM, a_history, many, plan, sound, up
from tests.stores.adopting import db as db
from tests.stores.listening import Started, once
from tests.stores.migrating import ended, killed_at
from tests.stores.prisma import Prisma

from callstore import errors, open_calls
from callstore.testing.contract.world import told

CHANGES: dict[str, Callable[[Prisma, Any, Any], object]] = {
    "leave": lambda prisma, call, row: prisma.leave(row),
    "end": lambda prisma, call, row: prisma.end_call(call, ANN),
    "fail": lambda prisma, call, row: prisma._update(
        "CallSession", call, {"status": "failed", "endedAt": prisma.now, "endReason": "error"}
    ),
    "second": lambda prisma, call, row: prisma.create_call(ROOM, DAN),
}


@pytest.mark.parametrize("cut_off", [False, True], ids=["in one go", "cut off"])
@pytest.mark.parametrize("change", CHANGES)
async def test_what_changes_once_it_was_taken_over_is_told_anew(
    new_mongo: str, db: Any, change: str, cut_off: bool
) -> None:
    prisma = Prisma(db)
    call = prisma.create_call(ROOM, ANN)
    row = prisma.join_call(call, BOB)
    prisma.connected(row)
    prisma._update("CallSession", call, {"status": "active", "startedAt": prisma.now})
    prisma.later(60)
    changed = False

    def comes(what: str, done: int, total: int) -> None:
        nonlocal changed
        if what == "taking over calls" and not changed:
            changed = True
            CHANGES[change](prisma, call, row)
            if cut_off:
                raise ZeroDivisionError

    if cut_off:
        with pytest.raises(ZeroDivisionError):
            await up(new_mongo, progress=comes)
        looked = (await plan(new_mongo)).adoption
        assert looked is not None
        assert ("several_live" in looked.troubles) == (change == "second")
    await up(new_mongo, progress=comes, close_older=change == "second")
    async with open_calls(new_mongo) as calls:
        after, types = await calls.get(str(call)), await told(calls, str(call))
        assert (after.live, after.live_count) == ((True, 1) if change == "leave" else (False, 0))
        assert types.count("call.ended") == (change != "leave")
        assert types.count("participant.left") == (1 if change == "leave" else 0)
        await sound(calls, new_mongo)


async def test_what_comes_meanwhile_is_taken_over_with_its_call(new_mongo: str, db: Any) -> None:
    """Rows of calls that were taken over already, by code that still writes as Prisma does."""
    prisma = Prisma(db)
    many(prisma, 300)
    killed_at("taking over calls", 1, new_mongo)
    call = db["CallSession"].find_one({"version": 1})["_id"]
    prisma.join_call(call, CAT)
    async with open_calls(new_mongo, check_schema=False) as calls:
        await calls._store.change_lease("schema", lambda old: old and ended(old))
        await calls.schema.up()
    async with open_calls(new_mongo) as calls:
        assert (await calls.get(str(call))).joined_count == 3
        await sound(calls, new_mongo)
        assert (await calls.doctor()).findings == []


async def test_what_its_writer_changes_meanwhile_is_not_undone(new_mongo: str, db: Any) -> None:
    prisma = Prisma(db)
    made = a_history(prisma)

    def writes_calls(event: Started) -> bool:
        """A batch of them has been read."""
        return event.command.get("update") == "CallSession"

    with once(writes_calls, lambda: prisma.end_call(made["live"], DAN)):
        await up(new_mongo)
    async with open_calls(new_mongo) as calls:
        assert (await calls.get(str(made["live"]))).status == "ended"
        await sound(calls, new_mongo)


@pytest.mark.parametrize("call", ["orphan", "impossible"])
async def test_what_comes_after_the_look_is_not_deleted_unasked(
    new_mongo: str, db: Any, call: str
) -> None:
    """An orphan without drop_orphans; with it what is impossible, which is none."""
    a_history(Prisma(db))
    gone = ObjectId()
    late = {"_id": ObjectId(), "callSessionId": gone if call == "orphan" else str(gone)}

    def comes(what: str, done: int, total: int) -> None:
        if what == "looking at calls" and db["CallParticipant"].find_one(late) is None:
            db["CallParticipant"].insert_one(late)

    with pytest.raises(errors.Conflict):
        await up(new_mongo, progress=comes, drop_orphans=call == "impossible")
    assert db["CallParticipant"].find_one(late) == late
