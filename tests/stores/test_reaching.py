"""Reaching a MongoDB: what cannot be used is refused with what to do about it."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from tests.stores.listening import Started, asked

from callstore import errors, open_calls
from callstore.stores.mongo.engine import AT_ONCE
from callstore.testing import conversation, user
from callstore.testing.mongod import LocalMongod, local_mongod

SECRET = "s3cret-w0rd"


@pytest.mark.parametrize(
    "url",
    [
        "mongodb:",
        "mongodb://",
        "mongodb://[",
        "mongodb://h:p:q/x",
        "mongodb://localhost:99999/x",
        f"mongodb://me:{SECRET}@localhost:port/x",
        f"mongodb://me:{SECRET}/@localhost/x",
        "mongodb://localhost/a.b",
        "mongodb://localhost/a b",
        "mongodb://localhost/$a",
        "mongodb://localhost/" + "a" * 64,
        "mongodb://localhost/x?w=nobody&readPreference=sometimes",
        "mongodb://localhost/x?tls=perhaps",
        "mongodb://localhost/x?tls=true&tlsCAFile=/nowhere",
        "mongodb://localhost/x?datetime_conversion=sometimes",
        "mongodb+srv://",
    ],
)
async def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(errors.Invalid, match="/store: ") as refusal:
        async with open_calls(url):
            pass
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "host", ["mongodb://{}127.0.0.1:1", "mongodb://{}no.invalid", "mongodb+srv://{}no.invalid"]
)
async def test_where_nobody_answers(host: str) -> None:
    url = host.format(f"me:{SECRET}@") + "/x"
    began = time.monotonic()
    with pytest.raises(errors.StoreUnavailable, match="cannot be reached") as refusal:
        async with open_calls(url, settings={"command_deadline": 1}):
            pass
    assert SECRET not in str(refusal.value)
    assert time.monotonic() - began < 10


async def test_wrong_credentials(mongod: LocalMongod) -> None:
    url = mongod.url.replace("//", f"//me:{SECRET}@") + "/x"
    with pytest.raises(errors.StoreUnavailable, match="credentials") as refusal:
        async with open_calls(url):
            pass
    assert SECRET not in str(refusal.value)


@pytest.fixture
def standalone(mongod: LocalMongod, tmp_path: Path) -> Iterator[str]:
    """A mongod that is no replica set."""
    from callstore.testing.mongod import _binary, _free_ports

    (port,) = _free_ports(1)
    folder = tmp_path / "alone"
    folder.mkdir()
    command = [_binary(tmp_path), "--port", str(port), "--bind_ip", "127.0.0.1"]
    command += ["--dbpath", str(folder), "--logpath", str(folder / "log"), "--nounixsocket"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            yield f"mongodb://127.0.0.1:{port}/x"
        finally:
            process.kill()


async def test_a_standalone_is_told_how_to_become_a_replica_set(standalone: str) -> None:
    with pytest.raises(errors.StoreUnavailable, match=r"--replSet.*rs\.initiate\(\)"):
        async with open_calls(standalone, settings={"command_deadline": 30}):
            pass


async def test_without_a_name_the_database_is_callstore(
    mongod: LocalMongod, client: MongoClient[Any]
) -> None:
    client.drop_database("callstore")
    async with open_calls(mongod.url) as calls:
        call = await calls.start(conversation(1), user(1))
    assert str(client["callstore"]["CallSession"].find_one()["_id"]) == call.id  # type: ignore[index]
    client.drop_database("callstore")


@pytest.fixture(scope="module")
def two() -> Iterator[LocalMongod]:
    with local_mongod(2) as running:
        yield running


@pytest.mark.parametrize("options", ["w=1", "w=0", "journal=false", "readConcernLevel=local"])
async def test_every_write_is_the_majoritys_whatever_the_url_says(
    mongod: LocalMongod, new_mongo: str, options: str
) -> None:
    async with open_calls(f"{new_mongo}?{options}") as calls:
        with asked("commitTransaction") as commits:
            call = await calls.start(conversation(1), user(1), invite=[user(2)])
            await calls.mark_seen(user(2), [call.id])
    assert [each.command["writeConcern"] for each in commits] == [{"w": "majority"}] * 2


@pytest.mark.parametrize("options", ["tz_aware=true", "datetime_conversion=DATETIME_MS"])
async def test_rows_are_read_alike_whatever_the_url_says(new_mongo: str, options: str) -> None:
    async with open_calls(f"{new_mongo}?{options}") as calls:
        call = await calls.start(conversation(1), user(1))
        assert await calls.get(call.id) == call


@pytest.mark.parametrize("database", ["admin", "local", "config"])
async def test_a_database_of_the_servers_own_is_refused(mongod: LocalMongod, database: str) -> None:
    with pytest.raises(errors.StoreError):
        async with open_calls(f"{mongod.url}/{database}"):
            pass


async def test_after_its_end_nothing_can_be_asked(new_mongo: str) -> None:
    async with open_calls(new_mongo) as calls:
        pass
    for work in (calls.schema.status, calls.schema.plan, calls.schema.up, calls.schema.verify):
        with pytest.raises(errors.StoreUnavailable, match="closed"):
            await work()


async def test_history_and_log_may_come_from_a_secondary(two: LocalMongod) -> None:
    async with open_calls(f"{two.url}/x?readPreference=secondary") as calls:
        call = await calls.start(conversation(1), user(1))
        primary = two.url.removeprefix("mongodb://").split(",")[two.primary()]
        with asked() as sent:
            await calls.history(conversation(1))
            await calls.log(user(1))
        assert primary not in members(sent)
        with asked() as sent:
            await calls.get(call.id)
            await calls.live_in(conversation(1))
            await calls.current(user(1))
            await calls.timeline(call.id)
        assert members(sent) == {primary}


def members(sent: list[Started]) -> set[str]:
    return {f"{host}:{port}" for host, port in (each.connection_id for each in sent)}


async def test_a_cancellation_that_is_lost_within_is_heard_behind(new_mongo: str) -> None:
    """Python 3.11's wait_for, by which the driver sends, may lose one."""
    async with open_calls(new_mongo) as calls:
        engine: Any = calls._store._engine  # type: ignore[attr-defined]
        asked = asyncio.Event()

        async def loses_it(session: Any) -> tuple[None, None]:
            asked.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return None, None

        for does in (engine.read(loses_it), engine.change(loses_it), engine.doing(loses_it(None))):
            asked.clear()
            task = asyncio.create_task(does)
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await calls.live_in(conversation(1)) is None


