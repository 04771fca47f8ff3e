"""Marks in every field that can be personal; after an erasure the files of the database, and those
of recordings, have none of that person's, and all of the others'."""

import itertools
import random
import sqlite3
import string
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import MongoClient

from callstore import Calls, Guest, Party, User, open_calls
from callstore.testing import FakeClock, conversation
from callstore.testing.contract.quality import report_at

SETTINGS = {"secret": "s", "command_deadline": 2.0}


class Person:
    """Each of its marks is in the database but where its name says."""

    def __init__(self, rng: random.Random, kind: type[User] | type[Guest]) -> None:
        self._rng = rng
        self.party: Party = kind(rng.randbytes(12).hex())
        self.marks: set[str] = set()
        self.content = rng.randbytes(64)

    def mark(self) -> str:
        made = "".join(self._rng.choices(string.ascii_lowercase, k=16))
        self.marks.add(made)
        return made


class Raw:
    """All bytes that are kept, in the database's files and beside them."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._folder = folder

    def bytes(self) -> bytes:
        files = [path.read_bytes() for path in sorted(self._folder.rglob("*")) if path.is_file()]
        if self.url.startswith("mongodb"):
            with MongoClient[Any](self.url) as client:
                db = client.get_default_database()
                for name in db.list_collection_names():
                    files += [bson.encode(document) for document in db[name].find()]
        return b"\0".join(files)

    def found(self, person: Person) -> set[str]:
        """An index of words keeps of a word what it does not share with the one before."""
        raw = self.bytes()
        found = {mark for mark in person.marks if mark[4:].encode() in raw}
        id = person.party.id
        if id.encode() in raw or bytes.fromhex(id) in raw:
            found.add(id)
        if person.content in raw:
            found.add("content")
        return found


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content


@pytest.fixture(params=["sqlite", "mongodb"])
def raw(request: pytest.FixtureRequest, tmp_path: Path) -> Raw:
    if request.param == "sqlite":
        return Raw(f"sqlite:///{tmp_path}/calls.db", tmp_path)
    return Raw(request.getfixturevalue("fresh_mongo")(), tmp_path)


async def talk(calls: Calls, clock: FakeClock, call_id: str, person: Person) -> None:
    party = person.party
    await calls.set_transports(
        call_id,
        party,
        send_transport_id=person.mark(),
        recv_transport_id=person.mark(),
        audio_producer_id=person.mark(),
        video_producer_id=person.mark(),
    )
    for number in range(3):
        caption = await calls.captions.add(
            call_id,
            party,
            segment_id=person.mark(),
            text=f"{person.mark()} {person.mark()}",
            language="en",
            translations={"fr": person.mark()},
        )
        if number == 2:
            await calls.captions.delete(caption.id)
    await calls.captions.add(
        call_id, party, segment_id="interim", text=person.mark(), language="en", is_final=False
    )
    await calls.quality.report(call_id, party, report_at(clock(), 5))


async def record(calls: Calls, call_id: str, person: Person, *, fails: bool) -> None:
    row = await calls.recordings.start(call_id, person.party)
    if fails:
        await calls.recordings.fail(row.id, reason=person.mark())
    else:
        stopped = await calls.recordings.stop(row.id)
        await calls.recordings.put(stopped.id, chunks(person.content))


async def history(
    calls: Calls, clock: FakeClock, people: list[Person], rng: random.Random, *, count: int
) -> None:
    for number in range(count):
        there = rng.sample(people, rng.randint(2, len(people)))
        first, *others = there
        call = await calls.start(
            conversation(rng.randint(1, 3)), first.party, invite=[p.party for p in others]
        )
        for person in others:
            if rng.random() < 0.2:
                await calls.decline(call.id, person.party)
                if not (await calls.get(call.id)).live:
                    break
                continue
            device = {"browser": person.mark(), "os": person.mark(), "deviceType": person.mark()}
            await calls.join(call.id, person.party, device=device)
        call = await calls.get(call.id)
        present = [p for p in there if any(row.party == p.party for row in call.participants or ())]
        for person in present if call.live else ():
            await talk(calls, clock, call.id, person)
            if rng.random() < 0.4:
                await record(calls, call.id, person, fails=number % 2 == 0)
        clock.advance(rng.randint(40, 90))
        for person in present if call.live else ():
            await calls.quality.report(call.id, person.party, report_at(clock(), 90))
        await calls.end(call.id, by=rng.choice([None, first.party]))
        clock.advance(400)
        if rng.random() < 0.5:
            await calls.sweep()
    for person in people:
        hold = await calls.holds.place(party=person.party, reason=person.mark())
        await calls.holds.release(hold.id)


@pytest.mark.parametrize(("seed", "mode"), [*itertools.product(range(2), ["anonymise", "delete"])])
async def test_none_of_an_erased_persons_and_all_of_the_others(
    raw: Raw, tmp_path: Path, seed: int, mode: Any
) -> None:
    rng, clock = random.Random(seed), FakeClock()
    people = [Person(rng, rng.choice((User, Guest))) for _ in range(5)]
    async with open_calls(
        raw.url, recordings=(tmp_path / "files").as_uri(), settings=SETTINGS, clock=clock
    ) as calls:
        await history(calls, clock, people, rng, count=8)
        clock.advance(90)
        await calls.sweep()
        await calls._store.papers.scrub()  # of what was overwritten or deleted before
        before = {id(person): raw.found(person) for person in people}
        for person in people:
            assert {person.party.id} < before[id(person)]
        for number, person in enumerate(people[:3]):
            receipt = await calls.privacy.erase(person.party, mode=mode, recordings="requested")
            assert receipt.status == "done"
            assert raw.found(person) == set()
            for other in people[number + 1 :]:
                assert raw.found(other) == before[id(other)]
        assert (await calls.doctor()).findings == []
    for person in people[:3]:
        assert raw.found(person) == set()


async def test_what_was_deleted_before_is_in_no_file_either(tmp_path: Path) -> None:
    """Captions that went on their own have left their words in the index until then."""
    raw, rng, clock = Raw(f"sqlite:///{tmp_path}/calls.db", tmp_path), random.Random(5), FakeClock()
    one, other = Person(rng, User), Person(rng, User)
    async with open_calls(raw.url, settings=SETTINGS, clock=clock) as calls:
        call = await calls.start(conversation(1), one.party, invite=[other.party])
        await calls.join(call.id, other.party)
        caption = await calls.captions.add(
            call.id, one.party, segment_id="1", text=f"{one.mark()} {one.mark()}", language="en"
        )
        await calls.captions.delete(caption.id)
        await calls.end(call.id)
        assert one.marks & raw.found(one)
        receipt = await calls.privacy.erase(one.party)
        assert (receipt.status, "CallTranscription" in receipt.counts) == ("done", False)
        assert raw.found(one) == set()


async def test_a_reader_keeps_it_pending_until_it_closes(tmp_path: Path) -> None:
    raw, rng, clock = Raw(f"sqlite:///{tmp_path}/calls.db", tmp_path), random.Random(7), FakeClock()
    people = [Person(rng, User) for _ in range(3)]
    async with open_calls(raw.url, settings=SETTINGS, clock=clock) as calls:
        await history(calls, clock, people, rng, count=4)
        reader = sqlite3.connect(tmp_path / "calls.db")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM CallSession").fetchone()
        receipt = await calls.privacy.erase(people[0].party)
        assert receipt.status == "pending"
        assert (await calls.sweep()).finished == 0
        reader.close()
        assert (await calls.sweep()).finished == 1
        assert raw.found(people[0]) == set()
        (done,) = await calls.privacy.receipts(people[0].party)
        assert done.status == "done"
        assert done.counts == receipt.counts
