"""The chain by itself: a whole one holds, and of any other the first wrong entry is named."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from callstore import errors
from callstore.privacy.chain import (
    NOTHING_BEFORE,
    Act,
    AuditReport,
    appended,
    begun,
    digest,
    expired,
    trimmed,
    verified,
)
from callstore.privacy.model import AuditEntry
from callstore.times import LATEST

START = datetime(2026, 1, 1, tzinfo=UTC)
Chain = tuple[AuditEntry | None, list[AuditEntry]]
data = st.none() | st.dictionaries(
    st.text(max_size=5), st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5) | st.booleans()
)
acts = st.builds(
    Act,
    action=st.sampled_from(["hold.place", "privacy.erase", "retention.run"]),
    by=st.none() | st.text("abc", min_size=1),
    party_hash=st.none() | st.just("e" * 64),
    data=data,
    at=st.integers(0, 1000).map(lambda days: START + timedelta(days=days)),
    keep=st.integers(1, 400).map(lambda days: timedelta(days=days)),
)


def id_of(number: int) -> str:
    return f"{number:024x}"


def chained(listed: Sequence[Act]) -> Chain:
    chain, entries = None, []
    for number, act in enumerate(listed, 1):
        made = appended(chain, act, id_of(number))
        chain = made.chain
        entries.append(made.entry)
    return chain, entries


def trim(found: Chain, now: datetime, most: int = 1000) -> Chain:
    chain, entries = found
    act = Act(action="audit.expired", by=None, at=now, keep=timedelta(days=365))
    made = trimmed(chain, entries[:most], now, act, id_of(10_000 + len(entries)))
    if made is None:
        return found
    assert [entry.seq for entry in entries[: made.gone]][-1] == made.gone_to
    return made.chain, [*entries[made.gone :], made.entry]


chains = st.lists(acts, min_size=1, max_size=12).map(chained)


@given(chains)
def test_what_was_appended_holds(found: Chain) -> None:
    chain, entries = found
    assert verified(chain, entries) == AuditReport(
        ok=True, entries=len(entries), first_bad=None, head=entries[-1].hash
    )
    assert [entry.seq for entry in entries] == [*range(1, len(entries) + 1)]
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)


def test_nothing_holds_too() -> None:
    assert verified(None, []) == AuditReport(ok=True, entries=0, first_bad=None, head=None)
    assert trim((None, []), START) == (None, [])


def test_an_entry_is_hashed_as_canonical_json() -> None:
    """Nobody who knows how needs callstore to verify it."""
    act = Act(action="hold.place", by="é", data={"b": 1, "a": [None]}, at=START, keep=timedelta(1))
    _, (entry,) = chained([act])
    assert entry.hash == digest(entry)
    text = (
        '{"action":"hold.place","at":"2026-01-01T00:00:00Z","by":"é","data":{"a":[null],"b":1},'
        '"expiresAt":"2026-01-02T00:00:00Z","id":"000000000000000000000001","partyHash":null,'
        f'"previous":"{NOTHING_BEFORE}","seq":1}}'
    )
    assert entry.hash == hashlib.sha256(text.encode()).hexdigest()


CHANGES: dict[str, Any] = {
    "id": id_of(0xBAD),
    "at": START - timedelta(days=1),
    "action": "hold.release",
    "by": "mallory",
    "party_hash": "f" * 64,
    "data": {"changed": True},
    "previous": "f" * 64,
    "hash": "f" * 64,
    "expires_at": START - timedelta(days=1),
}


@given(chains, st.data(), st.sampled_from([*CHANGES]))
def test_a_changed_field_is_found(found: Chain, draw: st.DataObject, field: str) -> None:
    chain, entries = found
    at = draw.draw(st.integers(0, len(entries) - 1))
    entries[at] = replace(entries[at], **{field: CHANGES[field]})
    report = verified(chain, entries)
    assert (report.ok, report.first_bad) == (False, at + 1)


@given(chains, st.data())
def test_one_that_was_hashed_again_is_found_by_what_follows(
    found: Chain, draw: st.DataObject
) -> None:
    chain, entries = found
    at = draw.draw(st.integers(0, len(entries) - 1))
    changed = replace(entries[at], by="mallory")
    entries[at] = replace(changed, hash=digest(changed))
    report = verified(chain, entries)
    assert (report.ok, report.first_bad) == (False, min(at + 2, len(entries)))


@given(chains, st.data())
def test_what_was_removed_is_found(found: Chain, draw: st.DataObject) -> None:
    chain, entries = found
    first = draw.draw(st.integers(0, len(entries) - 1))
    last = draw.draw(st.integers(first, len(entries) - 1))
    del entries[first : last + 1]
    report = verified(chain, entries)
    assert (report.ok, report.first_bad, report.entries) == (False, first + 1, len(entries))


@given(st.lists(acts, min_size=2, max_size=12).map(chained), st.data())
def test_what_was_swapped_is_found(found: Chain, draw: st.DataObject) -> None:
    chain, entries = found
    one = draw.draw(st.integers(0, len(entries) - 2))
    two = draw.draw(st.integers(one + 1, len(entries) - 1))
    entries[one], entries[two] = (
        replace(entries[two], seq=one + 1),
        replace(entries[one], seq=two + 1),
    )
    report = verified(chain, entries)
    assert (report.ok, report.first_bad) == (False, one + 1)


@given(chains, chains, st.data())
def test_what_was_put_there_is_found(found: Chain, other: Chain, draw: st.DataObject) -> None:
    """In the middle all that follows has the next seq; at the end it goes on as a chain does."""
    chain, entries = found
    at = draw.draw(st.integers(0, len(entries)))
    before = entries[at - 1].hash if at else NOTHING_BEFORE
    forged = replace(other[1][0], id=id_of(0xBAD), seq=at + 1, previous=before)
    forged = replace(forged, hash=digest(forged))
    moved = [replace(entry, seq=entry.seq + 1) for entry in entries[at:]]
    report = verified(chain, [*entries[:at], forged, *moved])
    assert (report.ok, report.first_bad) == (False, at + 2 if moved else at + 1)


@given(chains)
def test_a_chain_without_the_row_that_says_where_it_ends_does_not_hold(found: Chain) -> None:
    chain, entries = found
    assert verified(None, entries).first_bad == 0
    assert chain is not None
    with pytest.raises(errors.StoreError):
        appended(replace(chain, data={"first": 1}), _act(), id_of(1))
    for field in ("at", "action", "by", "party_hash", "expires_at", "id"):
        assert verified(replace(chain, **{field: CHANGES[field]}), entries).first_bad == 0


@given(chains, st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 5)), max_size=5))
def test_the_oldest_end_goes_and_it_holds(found: Chain, runs: list[tuple[int, int]]) -> None:
    for days, most in runs:
        now = START + timedelta(days=days)
        chain, entries = found
        _, gone = expired(begun(chain), entries, now)
        later = [entry for entry in entries if entry.expires_at and entry.expires_at > now]
        assert [*gone, *entries[len(gone) :]] == entries
        assert len(gone) == len(entries) or entries[len(gone)] == later[0]
        chain, left = found = trim(found, now, most)
        assert chain is not None
        assert left[: len(entries) - min(len(gone), most)] == entries[min(len(gone), most) :]
        assert verified(chain, left).ok
        if gone := gone[:most]:
            last = gone[-1]
            assert left[-1].data == {"entries": len(gone), "last": last.seq, "hash": last.hash}
            assert chain.previous == last.hash


@given(chains, st.data())
def test_one_that_was_tampered_with_keeps_all_that_follows(
    found: Chain, draw: st.DataObject
) -> None:
    chain, entries = found
    at = draw.draw(st.integers(0, len(entries) - 1))
    entries[at] = replace(entries[at], by="mallory")
    chain, left = trim((chain, entries), LATEST)
    assert left[: len(entries) - at] == entries[at:]
    assert verified(chain, left).first_bad == at + 1


def test_no_entry_expires_later_than_a_time_can_be() -> None:
    _, (entry,) = chained([replace(_act(), keep=timedelta(days=36_500))])
    assert entry.expires_at == LATEST


def test_what_none_of_ours_has_in_it_is_not_sound() -> None:
    chain, (entry,) = chained([_act()])
    strange = replace(entry, data={"x": {1, object()}})
    assert verified(chain, [strange]).first_bad == 1


def _act() -> Act:
    return Act(action="hold.place", by=None, at=START, keep=timedelta(days=1))
