"""Calls move between stores, whole and unchanged, in both directions."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st
from tests.stores import database
from tests.stores.filling import fill_all, rows_of
from tests.stores.prisma import Prisma, make

from callstore import copy_calls, errors, open_calls
from callstore.copying import NAMES, _Sum
from callstore.testing import user
from callstore.testing.contract.world import ANN, BOB, CAT, HALL, ROOM, check_sound

VERIFYING = "verifying the source's CallSession"


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    return lambda name: f"sqlite:///{tmp_path}/{name}.db"


@pytest.fixture(params=["up", "down"])
def way(
    request: pytest.FixtureRequest, file: Callable[[str], str], new_mongo: str
) -> tuple[str, str]:
    """From where to where, and the other way."""
    return (file("a"), new_mongo) if request.param == "up" else (new_mongo, file("a"))


async def test_there_and_back_every_row_is_what_it_was(
    file: Callable[[str], str], new_mongo: str
) -> None:
    await fill_all(file("a"))
    before = await rows_of(file("a"))
    assert all(before[name] for name in NAMES)
    there = await copy_calls(file("a"), new_mongo)
    back = await copy_calls(new_mongo, file("b"))
    assert there.verified
    assert back.verified
    assert there.collections == back.collections
    assert before == await rows_of(new_mongo) == await rows_of(file("b"))
    for url in (new_mongo, file("b")):
        async with open_calls(url) as calls:
            await check_sound(calls)
            assert (await calls.schema.plan()).changes == []


async def test_run_again_it_brings_what_has_changed(
    file: Callable[[str], str], new_mongo: str
) -> None:
    await fill_all(file("a"))
    await copy_calls(file("a"), new_mongo)
    again = await copy_calls(file("a"), new_mongo)
    assert {each.written for each in again.collections.values()} == {0}
    async with open_calls(file("a")) as calls:
        assert await calls.mark_seen(CAT) == 1
        await calls.start(ROOM, ANN)
        await calls.end((await calls.live_in(ROOM)).id)  # type: ignore[union-attr]
    more = await copy_calls(file("a"), new_mongo)
    assert more.verified
    assert more.collections["CallSession"].written == 1
    assert more.collections["CallLogEntry"].written == 2  # CAT's, and ANN's of the new call
    assert await rows_of(file("a")) == await rows_of(new_mongo)


async def test_what_was_erased_or_expired_meanwhile_goes(
    file: Callable[[str], str], new_mongo: str
) -> None:
    await fill_all(file("a"))
    await copy_calls(file("a"), new_mongo)
    async with open_calls(file("a")) as calls:
        rows, _ = await calls._store.rows("CallTranscription", None, 5)
        await calls._store.delete_rows("CallTranscription", rows)
    again = await copy_calls(file("a"), new_mongo)
    assert again.verified
    assert again.collections["CallTranscription"].deleted == len(rows) > 0


SECRET = {"secret": "of the tests"}


@pytest.mark.parametrize("mode", ["anonymise", "delete"])
async def test_whoever_was_erased_meanwhile_is_erased_there(
    way: tuple[str, str], mode: Any
) -> None:
    src, dst = way
    await fill_all(src, seeded=30)
    await copy_calls(src, dst)
    async with open_calls(src, settings=SECRET) as calls:
        assert (await calls.privacy.erase(BOB, mode=mode)).status == "done"
    assert (await copy_calls(src, dst)).verified
    assert await rows_of(src) == await rows_of(dst)
    async with open_calls(dst) as calls:
        assert (await calls.log(BOB)).items == []


async def test_what_a_host_keeps_in_its_rows_stays_there(
    file: Callable[[str], str], new_mongo: str
) -> None:
    async with open_calls(file("a")) as calls:
        call = await calls.start(ROOM, ANN)
        await copy_calls(file("a"), new_mongo, live=True)
        database.change(new_mongo, "CallSession", tenant="acme")
        await calls.end(call.id)
    report = await copy_calls(file("a"), new_mongo)
    assert (report.verified, report.collections["CallSession"].written) == (True, 1)
    (row,) = database.rows(new_mongo)["CallSession"]
    assert (row["tenant"], row["status"]) == ("acme", "ended")


async def test_an_id_that_is_used_again_elsewhere_is_copied(way: tuple[str, str]) -> None:
    src, dst = way
    async with open_calls(src) as calls:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        await calls.end(call.id)
        await copy_calls(src, dst)
        await calls.privacy.delete_conversation(ROOM)
        await calls.end((await calls.start(HALL, ANN, call_id=call.id)).id)
    assert (await copy_calls(src, dst)).verified
    assert await rows_of(src) == await rows_of(dst)


async def test_what_was_deleted_and_said_again_takes_its_place(
    file: Callable[[str], str], new_url: str
) -> None:
    async with open_calls(file("a")) as calls:
        call = await calls.start(ROOM, ANN)
        old = await calls.captions.add(call.id, ANN, segment_id="1", text="old", language="en")
        await copy_calls(file("a"), new_url, live=True)
        await calls.captions.delete(old.id)
        await calls.captions.add(call.id, ANN, segment_id="1", text="new", language="en")
        assert (await copy_calls(file("a"), new_url, live=True)).verified
    async with open_calls(new_url) as calls:
        assert [c.text for c in (await calls.captions.list(call.id)).items] == ["new"]
        assert (await calls.captions.search("old", call_id=call.id)).items == []


async def test_live_calls_are_refused_unless_they_may_be_copied(way: tuple[str, str]) -> None:
    src, dst = way
    await fill_all(src, live=True, seeded=30)
    with pytest.raises(errors.Conflict, match="1 calls are live"):
        await copy_calls(src, dst)
    report = await copy_calls(src, dst, live=True)
    assert (report.verified, report.passes) == (True, 2)
    async with open_calls(dst) as calls:  # it goes on there
        call = await calls.live_in(ROOM)
        assert call is not None
        assert (await calls.join(call.id, user(77))).call.live_count == 3
        assert not (await calls.end(call.id)).live
        await check_sound(calls)


async def test_with_live_it_brings_what_is_written_meanwhile(way: tuple[str, str]) -> None:
    src, dst = way
    await fill_all(src, live=True)
    async with open_calls(src) as calls:
        call = await calls.live_in(ROOM)
        assert call is not None
        told = 0

        def progress(what: str, done: int, total: int) -> None:
            nonlocal told
            told += what == "CallEvent"

        async def work() -> None:
            for n in range(100, 130):
                await calls.join(call.id, user(n))

        report, _ = await asyncio.gather(copy_calls(src, dst, live=True, progress=progress), work())
    assert told > 1
    if not report.verified:  # it was written to until the very end
        report = await copy_calls(src, dst, live=True)
    assert report.verified
    assert await rows_of(src) == await rows_of(dst)


async def test_one_that_went_only_because_it_expired_is_no_stranger(
    file: Callable[[str], str], new_mongo: str
) -> None:
    await fill_all(file("a"))
    async with open_calls(file("a")) as calls:
        rows, _ = await calls._store.rows("CallSession", None, 1000)
        past = datetime.now(UTC) - timedelta(days=1)  # the server's own net comes two days later
        expired = msgspec.structs.replace(rows[0], expires_at=past)
        await calls._store.put_rows("CallSession", [expired])
        await copy_calls(file("a"), new_mongo)
        await calls._store.delete_rows("CallSession", [expired])
    report = await copy_calls(file("a"), new_mongo)
    assert report.verified
    assert report.collections["CallSession"].deleted == 1
    assert report.collections["CallEvent"].deleted > 0


async def test_a_store_is_not_copied_onto_itself(
    file: Callable[[str], str], new_mongo: str
) -> None:
    for url in (file("a"), new_mongo):
        await fill_all(url, seeded=30)
    for src, dst in (
        (file("a"), file("a")),
        (new_mongo, new_mongo.replace("127.0.0.1", "localhost")),
    ):
        with pytest.raises(errors.Invalid, match="/dst"):
            await copy_calls(src, dst)


async def test_a_source_that_is_not_there_is_not_made(
    file: Callable[[str], str], new_mongo: str, tmp_path: Path
) -> None:
    for src in (file("typo"), "memory:", new_mongo):
        with pytest.raises(errors.NotFound):
            await copy_calls(src, file("b"))
    assert database.rows(new_mongo, but=()) == {}
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("at", ["CallParticipant", "CallEvent", VERIFYING])
async def test_one_that_was_killed_goes_on(way: tuple[str, str], at: str) -> None:
    src, dst = way
    async with open_calls(src) as calls:
        await calls.seed(700)
    assert await asyncio.to_thread(_killed, *way, at) == -signal.SIGKILL
    async with open_calls(dst, check_schema=False) as calls:
        await calls._store.change_lease("copy", _ended)  # a minute has gone by
    report = await copy_calls(src, dst)
    assert report.verified
    for name in NAMES if at == VERIFYING else NAMES[: NAMES.index(at)]:
        assert report.collections[name].written == 0  # by the first already
    assert report.collections["CallParticipant"].rows > 0
    assert await rows_of(src) == await rows_of(dst)
    async with open_calls(dst) as calls:
        assert (await calls.doctor()).findings == []


def _ended(lease: Any) -> Any:
    return lease and msgspec.structs.replace(lease, holder=None)


def _killed(src: str, dst: str, at: str) -> int:
    """How the copy ended that was killed when it told of this."""
    code = (
        "import asyncio, sys, callstore\n"
        "told = lambda what, done, total: print(what, flush=True)\n"
        "asyncio.run(callstore.copy_calls(*sys.argv[1:], progress=told))"
    )
    command = [sys.executable, "-c", code, src, dst]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == at:
                process.kill()
    return process.returncode


class Thing(msgspec.Struct):
    id: str
    number: float
    more: Any


THINGS = st.builds(
    Thing,
    id=st.text(max_size=3),
    number=st.floats(allow_nan=False),
    more=st.none() | st.dictionaries(st.text(max_size=2), st.integers(), max_size=3),
)


@given(st.lists(THINGS, max_size=5), st.randoms(use_true_random=False))
def test_a_digest_does_not_depend_on_order(things: list[Thing], random: Any) -> None:
    shuffled = [msgspec.structs.replace(thing) for thing in things]
    for thing in shuffled:
        if thing.more:
            thing.more = dict(sorted(thing.more.items(), reverse=True))
    random.shuffle(shuffled)
    assert _digest(things) == _digest(shuffled)


@given(st.lists(THINGS, min_size=1, max_size=5), st.text(min_size=4, max_size=5))
def test_a_digest_tells_a_changed_row(things: list[Thing], other: str) -> None:
    changed = [msgspec.structs.replace(things[0], id=other), *things[1:]]
    assert _digest(things) != _digest(changed)
    assert _digest(things) != _digest(things[1:])


def _digest(things: list[Thing]) -> str:
    summed = _Sum()
    summed.add(things)
    return summed.digest


async def test_a_database_that_another_wrote_is_not_copied_to(
    file: Callable[[str], str], new_mongo: str
) -> None:
    await fill_all(file("a"), seeded=30)
    with database.mongo_database(new_mongo) as db:
        make(db)
        Prisma(db).create_call(ObjectId(), ObjectId())
    before = database.rows(new_mongo, but=())
    with pytest.raises(errors.SchemaMismatch, match="dst: something else wrote"):
        await copy_calls(file("a"), new_mongo)
    assert database.rows(new_mongo, but=()) == before


async def test_a_wrong_url_is_named(file: Callable[[str], str]) -> None:
    await fill_all(file("a"), seeded=30)
    for src, dst, name in (("ftp://a", file("b"), "/src"), (file("a"), "ftp://a", "/dst")):
        with pytest.raises(errors.Invalid, match=name):
            await copy_calls(src, dst)


@pytest.mark.parametrize("how", ["progress fails", "cancelled"])
async def test_nothing_is_written_once_it_has_stopped(
    way: tuple[str, str], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    src, dst = way
    await fill_all(src, seeded=30)
    await copy_calls(src, dst)
    async with open_calls(src) as calls:
        await calls.seed(50, seed=2)
    monkeypatch.setattr("callstore.copying.BATCH", 50)
    copying: asyncio.Task[Any]

    def progress(what: str, done: int, total: int) -> None:
        if what == "CallEvent" and done == 100:
            if how == "progress fails":
                raise ZeroDivisionError
            copying.cancel()

    before = asyncio.all_tasks()
    copying = asyncio.create_task(copy_calls(src, dst, progress=progress))
    with pytest.raises((ZeroDivisionError, asyncio.CancelledError)):
        await copying
    assert asyncio.all_tasks() == before
    assert (await copy_calls(src, dst)).verified
