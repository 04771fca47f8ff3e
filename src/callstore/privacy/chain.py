"""Entries that each carry the hash of the one before, and the row that says where they begin and
end. Pure.

Who can write the whole database can make the whole chain anew: that it is the same as yesterday
only a head that is kept elsewhere tells.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from callstore.calls.model import Label, Row
from callstore.errors import StoreError
from callstore.privacy.model import Action, AuditEntry, Digest
from callstore.times import LATEST, cut

NOTHING_BEFORE: Digest = "0" * 64
CHAIN = "audit.chain"
"""The action of row 0, which is no act."""
CHAIN_ID = b"audit chain.".hex()
"""24 hex digits, as every id."""


class Act(Struct, frozen=True, kw_only=True):
    """What is to be written down, and for how long."""

    action: Action
    by: Label | None
    party_hash: Digest | None = None
    data: dict[str, Any] | None = None
    at: datetime
    keep: timedelta


class Written(Struct, frozen=True, kw_only=True):
    """What an act comes to: its entry, row 0 after it, and up to which seq entries go (0: none)."""

    entry: AuditEntry
    chain: AuditEntry
    gone_to: int = 0
    gone: int = 0  # how many those are


class AuditReport(Row, frozen=True, kw_only=True):
    """`entries` is how many there are, `first_bad` the seq of the first one that was changed,
    removed, reordered or put there (0: the row that says where they begin and end), `head` the
    newest one's hash: keep it elsewhere, and compare."""

    ok: bool
    entries: int
    first_bad: int | None
    head: str | None


def digest(entry: AuditEntry) -> Digest:
    """SHA-256 of all its fields but `hash`, as canonical JSON: sorted keys, no spaces."""
    fields = msgspec.to_builtins(entry)
    del fields["hash"]
    return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()


def appended(chain: AuditEntry | None, act: Act, id: str) -> Written:
    """`chain` is row 0, None for a new database. Time never falls along the chain. StoreError where
    row 0 was tampered with: nothing is done that cannot be written down."""
    chain = chain or _row(first=1, last=0, at=act.at, previous=NOTHING_BEFORE, hash=NOTHING_BEFORE)
    span = _span(chain)
    if span is None:
        raise StoreError("the audit's chain does not say where it ends: see callstore audit verify")
    first, last = span
    at = max(act.at, chain.at)
    entry = AuditEntry(
        id=id,
        seq=last + 1,
        at=at,
        action=act.action,
        by=act.by,
        party_hash=act.party_hash,
        data=act.data,
        previous=chain.hash,
        hash=NOTHING_BEFORE,
        expires_at=LATEST if act.keep > LATEST - at else cut(at + act.keep),
    )
    entry = replace(entry, hash=digest(entry))
    after = _row(first=first, last=entry.seq, at=entry.at, previous=chain.previous, hash=entry.hash)
    return Written(entry=entry, chain=after)


def _row(*, first: int, last: int, at: datetime, previous: Digest, hash: Digest) -> AuditEntry:
    """Row 0: all that it says follows from the entries, so that no change of it is believed."""
    return AuditEntry(
        id=CHAIN_ID,
        seq=0,
        at=at,
        action=CHAIN,
        by=None,
        party_hash=None,
        data={"first": first, "last": last},
        previous=previous,
        hash=hash,
        expires_at=None,
    )


def _span(chain: AuditEntry | None) -> tuple[int, int] | None:
    """The seqs of the oldest and the newest entry; None where row 0 does not say."""
    match chain and chain.data:
        case {"first": int(first), "last": int(last)}:
            return first, last
    return None


def newest(chain: AuditEntry | None) -> int:
    """The newest entry's seq, as row 0 says; 0 where it says none."""
    return (_span(chain) or (0, 0))[1]


# -- the oldest end


