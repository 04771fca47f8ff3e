"""What SQLite itself refuses, whoever writes: types, ranges, choices, parties, references."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.stores.filling import OTHER, a_row_in_every_collection

from callstore import Calls
from callstore.schema import tables
from callstore.schema.declaration import Collection, Field
from callstore.stores.sqlite.connection import APPLICATION_ID
from callstore.testing.contract.world import ANN, HALL, ROOM
from callstore.testing.data import chosen_id


@pytest.fixture
async def calls(tmp_path: Path) -> AsyncIterator[Calls]:
    async with a_row_in_every_collection(f"sqlite:///{tmp_path}/calls.db") as calls:
        yield calls


@pytest.fixture
def db(calls: Calls, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A writer that is not callstore."""
    path = tmp_path / "calls.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA foreign_keys = ON")
        other.execute("BEGIN")
        yield other
        other.execute("ROLLBACK")


WRONG: dict[str, tuple[Any, ...]] = {
    "id": ("", "a" * 23, "a" * 25, "A" * 24, "g" * 24, "a" * 23 + "\n", b"a" * 24),
    "time": (0, -1, 946_684_799_999, 4_102_444_800_001, 1.5, "now"),
    "bool": (2, -1, 0.5, "true"),
    "int": (1.5, "x", b"1"),
    "real": ("no such thing",),
    "json": ("{", "", "undefined"),
    "text": (b"no text",),
}


def wrong_values(field: Field) -> Iterator[Any]:
    """Values that are not the field's: of another type, out of its range or choices, null."""
    if not field.nullable:
        yield None
    yield from WRONG[field.kind]
    match field.kind:
        case "int" | "real":
            if field.low is not None:
                yield field.low - 1
            if field.high is not None and field.high < 2**63 - 1:
                yield field.high + 1
        case "text":
            if field.choices:
                yield from ("", "no such thing", str(field.choices[0]).upper())
            if field.low:
                yield "x" * (int(field.low) - 1)
            if field.high:
                yield "x" * (int(field.high) + 1)


FIELDS = [(c, field) for c in tables.COLLECTIONS for field in c.fields]


@pytest.mark.parametrize(
    ("collection", "field"), FIELDS, ids=[f"{c.name}.{field.name}" for c, field in FIELDS]
)
async def test_a_wrong_value_is_refused(
    db: sqlite3.Connection, collection: Collection, field: Field
) -> None:
    (rows,) = db.execute(f"SELECT count(*) FROM {collection.name}").fetchone()
    assert rows, "there is no row to try it on"
    # Only one row is changed, so that no unique index can be what refuses it.
    key = " AND ".join(f"{name} = ?" for name in collection.key)
    names = ", ".join(collection.key)
    one = db.execute(f"SELECT {names} FROM {collection.name} LIMIT 1").fetchone()
    for value in wrong_values(field):
        with pytest.raises(sqlite3.IntegrityError) as refusal:
            db.execute(f"UPDATE {collection.name} SET {field.name} = ? WHERE {key}", (value, *one))
        reasons = ("CHECK", "NOT NULL", "cannot store", "datatype mismatch")
        assert str(refusal.value).startswith(reasons), (value, str(refusal.value))


# The rules of each collection, each with changes that break it and nothing else.
BROKEN = {
    ("CallSession", "liveStatus"): ["status = 'ended'", "status = 'failed'"],
    ("CallSession", "liveUntilEnded"): ["endedAt = createdAt"],
    ("CallSession", "noMoreThanSeats"): [
        "maxParticipants = 2, liveCount = 3, peakParticipants = 2",
        "liveCount = peakParticipants + 1",
        "peakParticipants = maxParticipants + 1",
    ],
    ("CallSession", "rtpCapabilitiesSize"): [
        "rtpCapabilities = json_quote(printf('%.*c', 65535, 'x'))",
        "rtpCapabilities = json_quote(replace(printf('%.*c', 33000, 'x'), 'x', 'é'))",
    ],
    ("CallParticipant", "exactlyOneParty"): [
        "userId = NULL",
        f"anonymousUserId = '{OTHER}'",
        f"anonymousUserId = '{OTHER}', anonymizedAt = joinedAt",
    ],
    ("CallHold", "exactlyOneThing"): [
        "callSessionId = NULL",
        f"conversationId = '{OTHER}'",
        f"party = 'u:{OTHER}'",
        f"conversationId = '{OTHER}', anonymizedAt = placedAt",
    ],
    ("CallLogEntry", "exactlyOneParty"): [
        "userId = NULL, party = NULL",
        f"anonymousUserId = '{OTHER}'",
    ],
    ("CallLogEntry", "partyOfItsColumns"): [
        "party = NULL",
        f"party = 'u:{OTHER}'",
        f"party = 'g:{ANN.id}'",
        f"userId = '{OTHER}'",
    ],
}
RULES = [(c.name, rule.name) for c in tables.COLLECTIONS for rule in c.rules]


