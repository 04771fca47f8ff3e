"""A change in three steps, up and down again, and what code of before it does meanwhile."""

import asyncio
import itertools
import time
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import PyMongoError
from tests.stores import database
from tests.stores.filling import filled
from tests.stores.migrating import (
    BACKFILL,
    CONTRACT,
    EXPAND,
    LONGER,
    NEWEST,
    OLD,
    REPLACING,
    live_shape,
    schema_of,
)

from callstore import Call, Calls, Settings, errors, open_calls
from callstore.schema.shape import changes
from callstore.schema.steps import History
from callstore.testing.contract.world import ANN, BOB, CAT, HALL, check_sound
from callstore.testing.data import conversation

LACKING = {"note": None}
AT_ONCE = 8


def told_in(url: str) -> list[dict[str, Any]]:
    """The audit's entries, but for the row that says which there are."""
    entries = database.rows(url)["CallAudit"]
    return sorted((row for row in entries if row["seq"]), key=lambda row: row["seq"])


@pytest.mark.parametrize("history", [LONGER, REPLACING], ids=["an index", "a field"])
async def test_up_down_up_gives_equal_rows_and_indexes(new_url: str, history: History) -> None:
    await filled(new_url)
    async with open_calls(new_url, check_schema=False) as calls:
        await calls.audit.record("hold.place", by="eve")
        schema = schema_of(calls, history)
        entries = [told_in(new_url)]
        seen = [(database.all_else(new_url), await live_shape(calls))]
        for to in (history.current, NEWEST) * 2:
            report = await (schema.up() if to > NEWEST else schema.down(to=to, yes=True))
            assert report.version == to
            entries.append(told_in(new_url))
            seen.append((database.all_else(new_url), await live_shape(calls)))
        assert seen[:3] == seen[2:]
        for row in seen[1][0]["CallSession"]:
            assert row["note"]
            assert ("type" in row) == (history is LONGER)
        kind = calls._store.structure.kind
        for (_, shape), version in zip(seen, (NEWEST, history.current), strict=False):
            assert changes(shape, history.shape_at(kind, version)) == []
        # The audit has one more each time, and those before as they were.
        assert entries == [entries[-1][:number] for number in range(1, 6)]
    async with open_calls(new_url) as calls:
        await check_sound(calls)


async def test_what_a_step_takes_away_has_something_in_its_place(new_url: str) -> None:
    await filled(new_url)
    async with open_calls(new_url, check_schema=False) as calls:
        schema = schema_of(calls)
        assert (await schema.up()).lost == []
        assert OLD not in (await live_shape(calls))["CallSession"].indexes
        assert (await schema.down(to=EXPAND)).lost == []
        assert OLD in (await live_shape(calls))["CallSession"].indexes


async def test_a_field_that_goes_is_planned(new_url: str) -> None:
    await filled(new_url)
    async with open_calls(new_url, check_schema=False) as calls:
        schema = schema_of(calls, REPLACING)
        await schema.up(to=BACKFILL)
        planned = [each for each in (await schema.plan()).changes if each.what == "field"]
        removed = [(each.action, each.collection, each.name) for each in planned]
        assert ("remove", "CallSession", "type") in removed
        assert len(set(removed)) == len(removed)


async def test_what_newer_code_made_is_not_planned_to_be_changed(new_url: str) -> None:
    await filled(new_url, 3)
    async with open_calls(new_url) as calls:
        await schema_of(calls, REPLACING).up(to=EXPAND)
        made = await live_shape(calls)
        for report in (await calls.schema.plan(), await calls.schema.up()):
            assert (report.version, report.changes, report.behind) == (EXPAND, [], False)
        assert await live_shape(calls) == made


async def test_what_a_field_holds_goes_with_it_only_when_told_to(new_url: str) -> None:
    await filled(new_url)
    async with open_calls(new_url, check_schema=False) as calls:
        schema = schema_of(calls)
        await schema.up(to=EXPAND)
        await schema.down(to=NEWEST)  # nothing is in it yet
        await schema.up()
        with pytest.raises(errors.Conflict, match=r"loses CallSession\.note: .*yes"):
            await schema.down(to=NEWEST)
        assert (await schema.down(to=EXPAND)).version == EXPAND
        await schema.down(to=NEWEST, yes=True)
    assert not any("note" in row for row in database.rows(new_url)["CallSession"])


async def test_a_down_that_was_cut_off_when_the_field_was_gone_goes_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    await filled(url)
    async with open_calls(url, check_schema=False) as calls:
        schema = schema_of(calls)
        await schema.up(to=EXPAND)
        with database.sqlite_file(url) as db:
            db.execute("DROP INDEX CallSession_note")
            db.execute("ALTER TABLE CallSession DROP COLUMN note")
        assert (await schema.down(to=NEWEST)).version == NEWEST
    async with open_calls(url) as calls:
        await check_sound(calls)


