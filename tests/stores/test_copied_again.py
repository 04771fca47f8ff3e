"""A copy that is made again: who takes whose place, what it deletes, and what it refuses."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.stores.filling import rows_of, said_and_recorded

from callstore import Calls, copy_calls, errors, open_calls
from callstore.calls.model import replace
from callstore.copying import MADE, NAMES, OCCUPYING, _Copy
from callstore.privacy.model import AuditEntry
from callstore.schema import tables
from callstore.schema.declaration import PRESENT
from callstore.schema.shape import Change
from callstore.stores.structure import Progress, untold
from callstore.testing import FakeClock
from callstore.testing.contract.world import ANN, BOB, HALL, ROOM

SECRET = {"secret": "nobody knows"}


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    return lambda name: f"sqlite:///{tmp_path}/{name}.db"


async def test_a_live_call_takes_the_place_of_one_that_has_ended_since(
    file: Callable[[str], str], new_url: str
) -> None:
    """Whatever the order of their ids."""
    src = file("a")
    async with open_calls(src) as calls:
        old = await calls.start(ROOM, ANN, call_id="f" * 24)
        await copy_calls(src, new_url, live=True)
        await calls.end(old.id)
        new = await calls.start(ROOM, ANN, call_id="a" * 24)
        assert (await copy_calls(src, new_url, live=True)).verified
    async with open_calls(new_url) as calls:
        live = await calls.live_in(ROOM)
        assert live is not None
        assert live.id == new.id


async def test_a_running_recording_takes_the_place_of_one_that_was_stopped_since(
    file: Callable[[str], str], new_url: str
) -> None:
    async with open_calls(file("a")) as calls:
        call = await calls.start(ROOM, ANN)
        (running,) = said_and_recorded(call)["CallRecording"]
        old, new = (replace(running, id=letter * 24) for letter in "fa")
        await calls._store.add_rows({"CallRecording": [old]})
        await copy_calls(file("a"), new_url, live=True)
        await calls._store.put_rows("CallRecording", [replace(old, status="processing")])
        await calls._store.add_rows({"CallRecording": [new]})
    assert (await copy_calls(file("a"), new_url, live=True)).verified
    assert await rows_of(file("a")) == await rows_of(new_url)


def test_whatever_holds_a_place_is_known() -> None:
    """A unique index of what a row is for a while: it gives the place up, and another takes it."""
    wheres = [(c.name, index) for c in tables.COLLECTIONS for index in c.indexes if index.unique]
    for_a_while = {name for name, i in wheres if i.where and PRESENT not in i.where.values()}
    assert for_a_while == {"CallSession", "CallRecording"}
    assert not any(OCCUPYING[name](None) for name in {*NAMES} - for_a_while)


async def test_one_that_must_wait_for_another_pass_is_not_counted_as_written(
    file: Callable[[str], str], new_url: str
) -> None:
    """The target has not heard of the old one's end, as when that came while its call was read."""
    async with open_calls(file("a")) as source:
        old = await source.start(ROOM, ANN)
        await copy_calls(file("a"), new_url, live=True)
        await source.end(old.id)
        new = await source.start(ROOM, ANN)
        async with open_calls(new_url) as target:
            copy = _Copy(source._store, target._store, untold)
            assert await copy._put_last("CallSession", [new])
    assert copy._written["CallSession"] == 0


def test_whatever_belongs_to_no_other_row_has_a_time_by_which_it_is_told() -> None:
    assert MADE.keys() == {each.name for each in tables.KEPT if not each.of_call}


async def begun(calls: Calls) -> str:
    return (await calls.start(ROOM, ANN)).id


async def placed(calls: Calls) -> str:
    return (await calls.holds.place(conversation_id=HALL, by="counsel", reason="a claim")).id


async def erased(calls: Calls) -> str:
    return str((await calls.privacy.erase(BOB, by="dan")).id)


async def noted(calls: Calls) -> str:
    return (await calls.audit.record("retention.run", by="dan")).id


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("CallSession", begun),
        ("CallHold", placed),
        ("CallErasure", erased),
        ("CallAudit", noted),
    ],
)
async def test_a_database_with_rows_of_its_own_is_left_alone(
    file: Callable[[str], str], new_url: str, name: str, own: Callable[[Calls], Awaitable[str]]
) -> None:
    async with open_calls(file("a"), settings=SECRET) as calls:
        await calls.seed(5)
        await calls.holds.place(conversation_id=ROOM, by="counsel", reason="a claim")
    async with open_calls(new_url, settings=SECRET) as calls:
        id = await own(calls)
        if name in ("CallHold", "CallErasure"):  # what was done is in the audit as well
            rows, _ = await calls._store.rows("CallAudit", None, 10)
            await calls._store.delete_rows("CallAudit", rows)
    before = await rows_of(new_url)
    with pytest.raises(errors.Conflict, match=f"a {name} of its own, {id}"):
        await copy_calls(file("a"), new_url)
    assert await rows_of(new_url) == before


