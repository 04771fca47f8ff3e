"""The host deletes in collections of its own, on a real MongoDB, and a watcher follows."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from tests.privacy.watching import MARKS, SOON, Host, Watch, insert, token, until, watching
from tests.privacy.watching import calls as calls
from tests.privacy.watching import host as host
from tests.privacy.watching import url as url

from callstore import Calls, User, errors, open_calls
from callstore.privacy.watch import WatchReport

pytestmark = MARKS


async def test_what_the_host_deletes_goes_here_too(calls: Calls, host: Host) -> None:
    (room, kept), (ann,), (gus,) = (
        insert(host[name], count)
        for name, count in (("Conversation", 2), ("User", 1), ("AnonymousParticipant", 1))
    )
    (other,) = insert(host["Other"], 1)
    names = {"conversations": "Conversation", "users": "User", "guests": "AnonymousParticipant"}
    async with watching(calls, host, **names, mode="delete", by="ops") as watch:
        host["Conversation"].delete_one({"_id": room})
        host["Conversation"].update_one({"_id": kept}, {"$set": {"title": "x"}})
        host["Other"].delete_one({"_id": other})
        host["User"].delete_one({"_id": ann})
        host["AnonymousParticipant"].delete_one({"_id": gus})
        await until(lambda: len(watch.told) == 3)
    assert watch.said == [f"conversation {room} ops", f"u:{ann} delete ops", f"g:{gus} ops"]
    assert [(one.what, one.id) for one in watch.told] == [
        ("conversation", str(room)),
        ("user", str(ann)),
        ("guest", str(gus)),
    ]
    assert all(one.receipt.status == "done" for one in watch.told)
    assert watch.report == WatchReport(followed=3, failed=0)


async def test_calls_of_a_conversation_and_all_of_a_user_are_gone(url: str, host: Host) -> None:
    (room, other), (ann, bob) = insert(host["Conversation"], 2), insert(host["User"], 2)
    stop = asyncio.Event()
    told: list[Any] = []
    async with open_calls(url, recordings="memory:", settings={"secret": "s"}) as calls:
        gone = await calls.start(str(room), User(str(ann)), invite=[User(str(bob))])
        kept = await calls.start(str(other), User(str(bob)), invite=[User(str(ann))])
        await calls.join(kept.id, User(str(ann)))
        async with asyncio.timeout(SOON), asyncio.TaskGroup() as tasks:
            following = calls.privacy.watch(
                stop=stop, tell=told.append, conversations="Conversation", users="User"
            )
            tasks.create_task(following)
            await until(lambda: token(host))
            host["Conversation"].delete_one({"_id": room})
            host["User"].delete_one({"_id": ann})
            await until(lambda: len(told) == 2)
            stop.set()
        assert [one.receipt is not None for one in told] == [True, True]
        with pytest.raises(errors.NotFound):
            await calls.get(gone.id)
        left = await calls.get(kept.id)
        assert {row.party for row in left.participants or ()} == {User(str(bob)), None}
        assert (await calls.log(User(str(ann)))).items == []


async def test_collections_of_another_database_and_of_several(
    calls: Calls, host: Host, client: MongoClient[dict[str, Any]]
) -> None:
    other = client[f"{host.name}-other"]
    try:
        (ann,), (room, second) = insert(other["app.users"], 1), insert(host["Conversation"], 2)
        users = f"{other.name}.app.users"
        async with watching(calls, host, users=users) as watch:
            other["app.users"].delete_one({"_id": ann})
            await until(lambda: watch.told)
        assert watch.said == [f"u:{ann} anonymise watch"]
        host["Conversation"].delete_one({"_id": room})
        async with watching(calls, host, conversations="Conversation", users=users) as watch:
            host["Conversation"].delete_one({"_id": second})
            await until(lambda: len(watch.told) == 2)
        assert watch.said == [f"conversation {id} watch" for id in (room, second)]
    finally:
        client.drop_database(other)


async def test_it_goes_on_where_it_ended_also_with_other_collections(
    calls: Calls, host: Host
) -> None:
    rooms, users = insert(host["Conversation"], 3), insert(host["User"], 2)
    async with watching(calls, host, conversations="Conversation") as watch:
        host["Conversation"].delete_one({"_id": rooms[0]})
        await until(lambda: watch.told)
    host["User"].delete_one({"_id": users[0]})
    host["Conversation"].delete_one({"_id": rooms[1]})
    async with watching(calls, host, users="User") as watch:
        await until(lambda: watch.told)
    assert watch.said == [f"u:{users[0]} anonymise watch"]
    host["Conversation"].delete_one({"_id": rooms[2]})
    async with watching(calls, host, conversations="Conversation", from_now=True) as watch:
        host["User"].delete_one({"_id": users[1]})
    assert watch.said == []


async def test_an_id_that_is_none_of_ours_is_passed_over(
    calls: Calls, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    huge: list[Any] = ["x" * 2000, "x" * 7_000_000]  # a token of the last is past 16 MB
    odd: list[Any] = ["ann", 7, {"a": 1}, ObjectId("0" * 24)]
    for id in huge + odd:
        host["User"].insert_one({"_id": id})
    (ann,) = insert(host["User"], 1)
    async with watching(calls, host, users="User") as watch:
        for id in [*huge, *odd, ann]:
            host["User"].delete_one({"_id": id})
        await until(lambda: watch.told)
    assert watch.said == [f"u:{ann} anonymise watch"]
    warned = [r.message for r in caplog.records if "passed over" in r.message]
    assert len(warned) == len(odd)


async def test_what_cannot_be_erased_does_not_stop_the_rest(
    calls: Calls, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    ids = insert(host["Conversation"], 4)
    failures = dict(
        zip(
            map(str, ids),
            [ZeroDivisionError(), errors.StoreError("no"), errors.NotFound("call", "x")],
            strict=False,
        )
    )
    async with watching(calls, host, conversations="Conversation") as watch:

        async def say(line: str) -> None:
            if failure := failures.get(line.split()[1]):
                raise failure

        watch.say = say
        host["Conversation"].delete_many({})
        await until(lambda: len(watch.told) == 4)
    by_id = {one.id: one.receipt for one in watch.told}
    assert [by_id[str(id)] is None for id in ids] == [True, True, True, False]
    assert watch.report == WatchReport(followed=1, failed=2)
    logged = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert sorted(logged) == sorted(f"conversation {id} could not be erased" for id in ids[:2])


@pytest.mark.parametrize("error", [errors.Busy("b"), errors.StoreUnavailable("u")])
async def test_a_store_that_is_away_is_waited_for(
    calls: Calls, host: Host, error: errors.StoreError
) -> None:
    first, second = insert(host["Conversation"], 2)
    async with watching(calls, host, conversations="Conversation") as watch:
        tries = []

        async def say(line: str) -> None:
            tries.append(line)
            if len(tries) < 4:
                raise error

        watch.say = say
        host["Conversation"].delete_one({"_id": first})
        host["Conversation"].delete_one({"_id": second})
        await until(lambda: len(watch.told) == 2)
    assert tries == [f"conversation {first} watch"] * 4 + [f"conversation {second} watch"]
    assert watch.report == WatchReport(followed=2, failed=0)


async def test_one_that_is_stopped_while_it_waits_is_followed_by_the_next(
    calls: Calls, host: Host
) -> None:
    (room,) = insert(host["Conversation"], 1)
    async with watching(calls, host, conversations="Conversation") as watch:
        asked = asyncio.Event()

        async def say(line: str) -> None:
            asked.set()
            raise errors.Busy("others")

        watch.say = say
        host["Conversation"].delete_one({"_id": room})
        await asked.wait()
    assert watch.told == []
    assert watch.report == WatchReport()
    again = Watch()
    async with asyncio.timeout(SOON), asyncio.TaskGroup() as tasks:
        tasks.create_task(again.run(calls, conversations="Conversation"))
        await until(lambda: again.told)
        again.stop.set()
    assert again.said == [f"conversation {room} watch"]


async def ended_by(
    happens: Callable[[], object], calls: Calls, host: Host, **options: Any
) -> errors.StoreError:
    """The error that a watch ends with."""
    try:
        async with watching(calls, host, **options):
            happens()
            await asyncio.sleep(SOON)
    except ExceptionGroup as group:
        (error,) = group.exceptions
        assert isinstance(error, errors.StoreError)
        assert not isinstance(error, errors.StoreUnavailable)
        return error
    raise AssertionError("it goes on")


@pytest.mark.parametrize("how", ["drop", "rename", "replaced"])
async def test_a_collection_that_goes_as_a_whole_ends_it(
    calls: Calls, host: Host, how: str
) -> None:
    insert(host["User"], 2)
    insert(host["Old"], 1)
    ways: dict[str, Callable[[], object]] = {
        "drop": host["User"].drop,
        "rename": lambda: host["User"].rename("People"),
        "replaced": lambda: host["Old"].rename("User", dropTarget=True),
    }
    error = await ended_by(ways[how], calls, host, users="User")
    assert "start again with --from-now" in str(error)


async def test_a_database_that_goes_ends_it(
    calls: Calls, host: Host, client: MongoClient[dict[str, Any]]
) -> None:
    other = client[f"{host.name}-going"]
    insert(other["User"], 1)
    users = f"{other.name}.User"
    error = await ended_by(lambda: client.drop_database(other), calls, host, users=users)
    assert "start again with --from-now" in str(error)


@contextmanager
def failing(client: MongoClient[dict[str, Any]], command: str, code: int, **more: Any) -> Any:
    """The server refuses this command of callstore's, as told."""
    point = {"configureFailPoint": "failCommand"}
    data = {"failCommands": [command], "errorCode": code, "appName": "callstore", **more}
    client.admin.command({**point, "mode": "alwaysOn", "data": data})
    try:
        yield
    finally:
        client.admin.command({**point, "mode": "off"})


