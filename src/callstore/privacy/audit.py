"""`calls.audit`: who did what that not everybody may."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from callstore.calls.model import Party
from callstore.calls.pages import Page
from callstore.privacy import chain, parties
from callstore.privacy.chain import Act, AuditReport, Written
from callstore.privacy.model import Action, AuditEntry
from callstore.settings import Settings
from callstore.stores.auditing import AuditStore
from callstore.stores.pages import EXAMINED
from callstore.times import cut
from callstore.validation import Limit, SeqCursor, Time, check, seq_cursor_text

READ = 1000  # entries together
TRIMMED = 400


class _Listed(Struct, frozen=True, kw_only=True):
    since: Time | None
    action: Action | None
    party: Party | None
    cursor: SeqCursor | None
    limit: Limit


class Audit:
    """Privileged acts, append-only: each entry carries the hash of the one before. It is written
    before the act begins, so that a crash loses none; an act that is then refused stays in it, too.
    Entries go from the oldest end only, `keep_audit_days` after theirs."""

    def __init__(
        self,
        store: AuditStore,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        settings: Settings,
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._settings = settings
        self._one_by_one = asyncio.Lock()

    async def record(
        self,
        action: Action,
        *,
        by: str | None,
        party: Party | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> AuditEntry:
        """For the library's own use: adds an entry. `data` never has a party's id: `party` is named
        by its keyed hash only (StoreError without a secret). One transaction."""
        named = None if party is None else self.hashed(party)
        act = self._act(action, by, party_hash=named, data=msgspec.to_builtins(data))
        written = await self._change(lambda row, _: chain.appended(row, act, self._new_id()))
        assert written is not None
        return written.entry

    async def list(
        self,
        *,
        since: datetime | None = None,
        action: Action | None = None,
        party: Party | None = None,
        cursor: str | None = None,
        limit: int = 20,
    ) -> Page[AuditEntry]:
        """A page of the entries, newest first: of one `action`, or about one `party` (which needs
        the secret). Costs the same wherever it lies; of an action it looks at no more than 1,000
        a page: it may be short."""
        asked = check(_Listed, since=since, action=action, party=party, cursor=cursor, limit=limit)
        named = None if asked.party is None else self.hashed(asked.party)
        many = asked.limit + 1 if asked.action is None else EXAMINED
        found = await self._store.newest(asked.cursor, many, named)
        return _page(found, asked, whole=len(found) < many)

    async def about(self, party: Party) -> AsyncGenerator[AuditEntry, None]:
        """All entries about a party, the newest first, a page at a time."""
        named, below, full = self.hashed(party), None, True
        while full:
            found = await self._store.newest(below, READ, named)
            for entry in found:
                yield entry
            full = len(found) == READ
            below = found[-1].seq if full else None

    async def verify(self) -> AuditReport:
        """Follows the whole chain, 1,000 entries at a time, while others go on writing: finds an
        entry that was changed, removed (at either end, too), reordered or put there. Who can write
        the whole database can make it all anew: compare `head` with one that is kept elsewhere."""
        row, entries = await self._store.entries(0, READ)
        checked = chain.begun(row)
        while entries:
            for entry in entries:
                checked = checked.past(entry)
            row, entries = await self._store.entries(entries[-1].seq, READ)
            checked = checked.under(row)
        return checked.end(row)

    async def expired(self, now: datetime) -> int:
        """How many entries `trim` would take. Reads those."""
        row, entries = await self._store.entries(0, READ)
        checked, count = chain.begun(row), 0
        while entries:
            checked, gone = chain.expired(checked, entries, now)
            count += len(gone)
            if len(gone) < len(entries):
                break
            _, entries = await self._store.entries(entries[-1].seq, READ)
        return count

    async def trim(self, now: datetime, *, by: str | None = None) -> int:
        """Of the oldest entries those whose time has come go, up to the first that has more of it,
        or is not as it was written; how many. Up to 400 in a transaction, which adds an entry that
        says so; the last one's hash stays as the anchor from which `verify` goes."""
        act, count = self._act("audit.expired", by), 0
        row, _ = await self._store.entries(0, 1)
        last = chain.newest(row)

        def decide(row: AuditEntry | None, oldest: Sequence[AuditEntry]) -> Written | None:
            there = [entry for entry in oldest if entry.seq <= last]  # not what this adds itself
            return chain.trimmed(row, there, now, act, self._new_id())

        while done := await self._change(decide, oldest=TRIMMED):
            count += done.gone
        return count

    async def _change(
        self,
        decide: Callable[[AuditEntry | None, Sequence[AuditEntry]], Written | None],
        *,
        oldest: int = 0,
    ) -> Written | None:
        async with self._one_by_one:  # or they would be in each other's way
            return await self._store.change(decide, oldest=oldest)

    def _act(self, action: Action, by: str | None, **more: Any) -> Act:
        at = cut(self._clock())
        return Act(action=action, by=by, at=at, keep=self._settings.keep_audit, **more)

    def hashed(self, party: Party) -> str:
        return parties.party_hash(party, self._settings.key(parties.PURPOSE))


def _page(found: Sequence[AuditEntry], asked: _Listed, *, whole: bool) -> Page[AuditEntry]:
    """`whole`: nothing is below what was found."""
    since = asked.since
    young = [entry for entry in found if since is None or entry.at >= since]
    fitting = [entry for entry in young if asked.action in (None, entry.action)]
    items = fitting[: asked.limit]
    if len(fitting) > asked.limit:
        return Page(items=items, next=seq_cursor_text(items[-1].seq))
    ended = whole or len(young) < len(found)
    return Page(items=items, next=None if ended else seq_cursor_text(found[-1].seq))
