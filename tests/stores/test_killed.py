"""Migrations whose process is killed, at whatever point: the next `up` mends what they left."""

import pytest
from tests.stores import database
from tests.stores.filling import filled
from tests.stores.migrating import (
    CONTRACT,
    EXPAND,
    NEWEST,
    REPLACING,
    ended,
    killed_at,
    live_shape,
    process,
    schema_of,
)

from callstore import Calls, open_calls
from callstore.testing.mongod import local_mongod

INDEX = "CallSession_history"


async def a_minute_later(calls: Calls) -> None:
    """The lease of who was killed has ended."""
    await calls._store.change_lease("schema", lambda old: old and ended(old))


@pytest.mark.parametrize("batches", [1, 2])
async def test_an_up_that_is_killed_at_any_batch_goes_on(new_url: str, batches: int) -> None:
    await filled(new_url, 2000)
    killed_at("filling", batches, new_url)
    async with open_calls(new_url, check_schema=False) as calls:
        await a_minute_later(calls)
        schema = schema_of(calls)
        assert (await schema.status()).version == EXPAND
        told: list[tuple[str, int, int]] = []
        report = await schema.up(progress=lambda *each: told.append(each))
        assert (report.version, report.pending) == (CONTRACT, [])
        (_, _, left), *_ = [each for each in told if each[0].startswith("filling")]
        assert left == 2001 - 1000 * batches  # what was filled is not filled again
    found = database.rows(new_url)["CallSession"]
    assert len(found) == 2001
    assert {row["note"][:5] for row in found} == {"audio", "video"}


async def test_an_up_that_is_killed_between_two_changes_goes_on(new_url: str) -> None:
    await filled(new_url)
    killed_at("index CallSession_note", 1, new_url)
    async with open_calls(new_url, check_schema=False) as calls:
        await a_minute_later(calls)
        schema = schema_of(calls)
        assert (await schema.status()).version == NEWEST
        assert (await schema.up()).pending == []
        assert (await schema.plan()).changes == []


async def test_a_down_that_is_killed_is_taken_back_by_an_up(new_url: str) -> None:
    await filled(new_url, 1500)
    async with open_calls(new_url, check_schema=False) as calls:
        schema = schema_of(calls, REPLACING)
        await schema.up()
        before, shape = database.all_else(new_url), await live_shape(calls)
        killed_at("filling", 1, new_url, "down")
        assert database.all_else(new_url) != before
        assert "remove" in {change.action for change in (await schema.plan()).changes}
        await a_minute_later(calls)
        assert (await schema.status()).version == CONTRACT
        assert (await schema.up()).pending == []
        assert await live_shape(calls) == shape
        assert database.all_else(new_url) == before
        assert (await schema.plan()).changes == []


@pytest.mark.parametrize("with_its_server", [False, True])
async def test_one_that_is_killed_while_an_index_is_built_goes_on(with_its_server: bool) -> None:
    """The server builds on, or begins anew."""
    with local_mongod(options={"enableTestCommands": 1}) as mongod:
        url = f"{mongod.url}/calls"
        await filled(url, 3)
        database.drop_index(url, "CallSession", INDEX)
        halt(url, "alwaysOn")
        with process(url) as migrating:
            database.until_building(url, INDEX)
            migrating.kill()
        if with_its_server:
            mongod.kill(0)
            mongod.start(0)
            mongod.primary()
        else:
            halt(url, "off")
        async with open_calls(url, check_schema=False) as calls:
            await a_minute_later(calls)
            report = await schema_of(calls).up()
            assert (report.version, report.pending) == (CONTRACT, [])
        with database.mongo_database(url) as db:
            while db.command("collStats", "CallSession")["indexBuilds"]:
                pass
            assert INDEX in db["CallSession"].index_information()


def halt(url: str, mode: str) -> None:
    """Builds of indexes, once they have begun."""
    with database.mongo_database(url) as db:
        db.client.admin.command("configureFailPoint", "hangAfterStartingIndexBuild", mode=mode)