def expired(
    checked: "Checked", oldest: Iterable[AuditEntry], now: datetime
) -> tuple["Checked", list[AuditEntry]]:
    """Of the entries that follow those `checked`, the ones at their head whose time has come and
    that are as they were written: what was tampered with stays, and so does all after it."""

    def goes(entry: AuditEntry) -> bool:
        nonlocal checked
        over = entry.expires_at is not None and entry.expires_at <= now
        if not over or (after := checked.past(entry)).first_bad is not None:
            return False
        checked = after
        return True

    gone = list(takewhile(goes, oldest))
    return checked, gone


def trimmed(
    chain: AuditEntry | None, oldest: Sequence[AuditEntry], now: datetime, act: Act, id: str
) -> Written | None:
    """Takes away those of the `oldest` whose time has come, and says so in an entry of `act`; its
    last one's hash stays as the anchor. None where none goes."""
    if chain is None:
        return None
    _, gone = expired(begun(chain), oldest, now)
    if not gone:
        return None
    last = gone[-1]
    data = {"entries": len(gone), "last": last.seq, "hash": last.hash}
    made = appended(_moved(chain, last), replace(act, data=data), id)
    return replace(made, gone_to=last.seq, gone=len(gone))


def _moved(chain: AuditEntry, last_gone: AuditEntry) -> AuditEntry:
    """Row 0 where all up to this entry are gone."""
    data = {**(chain.data or {}), "first": last_gone.seq + 1}
    return replace(chain, previous=last_gone.hash, data=data)


# -- holding it against itself


class Checked(Struct, frozen=True, kw_only=True):
    """How far the chain was followed: the seq and the `previous` that come next."""

    seq: int
    previous: Digest
    at: datetime | None = None
    entries: int = 0
    head: Digest | None = None
    first_bad: int | None = None

    def under(self, chain: AuditEntry | None) -> "Checked":
        """The same, where row 0 says by now that more of the oldest end is gone."""
        span = _span(chain)
        if chain is None or span is None or span[0] <= self.seq:
            return self
        return replace(self, seq=span[0], previous=chain.previous)

    def past(self, entry: AuditEntry) -> "Checked":
        """After one more entry, the next one by seq."""
        bad = self.first_bad
        if bad is None and entry.seq != self.seq:
            bad = min(entry.seq, self.seq)
        if bad is None and not (entry.previous == self.previous and _is_sound(entry)):
            bad = entry.seq
        return Checked(
            seq=self.seq + 1,
            previous=entry.hash,
            at=entry.at,
            entries=self.entries + 1,
            head=entry.hash,
            first_bad=bad,
        )

    def end(self, chain: AuditEntry | None) -> AuditReport:
        """Nothing follows; row 0 as it was then."""
        bad = self.first_bad if self.first_bad is not None else self._of_chain(chain)
        return AuditReport(ok=bad is None, entries=self.entries, first_bad=bad, head=self.head)

    def _of_chain(self, chain: AuditEntry | None) -> int | None:
        """What of it row 0 says otherwise."""
        if chain is None:
            return 0 if self.entries else None
        span = _span(chain)
        if span is None:
            return 0
        first, last = span
        if last != self.seq - 1:
            return min(last + 1, self.seq)
        if chain.hash != self.previous:
            return last
        at = chain.at if self.at is None else self.at
        meant = _row(first=first, last=last, at=at, previous=chain.previous, hash=self.previous)
        return None if chain == meant else 0


def begun(chain: AuditEntry | None) -> Checked:
    """Before the first entry, where row 0 says that the chain begins."""
    first, _ = _span(chain) or (1, 0)
    return Checked(seq=first, previous=chain.previous if chain else NOTHING_BEFORE)


def verified(chain: AuditEntry | None, entries: Iterable[AuditEntry]) -> AuditReport:
    """All of a chain, by seq."""
    checked = begun(chain)
    for entry in entries:
        checked = checked.past(entry)
    return checked.end(chain)


def _is_sound(entry: AuditEntry) -> bool:
    try:
        return digest(entry) == entry.hash
    except (TypeError, ValueError):  # something is in it that is never written
        return False
