"""What a store is asked for. Stores load and commit; they know no rules."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from msgspec import Struct, field

from callstore.calls.lifecycle.turn import Erased, State, Want
from callstore.calls.model import (
    Call,
    Event,
    LogEntry,
    Participant,
    Party,
    Pulse,
    QualityMetrics,
)
from callstore.calls.pages import Place
from callstore.captions.model import Caption
from callstore.privacy.model import Hold
from callstore.quality.model import Analytics, Sample
from callstore.recordings.model import Recording
from callstore.retention.horizons import Past, Stamps
from callstore.schema.model import Lease
from callstore.stores.auditing import AuditStore
from callstore.stores.leases import Change
from callstore.stores.pages import CaptionsQuery, HistoryQuery, LogQuery, SearchQuery
from callstore.stores.papers import Papers
from callstore.stores.parties import PartyStore
from callstore.stores.structure import Structure
from callstore.stores.watching import Watching


class WriteConflict(Exception):
    """Another writer was faster, or a unique index has another's row in the place of one; nothing
    was written. The group is halved and tried again, until its deadline: then Busy."""


class Unwritable(Exception):
    """Some row cannot be written, whoever else writes: the store's own rules refuse it. Nothing was
    written. The group finds out whose it is, and answers that one with StoreError."""


class Changed(Struct, frozen=True, kw_only=True):
    """Rows to write: `new` are inserted, of `old` the fields that differ are updated.

    An `old` row is what was decided on: where another has written it since, all is a WriteConflict.
    Of a pulse that holds where nothing differs, too. A store whose transactions do not tell
    compares the `guard` of the collection, which each update changes.
    """

    calls: list[tuple[Call | None, Call]] = field(default_factory=list)
    participants: list[tuple[Participant | None, Participant]] = field(default_factory=list)
    entries: list[tuple[LogEntry | None, LogEntry]] = field(default_factory=list)
    pulses: list[tuple[Pulse | None, Pulse]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    metrics: list[tuple[Participant, QualityMetrics]] = field(default_factory=list)
    captions: list[tuple[Caption | None, Caption]] = field(default_factory=list)
    recordings: list[tuple[Recording | None, Recording]] = field(default_factory=list)
    gone: list[Caption] = field(default_factory=list)  # deleted ones
    unstamped: list[Call] = field(default_factory=list)  # no row of these says when it goes
    erased: list[Erased] = field(default_factory=list)  # behind all else; counted as it is written

    @property
    def pairs(self) -> dict[str, Sequence[tuple[Any, Any]]]:
        """Collection -> what may be updated in it, in the order of writing."""
        return {
            "CallSession": self.calls,
            "CallParticipant": self.participants,
            "CallLogEntry": self.entries,
            "CallPulse": self.pulses,
            "CallTranscription": self.captions,
            "CallRecording": self.recordings,
        }


class Scope(Struct, frozen=True, kw_only=True):
    """What holds may be on: these calls and conversations, and parties by their refs."""

    calls: set[str] = field(default_factory=set)
    conversations: set[str] = field(default_factory=set)
    parties: set[str] = field(default_factory=set)


class Batch(Protocol):
    """A group of commands, as a store sees it. One transaction goes:

    load the calls named; ask `wants`; load those rows; ask `lease_id`, and load that lease; ask
    `scope`, and load the holds that are in force on any of that; let `decide` say what to write;
    write it.
    All of it is pure but for ids and the clock, and may be asked again after a conflict.
    """

    @property
    def call_ids(self) -> Sequence[str]: ...
    @property
    def conversation_ids(self) -> Sequence[str]:
        """Conversations whose live call is needed."""
        ...

    def wants(self, calls: Iterable[Call]) -> list[Want]: ...
    def lease_id(self, states: Iterable[State]) -> str | None:
        """The lease that deciding needs to see."""
        ...

    def scope(self, states: Iterable[State]) -> Scope | None:
        """None: no command looks at holds."""
        ...

    def decide(
        self, states: Iterable[State], lease: Lease | None, holds: Sequence[Hold]
    ) -> Changed: ...


Decide = Callable[[Call, Past], Stamps]


class Expired(Struct, frozen=True, kw_only=True):
    """How many rows of each collection, how many files of recordings; of how many ended calls
    nobody knows, as they are not stamped by the horizons asked for; how many would go were they not
    held."""

    rows: dict[str, int]
    files: int
    unstamped: int
    held: int


EXPIRING = ("CallQualitySample", "CallTranscription")
"""What goes before its call does, row by row."""
PAPERS = ("CallHold", "CallErasure")
"""What is of no call, and goes row by row."""


class Finding(Struct, frozen=True, kw_only=True, rename="camel"):
    """Something a doctor found. `problem` is one of: counts, seq_gap, orphan (rows of the call `id`
    are there, the call is not), missing_nulls (the row `id` lacks fields that may be null),
    overdue, row_without_file (the recording's is gone), file_size (it is not as long as it was),
    file_without_row (`id` is its path), storage (files could not be looked at)."""

    problem: Literal[
        "counts",
        "seq_gap",
        "orphan",
        "missing_nulls",
        "overdue",
        "row_without_file",
        "file_size",
        "file_without_row",
        "storage",
    ]
    collection: str
    id: str
    detail: str
    conversation_id: str | None = None


class Store(Protocol):
    """What is kept, durably. Every method may raise StoreUnavailable where the store cannot be
    reached or cannot write now, Busy where others keep it locked for longer than the command
    deadline, and StoreError for what it refuses; none lets a driver's error out. Only `transact`
    raises WriteConflict and Unwritable.

    A call's conversation never changes while the call is there. A store that shards by it looks it
    up once per call id and remembers it: methods that take a call id need no more.
    """

    @property
    def structure(self) -> Structure:
        """What it is made of, and how that is changed."""
        ...

    @property
    def papers(self) -> Papers:
        """Of holds and erasures."""
        ...

    @property
    def audit(self) -> AuditStore:
        """The chain of privileged acts."""
        ...

    @property
    def parties(self) -> PartyStore:
        """What is kept of a party."""
        ...

    @property
    def sharded(self) -> bool:
        """Whether a conversation's rows lie apart from another's: then a batch is of one."""
        ...

    @property
    def at_once(self) -> int:
        """How many batches may be on their way together."""
        ...

    @property
    def watching(self) -> Watching | None:
        """None: it does not lie where the host's collections do."""
        ...

    def conversation_of(self, call_id: str) -> str | None:
        """A call's conversation, where it has been looked up."""

    # -- changing: one transaction each, nothing half done

    async def transact(self, batch: Batch, patience: float, *, rehearsal: bool = False) -> None:
        """Loads, decides and commits `batch` in one transaction. It loads in a few queries however
        many commands there are (SQLite up to 11, MongoDB up to 9), and writes in as few statements
        as it can. A `rehearsal` does it all, and takes it back instead of committing.

        Where nothing was written it raises:
        WriteConflict when another writer was faster;
        Unwritable, or whatever `decide` raised, when a row cannot be written: the group is done
        again, one command at a time;
        Busy when it could not begin within `patience` seconds for others: whose deadline has not
        come is tried again;
        StoreUnavailable when the store cannot be reached or cannot write now: the whole group's.

        Where a commit's result is unknown the store finds out itself before it decides again, by
        something that no other attempt leaves: a row that the batch inserts, an event, a sample or
        a caption, as ids are new each time; else what has become of the rows that it changes or
        deletes. It never raises WriteConflict while the batch may have been committed, and answers
        stay those of the decision that was. If it cannot find out within `patience`, it raises
        StoreUnavailable with `outcome_unknown`.
        """

    async def mark_seen(self, party: Party, call_ids: list[str] | None, at: datetime) -> int:
        """Marks the party's entries of these calls (None: all missed ones) that are not seen yet;
        how many. Not part of a call: no version, no event."""

    async def hide(self, party: Party, call_ids: list[str] | None, at: datetime) -> int:
        """Hides the party's entries of these calls (None: all) from their log; how many."""

    async def save_analysis(self, analytics: Analytics) -> bool:
        """Writes the call's analysis in place of an earlier one; False where the call is gone. The
        next sweep says when it goes."""
        ...

    async def mark_analysed(self, samples: Sequence[Sample], at: datetime) -> None:
        """Of one call, that its analysis has seen these; nothing where the call is gone. The next
        sweep says when they go."""

    async def add_rows(self, rows: dict[str, list[Any]]) -> None:
        """Inserts rows by collection name, in one transaction: for seeding and moving. Conflict
        where one is there already, StoreError where a rule refuses one."""

    async def rows(self, collection: str, after: Any, limit: int) -> tuple[list[Any], Any]:
        """The next `limit` rows of a collection in an order of the store's own, and where the next
        ones begin (None: there are none). By one index, whatever `after` is."""
        ...

    async def rows_like(self, collection: str, rows: Sequence[Any]) -> dict[str, Any]:
        """The rows that are there under the keys of these, by id. One query by key."""
        ...

    async def put_rows(self, collection: str, rows: Sequence[Any]) -> None:
        """Inserts rows, or writes them over those of the same key, in one transaction. Conflict
        where a unique index has another row in their place, or others refer to what is there;
        StoreError where a rule refuses one."""

    async def delete_rows(self, collection: str, rows: Sequence[Any]) -> None:
        """Deletes rows by their keys, in one transaction."""

    async def change_lease(self, id: str, change: Change) -> Lease | None:
        """Atomically reads the lease, asks `change`, writes what it gives; None: nothing."""

    async def mend(self, finding: Finding) -> None:
        """Deletes the rows that an orphan finding is about; writes nulls that are missing."""

    # -- reading: each in one snapshot; a call's participants with it, by one more query or a join

    async def call(self, call_id: str) -> Call | None:
        """With its participants, in the order of their joining."""

    async def live_call(self, conversation_id: str) -> Call | None:
        """The one live call of a conversation, with its participants."""

    async def current_call(self, party: Party) -> Call | None:
        """The live call that the party joined last, with its participants."""

    async def history_page(self, query: HistoryQuery) -> tuple[list[Call], Place | None]:
        """Calls with their participants, newest first; None: there is no next page. By cursor it
        examines limit + 1 entries, with filters of its own at most EXAMINED."""

    async def log_page(self, query: LogQuery) -> tuple[list[LogEntry], Place | None]:
        """Entries that are not hidden, newest first. Costs as `history_page`."""

    async def unseen(self, party: Party) -> int:
        """How many missed calls the party has neither seen nor hidden; examines just those."""

    async def events(self, call_id: str, after: int, limit: int | None) -> list[Event]:
        """By seq, above `after`; empty for an unknown call."""

    async def samples(self, call_id: str) -> list[Sample]:
        """All of a call, by participant and time."""

    async def analytics(self, call_id: str) -> Analytics | None: ...

    async def caption(self, caption_id: str) -> Caption | None: ...

    async def captions(self, call_id: str) -> list[Caption]:
        """The final ones of a call, in the order of speaking."""

    async def captions_page(self, query: CaptionsQuery) -> tuple[list[Caption], Place | None]:
        """By (timestamp, id); None: there is no next page. Examines limit + 1 entries, and of
        finals the interim ones among them."""

    async def recordings(self, ids: Sequence[str]) -> list[Recording]:
        """Those of these ids that are there."""

    async def recordings_of(self, call_id: str) -> list[Recording]:
        """All of a call, in the order of their beginning."""

    async def search_captions(self, query: SearchQuery) -> tuple[list[Caption], Place | None]:
        """By (timestamp, id), falling. Examines the captions that have the rarest of the words, of
        a call those of the call; of a party's it looks at EXAMINED at most, and may be short. The
        same pages on every store."""

    # -- sweeping and examining: may take longer than a deadline, and must keep no command waiting

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

    async def unfinished_recordings(self, stopped_before: datetime) -> list[Recording]:
        """Whose file is being uploaded or deleted, or was when that was cut off; and those that
        were stopped (who has kept no time of that: made) before this and have no file. Examines
        just those."""

    # -- retention: short transactions, so that nobody waits for long

    async def anyone_live(self) -> bool:
        """Whether any call is live. One entry of an index."""

    async def stamp(self, horizons: str, ended_before: datetime, limit: int, decide: Decide) -> int:
        """Of the next calls that ended before this and are not stamped by these horizons: writes
        into each row when it goes, as `decide` says. How many calls there were; 0: none is left.
        One transaction: four queries at most, and an update for each collection and call; a call
        with very many samples counts once for each transaction that it takes."""
        ...

    async def unstamp_samples(self, call_id: str) -> bool:
        """Of a call that has come under a hold, when no row may say any more when it goes: of its
        samples, where a store writes them apart from the rest, some. Whether there may be more."""
        ...

    async def expire_calls(self, now: datetime, horizons: str, limit: int) -> dict[str, int]:
        """Deletes the next calls whose time has come, as these horizons have it, children before
        parents, in one transaction: how many rows of each collection went. Empty: none is left."""
        ...

    async def expire_rows(self, collection: str, now: datetime, limit: int) -> int:
        """Deletes the next rows of a collection whose time has come; 0: none is left."""
        ...

    async def expired_recordings(self, now: datetime, limit: int) -> list[Recording]:
        """The next available ones whose time has come."""

    async def count_expired(self, now: datetime, horizons: str, ended_before: datetime) -> Expired:
        """What a run would delete: rows of calls whose time has come, and those whose own has; of
        held calls those that ended before this. In one snapshot; costs what has expired, what is
        not stamped, and what stays though it is."""
        ...

    def examine(self) -> AsyncIterator[tuple[int, list[Finding]]]:
        """Reads everything, in batches: how many calls were looked at, what is wrong with them."""
        ...

    def ready(self) -> None:
        """The schema is there: reading may begin."""

    async def close(self) -> None: ...
