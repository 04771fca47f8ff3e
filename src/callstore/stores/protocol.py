"""What a store is asked for. Stores load and commit; they know no rules."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol

from msgspec import Struct, field

from callstore.calls.lifecycle.turn import State
from callstore.calls.model import (
    Call,
    CallType,
    Count,
    Direction,
    Event,
    LogEntry,
    Outcome,
    Participant,
    Party,
    Pulse,
    QualityMetrics,
    Response,
)
from callstore.ids import Id
from callstore.quality.model import Analytics, Sample
from callstore.schema.model import Lease, SchemaStep
from callstore.validation import Cursor, Limit, Offset, Time


class WriteConflict(Exception):
    """Another writer was faster; nothing was written. The group tries again."""


class Unwritable(Exception):
    """Some row cannot be written, whoever else writes. The group finds out whose it is."""


class Want(Struct, frozen=True, kw_only=True):
    """The rows of one call that a batch needs: everyone's, or the participants `parties` and the
    log entries of `logs`."""

    call: Call
    everyone: bool
    parties: frozenset[Party] = frozenset()
    logs: frozenset[Party] = frozenset()


class Changed(Struct, frozen=True, kw_only=True):
    """Rows to write: `new` are inserted, of `old` the fields that differ are updated."""

    calls: list[tuple[Call | None, Call]] = field(default_factory=list)  # guarded by version
    participants: list[tuple[Participant | None, Participant]] = field(default_factory=list)
    entries: list[tuple[LogEntry | None, LogEntry]] = field(default_factory=list)
    pulses: list[tuple[Pulse | None, Pulse]] = field(default_factory=list)  # guarded by seenAt
    events: list[Event] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    metrics: list[tuple[Participant, QualityMetrics]] = field(default_factory=list)


class Batch(Protocol):
    """A group of commands, as a store sees it. One transaction goes:

    load the calls named; ask `wants`; load those rows; let `decide` say what to write; write it.
    `decide` is pure but for ids and the clock, and may be called again after a conflict.
    """

    @property
    def call_ids(self) -> Sequence[str]: ...
    @property
    def conversation_ids(self) -> Sequence[str]:
        """Conversations whose live call is needed."""
        ...

    def wants(self, calls: Iterable[Call]) -> list[Want]: ...
    def decide(self, states: Iterable[State], sweep: Lease | None) -> Changed: ...


class HistoryQuery(Struct, frozen=True, kw_only=True):
    """A page of a conversation's calls, newest first, below `cursor`."""

    conversation_id: Id
    limit: Limit
    cursor: Cursor | None
    offset: Offset
    outcome: Outcome | None
    type: CallType | None
    since: Time | None
    until: Time | None
    party: Party | None
    min_duration: Count | None


class LogQuery(Struct, frozen=True, kw_only=True):
    """A page of a party's log, newest first, below `cursor`."""

    party: Party
    limit: Limit
    cursor: Cursor | None
    offset: Offset
    direction: Direction | None
    response: Response | None
    outcome: Outcome | None
    type: CallType | None
    since: Time | None
    until: Time | None
    unseen: bool


Found = tuple[list[Any], tuple[datetime, str] | None]
"""Rows of a page, and where the next one begins (None: there is no next)."""

EXAMINED = 1000
"""How many entries a filtered page looks at before it is returned short."""


class Finding(Struct, frozen=True, kw_only=True, rename="camel"):
    """Something a doctor found. `problem` is one of: counts, seq_gap, orphan, overdue."""

    problem: str
    collection: str
    id: str
    detail: str


class Store(Protocol):
    # -- changing: nothing outside a transaction, nothing half done

    async def transact(self, batch: Batch, patience: float) -> None:
        """Loads, decides and commits `batch` in one transaction: 4 queries to load, then one
        statement per collection and shape of change. WriteConflict, StoreUnavailable, Busy (not
        within `patience` seconds); any other exception means that some row could not be written.
        """

    async def mark_seen(self, party: Party, call_ids: list[str] | None, at: datetime) -> int: ...
    async def hide(self, party: Party, call_ids: list[str] | None, at: datetime) -> int: ...
    async def save_analysis(self, analytics: Analytics, *, samples_expire: datetime | None) -> None:
        """Writes the call's analysis in place of an earlier one, and stamps its samples."""

    async def add_rows(self, rows: dict[str, list[Any]]) -> None:
        """Inserts rows by collection name, in one transaction: for seeding and moving. Conflict
        where one is there already."""

    def bulk_load(self) -> AbstractAsyncContextManager[None]:
        """While it lasts, rows are added in bulk: secondary indexes of an empty database are built
        at its end."""
        ...

    async def take_lease(
        self, id: str, holder: str, now: datetime, ttl: timedelta, watch_gap: timedelta
    ) -> Lease | None:
        """The lease, taken or renewed; None while another holds it. `watching_since` starts anew
        when the last run is more than `watch_gap` ago."""

    async def release_lease(self, id: str, holder: str) -> None: ...
    async def delete_orphans(self) -> None: ...
    async def recount(self, call_id: str) -> None:
        """Makes a call's counts what its rows say."""

    # -- reading: one query, or two where participants come with calls

    async def call(self, call_id: str) -> Call | None: ...
    async def live_call(self, conversation_id: str) -> Call | None: ...
    async def current_call(self, party: Party) -> Call | None: ...
    async def history_page(self, query: HistoryQuery) -> Found: ...
    async def log_page(self, query: LogQuery) -> Found: ...
    async def unseen(self, party: Party) -> int: ...
    async def events(self, call_id: str, after: int, limit: int | None) -> list[Event]: ...
    async def samples(self, call_id: str) -> list[Sample]: ...
    async def analytics(self, call_id: str) -> Analytics | None: ...

    # -- sweeping and examining: long, on a reader of their own

    async def overdue(self, now: datetime, silent_before: datetime | None) -> list[str]:
        """Live calls that have rung out unanswered, or that somebody is in who has been silent
        since `silent_before`. Costs what is live."""

    async def due(
        self, now: datetime, silent_before: datetime | None, few_before: datetime
    ) -> list[str]:
        """Live calls that a sweep has to look at: the overdue, those still ringing when they
        should not, those that have needed no sfu since `few_before`, and those whose own time is
        ahead of `now`. Costs what is live."""

    async def unanalysed(self) -> list[str]:
        """Ended calls with samples that no analysis has seen."""

    def examine(self) -> AsyncIterator[tuple[int, list[Finding]]]:
        """Reads everything, in batches: how many calls were looked at, what is wrong with them."""
        ...

    # -- schema

    async def schema(self) -> list[SchemaStep]: ...
    async def migrate(self, steps: Sequence[Any], now: Callable[[], datetime]) -> None: ...
    async def missing_indexes(self) -> list[str]:
        """Declared indexes that the database lacks: a bulk load was interrupted."""

    async def build_indexes(self) -> None: ...
    def ready(self) -> None:
        """The schema is there: reading may begin."""

    async def close(self) -> None: ...