@pytest.mark.parametrize("rule", RULES, ids=[f"{name} {rule}" for name, rule in RULES])
async def test_what_breaks_a_rule_is_refused(db: sqlite3.Connection, rule: tuple[str, str]) -> None:
    name, _ = rule
    one = {"CallSession": "1", "CallHold": "callSessionId IS NOT NULL"}
    where = one.get(name, f"userId = '{ANN.id}'")
    for change in BROKEN[rule]:
        with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
            db.execute(f"UPDATE {name} SET {change} WHERE {where}")


def test_every_unique_index_begins_with_what_a_cluster_shards_by() -> None:
    for collection in tables.COLLECTIONS:
        for index in (*collection.indexes, *collection.mongo_indexes):
            if index.unique:
                assert index.fields[: len(collection.shard)] == collection.shard, index.name


async def test_every_rule_is_tried() -> None:
    assert set(BROKEN) == set(RULES)


async def test_an_erased_party_leaves_a_row_without_one(db: sqlite3.Connection) -> None:
    db.execute("UPDATE CallParticipant SET userId = NULL, anonymizedAt = joinedAt")
    db.execute(
        "UPDATE CallLogEntry SET userId = NULL, party = NULL, anonymizedAt = createdAt"
        " WHERE userId IS NOT NULL"
    )
    for name in ("CallParticipant", "CallLogEntry"):
        parties = f"SELECT userId, anonymousUserId FROM {name} WHERE anonymizedAt IS NOT NULL"
        found = db.execute(parties).fetchall()
        assert found == [(None, None)] * 2, name


def copied(db: sqlite3.Connection, name: str, **changes: Any) -> None:
    """Inserts a copy of the first row with these changes."""
    cursor = db.execute(f"SELECT * FROM {name} ORDER BY 1 LIMIT 1")
    row = dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))
    row |= changes
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO {name} ({', '.join(row)}) VALUES ({marks})", [*row.values()])


class TestUnique:
    async def test_one_live_call_in_a_conversation(self, db: sqlite3.Connection) -> None:
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            copied(db, "CallSession", id=OTHER)
        copied(db, "CallSession", id=OTHER, conversationId=HALL)
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            db.execute(f"UPDATE CallSession SET conversationId = '{ROOM}' WHERE id = '{OTHER}'")

    async def test_any_number_of_ended_ones(self, db: sqlite3.Connection) -> None:
        for n in range(3):
            changes = {"live": 0, "status": "ended", "endedAt": 1_700_000_000_000}
            copied(db, "CallSession", id=chosen_id(100 + n), **changes)
        ended = db.execute("SELECT count(*) FROM CallSession WHERE live = 0").fetchone()
        assert ended == (3,)

    @pytest.mark.parametrize("name", ["CallParticipant", "CallLogEntry"])
    async def test_one_row_of_a_party_in_a_call(self, db: sqlite3.Connection, name: str) -> None:
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            copied(db, name, id=OTHER)

    async def test_one_event_of_a_seq(self, db: sqlite3.Connection) -> None:
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            copied(db, "CallEvent", id=OTHER)


class TestReferences:
    @pytest.mark.parametrize(
        "collection", [c for c in tables.COLLECTIONS if c.of_call], ids=lambda c: c.name
    )
    async def test_a_row_needs_its_call(
        self, db: sqlite3.Connection, collection: Collection
    ) -> None:
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            db.execute(f"UPDATE {collection.name} SET callSessionId = '{OTHER}'")

    @pytest.mark.parametrize(
        "collection", [c for c in tables.COLLECTIONS if c.of_call], ids=lambda c: c.name
    )
    async def test_a_row_is_of_its_calls_conversation(
        self, db: sqlite3.Connection, collection: Collection
    ) -> None:
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            db.execute(f"UPDATE {collection.name} SET conversationId = '{HALL}'")

    async def test_all_rows_go_with_their_call(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM CallRecording")
        db.execute("DELETE FROM CallSession")
        for collection in tables.COLLECTIONS:
            if collection.of_call:
                assert db.execute(f"SELECT 1 FROM {collection.name}").fetchall() == []

    async def test_a_call_stays_as_long_as_a_recording_of_it(self, db: sqlite3.Connection) -> None:
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            db.execute("DELETE FROM CallSession")


class TestPragmas:
    async def test_the_writer_is_durable_and_forgets(self, calls: Calls) -> None:
        writer = calls._store._engine._writer  # type: ignore[attr-defined]
        wanted = {
            "journal_mode": "wal",
            "synchronous": 2,
            "secure_delete": 1,
            "foreign_keys": 1,
            "application_id": APPLICATION_ID,
        }
        found = {name: writer.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
        assert found == wanted

    async def test_readers_cannot_write(self, calls: Calls) -> None:
        engine = calls._store._engine  # type: ignore[attr-defined]
        for reader in (engine._reader, engine._keyed):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader.execute("DELETE FROM CallSession")

    async def test_every_table_is_strict(self, db: sqlite3.Connection) -> None:
        rows = db.execute("SELECT name, strict FROM pragma_table_list WHERE name LIKE 'Call%'")
        found = {name: strict for name, strict in rows if "_" not in name}  # but words
        assert found == dict.fromkeys((c.name for c in tables.COLLECTIONS), 1)
