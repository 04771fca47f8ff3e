"""A MongoDB that knows its users: which of its roles callstore needs, and for what."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure

from callstore import SchemaReport, errors, open_calls
from callstore.testing import conversation
from callstore.testing.contract.world import ANN, BOB
from callstore.testing.mongod import LocalMongod, _binary, _free_ports, _wait_for

Client = MongoClient[dict[str, Any]]
INDEX = "CallSession_history"


@pytest.fixture(scope="module")
def root(mongod: LocalMongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Who may do all, on a replica set that asks everybody else who they are."""
    (port,), folder = _free_ports(1), tmp_path_factory.mktemp("guarded")
    key = folder / "key"
    key.write_text("onlymembersknowit")
    key.chmod(0o600)
    with subprocess.Popen(_command(folder, port, key), stdout=subprocess.DEVNULL) as process:
        try:
            url = f"127.0.0.1:{port}/?directConnection=true"
            with Client(f"mongodb://{url}", serverSelectionTimeoutMS=30_000) as first:
                member = {"_id": 0, "host": f"127.0.0.1:{port}"}
                first.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
                _wait_for(partial(_is_primary, first))
                first.admin.command("createUser", "root", pwd="root", roles=["root"])
            with Client(f"mongodb://root:root@{url}") as opened:
                yield opened
        finally:
            process.kill()


def _command(folder: Path, port: int, key: Path) -> list[str]:
    (folder / "db").mkdir()
    return [
        *(_binary(folder), "--replSet", "rs0", "--port", str(port), "--bind_ip", "127.0.0.1"),
        *("--dbpath", str(folder / "db"), "--logpath", str(folder / "log"), "--nounixsocket"),
        *("--keyFile", str(key), "--wiredTigerCacheSizeGB", "0.5", "--oplogSize", "64"),
        *("--setParameter", "enableTestCommands=1"),
    ]


def _is_primary(client: Client) -> bool:
    try:
        return bool(client.admin.command("hello")["isWritablePrimary"])
    except ConnectionFailure:
        return False


Urls = Callable[..., str]


@pytest.fixture
def url_of(root: Client) -> Iterator[Urls]:
    """Of the database `app`, for a user with these roles of it, and this one of the cluster."""
    host, port = root.address or ("", 0)

    def made(*roles: str, cluster: str | None = None) -> str:
        name = str(ObjectId())
        granted = [{"role": role, "db": "app"} for role in roles]
        granted += [{"role": cluster, "db": "admin"}] if cluster else []
        root.admin.command("createUser", name, pwd="word", roles=granted)
        return f"mongodb://{name}:word@{host}:{port}/app?authSource=admin"

    yield made
    root.drop_database("app")


async def up(url: str, **how: Any) -> SchemaReport:
    async with open_calls(url, check_schema=False) as calls:
        return await calls.schema.up(**how)


async def test_read_write_is_enough_for_a_new_database_and_all_that_is_done_daily(
    url_of: Urls, root: Client
) -> None:
    root["app"]["User"].insert_one({})
    async with open_calls(
        url_of("readWrite"), recordings="memory:", settings={"secret": "s"}
    ) as calls:
        call = await calls.start(conversation(1), ANN, invite=[BOB])
        await calls.join(call.id, BOB)
        await calls.captions.add(call.id, BOB, segment_id="1", language="en", text="hello")
        assert (await calls.captions.search("hello", party=ANN)).items
        await calls.end(call.id)
        assert (await calls.history(conversation(1))).items
        await calls.sweep()
        await calls.retention.run()
        await calls.privacy.erase(BOB)
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.5, stop.set)
        assert (await calls.privacy.watch(stop=stop, users="User")).failed == 0
        assert root["app"]["CallLease"].find_one({"_id": "watch"})
        assert (await calls.doctor()).findings == []
        assert all(probe.ok for probe in (await calls.schema.verify()).probes)


async def test_read_write_builds_indexes_and_takes_all_away(url_of: Urls, root: Client) -> None:
    url = url_of("readWrite")
    await up(url)
    root["app"]["CallSession"].drop_index(INDEX)
    assert [each.index for each in (await up(url)).built] == [INDEX]
    async with open_calls(url) as calls:
        assert (await calls.schema.down(to=0, yes=True)).version == 0


async def test_rules_that_change_need_db_admin(url_of: Urls, root: Client) -> None:
    daily = url_of("readWrite")
    await up(daily)
    root["app"].command({"collMod": "CallSession", "validator": {}})
    with pytest.raises(errors.StoreUnavailable, match=r"credentials: .*collMod"):
        await up(daily)
    assert (await up(url_of("readWrite", "dbAdmin"))).pending == []
    async with open_calls(daily):
        pass


@pytest.mark.parametrize("cluster", ["clusterMonitor", None])
async def test_how_far_an_index_is_only_a_cluster_monitor_is_told(
    url_of: Urls, root: Client, cluster: str | None
) -> None:
    """The server builds it in a thread that is no user's."""
    url = url_of("readWrite", cluster=cluster)
    async with open_calls(url) as calls:
        await calls.start(conversation(1), ANN)
    root["app"]["CallSession"].drop_index(INDEX)
    held = {"configureFailPoint": "hangAfterSettingUpIndexBuild"}
    root.admin.command({**held, "mode": "alwaysOn"})
    told: list[int] = []

    def go_on() -> None:
        root.admin.command({**held, "mode": "off"})

    def tell(what: str, done: int, total: int) -> None:
        told.append(done)
        go_on()

    asyncio.get_running_loop().call_later(60 if cluster else 1, go_on)
    await up(url, progress=tell)
    assert told == ([0, 1] if cluster else [1])


async def test_who_may_only_read_is_told_what_is_missing(url_of: Urls) -> None:
    await up(url_of("readWrite"))
    async with open_calls(url_of("read")) as calls:
        assert await calls.live_in(conversation(1)) is None
        with pytest.raises(errors.StoreUnavailable, match=r"credentials: .*insert"):
            await calls.start(conversation(1), ANN)
