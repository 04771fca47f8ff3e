"""A copy that is made again: who takes whose place, what it deletes, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.stores.test_copying import rows_of
from tests.stores.test_schema_rules import said_and_recorded

from callstore import copy_calls, open_calls
from callstore.calls.model import replace
from callstore.copying import HOLDING, NAMES, _Copy
from callstore.schema import tables
from callstore.schema.declaration import PRESENT
from callstore.stores.structure import untold
from callstore.testing.contract.world import ANN, ROOM


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
    assert not any(HOLDING[name](None) for name in {*NAMES} - for_a_while)


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