async def test_a_history_that_is_lost_is_said(
    calls: Calls, host: Host, client: MongoClient[dict[str, Any]]
) -> None:
    async with watching(calls, host, users="User"):
        pass
    with (
        failing(client, "aggregate", 286),
        pytest.raises(errors.StoreError, match=r"missed.*--from-now"),
    ):
        await Watch().run(calls, users="User")


async def test_rights_that_are_lacking_are_said(
    calls: Calls, host: Host, client: MongoClient[dict[str, Any]]
) -> None:
    with failing(client, "aggregate", 13), pytest.raises(errors.StoreError, match="changeStream"):
        await Watch().run(calls, users="User")


async def test_a_stream_that_breaks_is_taken_up_again(
    calls: Calls, host: Host, client: MongoClient[dict[str, Any]]
) -> None:
    ids = insert(host["User"], 2)
    async with watching(calls, host, users="User") as watch:
        with failing(client, "getMore", 6, closeConnection=True):
            host["User"].delete_one({"_id": ids[0]})
            await asyncio.sleep(1.5)
        host["User"].delete_one({"_id": ids[1]})
        await until(lambda: len({*watch.said}) == 2)
    assert list(dict.fromkeys(watch.said)) == [f"u:{id} anonymise watch" for id in ids]


# -- what it refuses


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({}, ["/conversations"]),
        ({"users": ""}, ["/users"]),
        ({"users": "a$b", "guests": "x" * 300, "mode": "forget"}, ["/users", "/guests", "/mode"]),
        ({"users": "User", "guests": "User"}, ["/users", "/guests"]),
        ({"conversations": "CallSession"}, ["/conversations"]),
        ({"users": ".a"}, ["/users"]),
        ({"users": "U", "by": ""}, ["/by"]),
    ],
)
async def test_arguments_that_make_no_sense(options: dict[str, Any], wrong: list[str]) -> None:
    async with open_calls("memory:") as calls:
        with pytest.raises(errors.Invalid) as caught:
            await Watch().run(calls, **options)
    assert [pointer for pointer, _ in caught.value.errors] == wrong


async def test_sqlite_has_no_collections_of_the_host(tmp_path: Path) -> None:
    async with open_calls(f"sqlite:///{tmp_path}/calls.db") as calls:
        with pytest.raises(errors.StoreError, match="watch needs a store there"):
            await Watch().run(calls, users="User")


async def test_a_collection_that_is_not_there(calls: Calls, host: Host) -> None:
    with pytest.raises(errors.NotFound, match="Users"):
        await Watch().run(calls, users="Users")