async def test_what_the_host_has_deleted_since_goes_from_the_copy(
    file: Callable[[str], str], new_url: str
) -> None:
    """Though the next call has begun in its place, and whatever was recorded of it."""
    async with open_calls(file("a"), settings=SECRET, recordings="memory:") as calls:
        old = await calls.start(ROOM, ANN)
        await calls.recordings.start(old.id, ANN)
        await calls.start(HALL, BOB)
        await copy_calls(file("a"), new_url, live=True)
        assert (await calls.privacy.delete_conversation(ROOM, by="ann")).status == "done"
        await calls.start(ROOM, BOB, call_id="0" * 23 + "1")
    report = await copy_calls(file("a"), new_url, live=True)
    assert report.verified
    assert report.collections["CallRecording"].deleted == 1
    assert report.collections["CallSession"].deleted == 1
    assert await rows_of(file("a")) == await rows_of(new_url)


async def test_a_first_copy_that_was_cut_off_goes_on_after_a_deletion(
    file: Callable[[str], str], new_url: str
) -> None:
    async with open_calls(file("a"), settings=SECRET) as calls:
        await calls.end((await calls.start(ROOM, ANN)).id)
        await calls.end((await calls.start(HALL, ANN)).id)
        with pytest.raises(ZeroDivisionError):
            await copy_calls(file("a"), new_url, progress=failing("CallEvent"))
        await calls.privacy.delete_conversation(ROOM, by="ann")
    assert (await copy_calls(file("a"), new_url)).verified
    assert await rows_of(file("a")) == await rows_of(new_url)


def failing(at: str) -> Progress:
    def told(what: str, done: int, total: int) -> None:
        if what == at:
            raise ZeroDivisionError

    return told


async def test_what_was_made_there_since_is_its_own(
    file: Callable[[str], str], new_url: str
) -> None:
    async with open_calls(file("a")) as calls:
        await calls.end((await calls.start(ROOM, ANN)).id)
    await copy_calls(file("a"), new_url)
    async with open_calls(new_url) as calls:
        own = await calls.end((await calls.start(ROOM, ANN)).id)
    with pytest.raises(errors.Conflict, match=f"a CallSession of its own, {own.id}"):
        await copy_calls(file("a"), new_url)


async def test_a_copy_of_one_database_is_none_of_another(
    file: Callable[[str], str], new_url: str
) -> None:
    for name in "ab":
        async with open_calls(file(name)) as calls:
            call = await calls.end((await calls.start(ROOM, ANN)).id)
        if name == "a":
            first = call
            await copy_calls(file("a"), new_url)
    with pytest.raises(errors.Conflict, match=f"a CallSession of its own, {first.id}"):
        await copy_calls(file("b"), new_url)
    assert (await copy_calls(file("a"), new_url)).verified  # it is a copy of that one still


async def test_that_the_copy_was_migrated_is_no_act_upon_its_rows(
    file: Callable[[str], str], new_url: str
) -> None:
    async with open_calls(file("a")) as calls:
        await calls.end((await calls.start(ROOM, ANN)).id)
    await copy_calls(file("a"), new_url)
    async with open_calls(new_url, check_schema=False) as calls:
        index = Change(
            kind="unknown", what="index", collection="CallLogEntry", name="CallLogEntry_log"
        )
        await calls._store.structure.remove(index)
        await calls.schema.up(by="dan")
        assert [entry.action for entry in await audited(calls)] == ["audit.chain", "schema.up"]
    report = await copy_calls(file("a"), new_url)
    assert report.verified
    assert report.collections["CallAudit"].deleted == 2


async def audited(calls: Calls) -> list[AuditEntry]:
    rows, _ = await calls._store.rows("CallAudit", None, 10)
    return sorted(rows, key=lambda entry: entry.seq)


async def test_what_mongodb_would_delete_by_itself_is_left_out_with_all_that_is_of_it(
    file: Callable[[str], str], new_url: str
) -> None:
    clock = FakeClock(datetime.now(UTC) - timedelta(days=94))  # nobody has swept since
    async with open_calls(file("a"), settings=SECRET, clock=clock) as calls:
        await calls.holds.place(conversation_id=HALL, by="counsel", reason="a claim")
        held = await calls.end((await calls.start(HALL, ANN)).id)
        old = await calls.start(ROOM, ANN, invite=[BOB])
        (running,) = said_and_recorded(await calls.get(old.id))["CallRecording"]
        failed = replace(running, status="failed")  # it has no end of its own
        await calls._store.add_rows({"CallRecording": [failed]})
        await calls.end(old.id)
    report = await copy_calls(file("a"), new_url)
    assert report.verified
    left_out = {name: each.left_out for name, each in report.collections.items() if each.left_out}
    assert {"CallSession", "CallParticipant", "CallLogEntry", "CallEvent"} < set(left_out)
    assert left_out["CallSession"] == left_out["CallRecording"] == 1
    there = await rows_of(new_url)
    assert [*there["CallSession"]] == [held.id]
    assert there["CallRecording"] == {}
    async with open_calls(new_url) as calls:
        assert (await calls.doctor()).findings == []


async def test_what_is_left_out_by_now_goes_from_the_copy(
    file: Callable[[str], str], new_url: str
) -> None:
    async with open_calls(file("a")) as calls:
        call = await calls.end((await calls.start(ROOM, ANN)).id)
        await calls._store.add_rows(said_and_recorded(await calls.get(call.id)))
        await copy_calls(file("a"), new_url)
        over = replace(call, participants=None, expires_at=datetime.now(UTC) - timedelta(days=4))
        await calls._store.put_rows("CallSession", [over])
    report = await copy_calls(file("a"), new_url)
    assert report.verified
    assert report.collections["CallRecording"].deleted == 1
    assert {name: {} for name in NAMES} == await rows_of(new_url)