async def test_a_row_that_cannot_be_filled_is_named(new_mongo: str) -> None:
    """As one that somebody wrote past the validator."""
    await filled(new_mongo)
    async with open_calls(new_mongo, check_schema=False) as calls:
        schema = schema_of(calls)
        await schema.up(to=EXPAND)
        with database.mongo_database(new_mongo) as db:
            [wrong] = db["CallSession"].find().skip(20).limit(1)
            spoil = {"q": {"_id": wrong["_id"]}, "u": {"$set": {"liveCount": "many"}}}
            db.command("update", "CallSession", updates=[spoil], bypassDocumentValidation=True)
            with pytest.raises(errors.Conflict, match=f"{wrong['_id']} cannot be filled"):
                await schema.up(to=BACKFILL)
            db["CallSession"].replace_one({"_id": wrong["_id"]}, wrong)
        assert (await schema.up(to=BACKFILL)).version == BACKFILL


async def test_a_row_that_another_holds_is_waited_for(new_mongo: str) -> None:
    """By one that was killed, say: until the server gives up its transaction."""
    await filled(new_mongo)
    async with open_calls(new_mongo, check_schema=False) as calls:
        schema = schema_of(calls)
        await schema.up(to=EXPAND)
        with database.mongo_database(new_mongo) as db, db.client.start_session() as session:
            session.start_transaction()
            db["CallSession"].update_one({}, {"$inc": {"version": 1}}, session=session)
            await schema.up(to=BACKFILL)
            with pytest.raises(PyMongoError):
                session.commit_transaction()
        assert await calls._store.structure.count("CallSession", LACKING) == 0


class Users:
    """Of an app whose code knows nothing of a step: whole lives of calls, one after the other.
    Where none `may_start`, those of calls that were `begun` before, the last of which go on."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._rooms = map(conversation, itertools.count(10_000))
        self.begun: list[Call] = []
        self._working = False
        self.took: list[float] = []

    async def begin(self, count: int) -> None:
        self.begun += [await self._start() for _ in range(count)]

    async def meanwhile(self, migrating: Awaitable[Any], *, may_start: bool = True) -> int:
        """How many commands were done while it migrated."""
        before, self._working = len(self.took), True
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._lives(may_start=may_start))
            try:
                await migrating
            finally:
                self._working = False
            return len(self.took) - before

    async def _lives(self, *, may_start: bool) -> None:
        while self._working:
            call = await self._start() if may_start else self.begun.pop()
            for user in (BOB, CAT):
                await self._timed(self._calls.join(call.id, user))
            await self._timed(self._calls.heartbeat(call.id, CAT))
            await self._timed(self._calls.history(call.conversation_id))
            await self._timed(self._calls.leave(call.id, BOB))
            if may_start or len(self.begun) > AT_ONCE:
                await self._timed(self._calls.end(call.id))
            else:  # the migration takes longer than those that were begun
                self.begun.append(call)

    async def _start(self) -> Call:
        call: Call = await self._timed(self._calls.start(next(self._rooms), ANN, invite=[BOB, CAT]))
        return call

    async def _timed(self, work: Awaitable[Any]) -> Any:
        began = time.monotonic()
        result = await work
        self.took.append(time.monotonic() - began)
        return result


async def test_code_of_before_goes_on_while_a_change_is_made_and_taken_back(new_url: str) -> None:
    await filled(new_url, 3000)
    told: list[str] = []
    done: dict[str, int] = {}
    async with open_calls(new_url) as old, open_calls(new_url, check_schema=False) as calls:
        users, schema, count = Users(old), schema_of(calls), calls._store.structure.count

        async def meanwhile(way: str, to: int, *, may_start: bool = True) -> None:
            migrate = schema.up if way == "up" else partial(schema.down, yes=True)
            work = migrate(to=to, progress=lambda what, *_: told.append(what))
            done[f"{way} {to}"] = await users.meanwhile(work, may_start=may_start)

        await meanwhile("up", EXPAND)
        await meanwhile("up", BACKFILL)
        assert told.count("filling CallSession") > 3
        async with open_calls(new_url):  # it may still be started, too
            await users.begin(400)
        assert await count("CallSession", LACKING) >= 400
        # Now a release that writes the note begins all calls; those that lack it go on.
        await meanwhile("up", CONTRACT, may_start=False)
        assert await count("CallSession", LACKING) == 0
        with pytest.raises(errors.SchemaMismatch, match="newer callstore"):
            async with open_calls(new_url):
                pass
        with pytest.raises(errors.StoreError, match=r"note|validation"):
            await old.start(HALL, ANN)
        await meanwhile("down", BACKFILL, may_start=False)
        await meanwhile("down", EXPAND)
        await meanwhile("down", NEWEST)
        assert all(done.values()), done
        assert max(users.took) < Settings().command_deadline
        assert (await old.doctor()).findings == []
