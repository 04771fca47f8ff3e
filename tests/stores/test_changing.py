"""A change in three steps, up and down again, and what code of before it does meanwhile."""

from typing import Any

import pytest
from tests.stores import database
from tests.stores.migrating import (
    EXPAND,
    LONGER,
    NEWEST,
    OLD,
    REPLACING,
    schema_of,
)
from tests.stores.test_schema import filled, live_shape

from callstore import errors, open_calls
from callstore.schema.shape import changes
from callstore.schema.steps import History
from callstore.testing.contract.world import check_sound


def told_in(url: str) -> list[dict[str, Any]]:
    """The audit's entries, but for the row that says which there are."""
    entries = database.rows(url)["CallAudit"]
    return sorted((row for row in entries if row["seq"]), key=lambda row: row["seq"])


def all_else(url: str) -> database.Rows:
    return database.rows(url, but=("CallLease", "CallSchema", "CallAudit"))


@pytest.mark.parametrize("history", [LONGER, REPLACING], ids=["an index", "a field"])
async def test_up_down_up_gives_equal_rows_and_indexes(new_url: str, history: History) -> None:
    await filled(new_url)
    async with open_calls(new_url, check_schema=False) as calls:
        await calls.audit.record("hold.place", by="eve")
        schema = schema_of(calls, history)
        entries = [told_in(new_url)]
        seen = [(all_else(new_url), await live_shape(calls))]
        for to in (history.current, NEWEST) * 2:
            report = await (schema.up() if to > NEWEST else schema.down(to=to, yes=True))
            assert report.version == to
            entries.append(told_in(new_url))
            seen.append((all_else(new_url), await live_shape(calls)))
        assert seen[:3] == seen[2:]
        assert all(row["note"] for row in seen[1][0]["CallSession"])
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