async def test_each_has_its_deadline_however_many_wait(mongod: LocalMongod, new_mongo: str) -> None:
    async with open_calls(new_mongo, settings={"command_deadline": 1}) as calls:
        mongod.pause(0)
        try:
            began = time.monotonic()
            works = [
                does
                for n in range(1, 101)
                for does in (
                    calls.history(conversation(n)),
                    calls.log(user(n)),
                    calls.mark_seen(user(n)),
                    calls.start(conversation(n), user(n)),
                )
            ]
            results = await asyncio.gather(*works, return_exceptions=True)
            took = time.monotonic() - began
        finally:
            mongod.resume(0)
    assert took < 5
    for result in results:
        assert isinstance(result, errors.StoreUnavailable | errors.Busy), result


async def test_histories_whose_turn_does_not_come_are_asked_for_once(new_mongo: str) -> None:
    async with open_calls(new_mongo, settings={"command_deadline": 0.5}) as calls:
        engine: Any = calls._store._engine  # type: ignore[attr-defined]
        for _ in range(AT_ONCE):
            await engine._gate.acquire()
        began = time.monotonic()
        pages = [calls.history(conversation(n)) for n in range(1, 11)]
        results = await asyncio.gather(*pages, return_exceptions=True)
        assert time.monotonic() - began < 3
        assert {type(result) for result in results} == {errors.Busy}
        for _ in range(AT_ONCE):
            engine._gate.release()
        assert (await calls.history(conversation(1))).items == []
