"""Rows as callstore writes them, of every collection: seeded calls, which have all ended, and what
only commands bring."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from bench import traces
from callstore import Calls, Guest, User, open_calls
from callstore.calls.model import replace
from callstore.ids import id_maker
from callstore.schema import tables
from callstore.schema.declaration import PRESENT, Collection, Index
from callstore.testing import FakeClock
from callstore.testing.contract.recordings import stream

COMMANDED = 30  # calls
PAGE = 10_000
OF_ITS_OWN = re.compile("(?:[ug]:)?(?:[0-9a-f]{24}|[0-9a-f]{64})")  # ids, parties, hashes
NEW_ID = id_maker()

ByCollection = dict[str, list[Any]]


class Past(NamedTuple):
    seeded: ByCollection  # stamped by a sweep
    commanded: ByCollection  # as they were while calls went on, then once they had ended

    def entries(self, collection: Collection, index: Index, count: int) -> list[Any]:
        """So many rows that have an entry in the index: those that there are, as they came, again
        and again under other ids."""
        by_id = {
            row.id: row
            for rows in (self.commanded, self.seeded)
            for row in rows[collection.name]
            if has_entry(collection, index, row)
        }
        found = sorted(by_id.values(), key=lambda row: str(row.id))  # by the time of their making
        assert found, f"nothing has an entry in {index.name}"
        again = (divmod(number, len(found)) for number in range(count))
        return [_again(collection, found[which], turn) for turn, which in again]

    def share(self, collection: Collection, index: Index) -> str:
        """How many of the seeded rows have an entry; empty where there are none."""
        rows = self.seeded[collection.name]
        having = sum(has_entry(collection, index, row) for row in rows)
        return f"{100 * having / len(rows):.3g} %" if rows else ""


def has_entry(collection: Collection, index: Index, row: Any) -> bool:
    attributes = {field.name: field.attribute for field in collection.fields}
    for name, wanted in index.where.items():
        value = getattr(row, attributes[name])
        if value is None if wanted is PRESENT else value != wanted:
            return False
    return True


def _again(collection: Collection, row: Any, number: int) -> Any:
    """The row as that of another call a little later, with ids that another process has made."""
    changed: dict[str, Any] = {}
    for field in collection.fields:
        value = getattr(row, field.attribute)
        if isinstance(value, datetime):
            changed[field.attribute] = value + timedelta(milliseconds=number)
        elif isinstance(value, str) and OF_ITS_OWN.fullmatch(value):
            changed[field.attribute] = f"{value[:-16]}{number:04x}{value[-12:]}"
    if collection.key == ("seq",):
        changed["seq"] = row.seq + 1000 * number
    return replace(row, **changed)


async def past(folder: Path, calls: int) -> Past:
    seeded, commanded = (f"sqlite:///{folder}/{name}.db" for name in ("seeded", "commanded"))
    async with open_calls(seeded) as store:
        await store.seed(calls)
        await store.sweep()
        at_rest = await _rows(store)
    clock = FakeClock(datetime.now(UTC))  # what a TTL index would take has not come
    options: dict[str, Any] = {"recordings": "memory:", "settings": {"secret": "nobody knows"}}
    async with open_calls(commanded, clock=clock, **options) as store:
        ids = [await _call(store, clock, number) for number in range(COMMANDED)]
        going_on = await _rows(store)
        await _over(store, clock, ids)
        over = await _rows(store)
    both = {name: [*rows, *over[name]] for name, rows in going_on.items()}
    # So it is for a moment only.
    both["CallHold"] += [replace(row, settled=False) for row in both["CallHold"]]
    both["CallRecording"] += [replace(row, underway="upload") for row in both["CallRecording"]]
    return Past(at_rest, both)


async def _call(calls: Calls, clock: FakeClock, number: int) -> str:
    """One that goes on: of the four who were asked one is not there yet, and of the three who came
    one has left. It is recorded, measured and held, and who is erased must wait."""
    a, b, d = (User(NEW_ID()) for _ in range(3))
    c = Guest(NEW_ID())
    room = NEW_ID()
    call = await calls.start(room, a, invite=[b, c, d], ring_seconds=3600)
    for party in (b, c):
        await calls.join(call.id, party)
    for _, report in traces.peers()[0][:5]:
        clock.advance(5)
        ms = clock().timestamp() * 1000
        await calls.quality.report(call.id, a, traces.as_json(traces.stamped(report, ms)))
    recording = await calls.recordings.start(call.id, a)
    await calls.recordings.stop(recording.id)
    await calls.recordings.start(call.id, a)
    until = clock() + timedelta(days=1)
    await calls.holds.place(call_id=call.id, reason="a suit", until=until)
    await calls.holds.place(conversation_id=room, reason="a suit")
    await calls.holds.place(party=a, reason="a suit")
    await calls.privacy.erase(d)
    await calls.leave(call.id, (b, c)[number % 2])
    return call.id


async def _over(calls: Calls, clock: FakeClock, ids: list[str]) -> None:
    """They end, every other one's recordings get their files, nothing is held any more, and sweeps
    do what has waited for that."""
    for number, id in enumerate(ids):
        await calls.end(id)
        for recording in await calls.recordings.list(id):
            if number % 2:
                await calls.recordings.put(recording.id, stream(b"sound"))
            else:
                await calls.recordings.fail(recording.id, reason="the recorder has died")
    for hold in await calls.holds.list():
        await calls.holds.release(hold.id)
    for _ in range(2):  # what the one analyses the other stamps
        clock.advance(3600)
        await calls.sweep()


async def _rows(calls: Calls) -> ByCollection:
    """All that there are."""
    found: ByCollection = {}
    for collection in tables.COLLECTIONS:
        rows, after = await calls._store.rows(collection.name, None, PAGE)
        while after is not None:
            more, after = await calls._store.rows(collection.name, after, PAGE)
            rows += more
        found[collection.name] = rows
    return found
