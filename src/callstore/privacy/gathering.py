"""What is kept of a party, read call by call: a page of calls in memory, however many there are."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from operator import attrgetter
from typing import Any

from msgspec import Struct

from callstore.calls.describe import Describe, names_of
from callstore.calls.model import Call, LogEntry, Participant, Party
from callstore.stores.parties import OF_PARTICIPANT, ORDERS, Part, PartyStore

CALLS = 100  # of a page
ROWS = 500  # of a collection, in memory at once
ANALYSES = 10  # the same: a long call's is large

Rows = AsyncGenerator[Any, None]
_OF_WHO_WAS_THERE = (*OF_PARTICIPANT, "CallAnalytics")


class Stay(Struct, frozen=True, kw_only=True):
    """A call of the party's: its entry, and what is left beside it."""

    entry: LogEntry
    call: Call | None
    row: Participant | None
    conversation_name: Any

    @property
    def part(self) -> Part:
        return Part(
            conversation_id=self.entry.conversation_id,
            call_session_id=self.entry.call_session_id,
            participant_id=self.row.id if self.row else None,
        )


class History:
    """A party's calls in the order of their ids, and the rows that it has in each."""

    def __init__(self, store: PartyStore, party: Party, describe: Describe | None) -> None:
        self.party = party
        self.name: Any = None
        self._store = store
        self._describe = describe
        self._first: tuple[list[Stay], str | None] | None = None
        self._ahead = {
            name: _Ahead(store, name, ANALYSES if name == "CallAnalytics" else ROWS)
            for name in ORDERS
        }

    async def begin(self) -> None:
        """Reads the first page: what keeps the store from it is raised here."""
        names = await names_of(self._describe, [self.party.ref])
        self.name = names.get(self.party.ref)
        self._first = await self._page(None)

    async def stays(self) -> AsyncGenerator[Stay, None]:
        stays, more = self._first or await self._page(None)
        self._first = None
        while True:
            self._look_ahead(stays)
            for stay in stays:
                yield stay
            if more is None:
                return
            stays, more = await self._page(more)

    def of(self, stay: Stay, collection: str) -> Rows:
        """The rows that the call has in a collection, of a participant's only the party's own: in
        the collection's order, and to be asked for in the order of the calls."""
        return self._ahead[collection].of(stay.part)

    async def _page(self, after: str | None) -> tuple[list[Stay], str | None]:
        entries, more = await self._store.entries(self.party, after, CALLS)
        calls, rows = await self._store.around(self.party, entries)
        names = await names_of(self._describe, {f"c:{each.conversation_id}" for each in entries})
        stays = [
            Stay(
                entry=entry,
                call=calls.get(entry.call_session_id),
                row=rows.get(entry.call_session_id),
                conversation_name=names.get(f"c:{entry.conversation_id}"),
            )
            for entry in entries
        ]
        return stays, more

    def _look_ahead(self, stays: Sequence[Stay]) -> None:
        parts = [stay.part for stay in stays]
        there = [part for part in parts if part.participant_id]
        for name, ahead in self._ahead.items():
            ahead.turn_to(there if name in _OF_WHO_WAS_THERE else parts)


class _Ahead:
    """The rows of one collection, read for as many of the next calls at once as have few."""

    def __init__(self, store: PartyStore, collection: str, most: int) -> None:
        self._store = store
        self._collection = collection
        self._most = most  # rows
        self._span = min(CALLS, most)  # calls
        self._parts: Sequence[Part] = ()
        self._places: dict[str, int] = {}  # of the parts, by call
        self._rows: dict[str, list[Any] | None] = {}  # None: more than can be in memory

    def turn_to(self, parts: Sequence[Part]) -> None:
        self._parts, self._rows = parts, {}
        self._places = {part.call_session_id: n for n, part in enumerate(parts)}

    async def of(self, part: Part) -> Rows:
        if part.call_session_id not in self._places:
            return
        if part.call_session_id not in self._rows:
            self._rows = await self._read_from(self._places[part.call_session_id])
        rows = self._rows.pop(part.call_session_id)
        if rows is None:
            async with aclosing(self._by_pages(part)) as pages:
                async for row in pages:
                    yield row
        else:
            for row in rows:
                yield row

    async def _read_from(self, first: int) -> dict[str, list[Any] | None]:
        """Of fewer calls at once where they have many rows, of more where they have few."""
        while True:
            some = self._parts[first : first + self._span]
            found = await self._store.rows(self._collection, some, self._most + 1)
            if len(found) <= self._most:
                self._span = min(2 * self._span, CALLS, self._most)
                return {part.call_session_id: self._own(part, found) for part in some}
            if len(some) == 1:
                return {some[0].call_session_id: None}
            self._span = len(some) // 2

    def _own(self, part: Part, found: Sequence[Any]) -> list[Any]:
        own = (row for row in found if row.call_session_id == part.call_session_id)
        return sorted(own, key=attrgetter(*ORDERS[self._collection]))

    async def _by_pages(self, part: Part) -> Rows:
        last: Any = None
        while True:
            page = await self._store.rows_after(self._collection, part, last, self._most)
            for last in page:
                yield last
            if len(page) < self._most:
                return
