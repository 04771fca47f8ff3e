"""What a command is decided on, and what it decides: `State`, `Turn`, `Transition`."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, field

from callstore.calls.model import (
    Call,
    Event,
    EventType,
    LogEntry,
    Mode,
    Participant,
    Party,
    Pulse,
    QualityMetrics,
    replace,
)
from callstore.captions.model import Caption
from callstore.errors import CallEnded, InvalidTransition
from callstore.privacy.model import Counts, Hold, Kept
from callstore.recordings.model import Recording, in_order_of_beginning

BEAT_EVERY = timedelta(seconds=30)
LATE = timedelta(minutes=5)  # after endedAt: what was under way when the call ended
MARGIN = timedelta(minutes=1)  # beyond what may come late: clocks apart, commands on their way


class Context(Struct, frozen=True, kw_only=True):
    """What the rules take from outside: the time, new ids, the settings, who watches."""

    now: datetime
    new_id: Callable[[], str]
    keep: timedelta  # how long an ended call is kept
    liveness: timedelta | None  # silence after which a participant is lost; None: never
    watching_since: datetime | None = (
        None  # since when sweeps have been regular; None: they are not
    )
    holds: Sequence[Hold] = ()  # in force, on any of what commands named that look at them


class Want(Struct, frozen=True, kw_only=True):
    """The rows of one call that commands need: everyone's, or the participants `parties` and the
    log entries of `logs`, and of `answering` unless they are seated; the pulses of all of these, or
    of whose stint began by `stints_until`; the captions of `segments`, by who spoke or by their
    row's id; and all recordings."""

    call: Call
    everyone: bool
    parties: frozenset[Party] = frozenset()
    logs: frozenset[Party] = frozenset()
    answering: frozenset[Party] = frozenset()
    stints_until: datetime | None = None
    segments: frozenset[tuple[Party | str, str]] = frozenset()
    recordings: bool = False

    def entries(self, state: "State") -> set[Party]:
        """Whose log entries are wanted, beside the participants in the state."""
        entries = {*self.logs, *(p for p in self.answering if not state.is_seated(p))}
        if entries and self.call.started_at is None:
            entries.add(self.call.initiator)  # the first answer settles theirs
        return entries

    def wants_pulse(self, row: Participant) -> bool:
        """Whether the row's pulse is wanted."""
        until = self.stints_until
        return until is None or not row.stints or row.stints[-1].joined_at <= until

    def keys(self, state: "State") -> Iterator[tuple[str, str, str, str]]:
        """Of the captions: (conversation, call, participant, segment), of who is in the state."""
        for who, segment in self.segments:
            if isinstance(who, str):
                yield self.call.conversation_id, self.call.id, who, segment
            elif (row := state.participants.get(who.ref)) is not None:
                yield self.call.conversation_id, self.call.id, row.id, segment


class Erased(Struct, kw_only=True):
    """What goes of a call for an erasure, in the order of writing behind all else: everything, or
    what is of a `party`, or `samples` of its samples at most, of which `went` went. `counts` is
    filled as it goes."""

    erasure_id: str
    call: Call
    party: Party | None = None
    samples: int = 0
    went: int = 0
    participant: Participant | None = None  # the party's
    entry: LogEntry | None = None
    delete: bool = True  # the party's rows; else they stay without it
    recordings: list[str] = field(default_factory=list)  # that the party asked for
    lately: bool = False  # more of it may be under way
    at: datetime
    kept: list[Kept] = field(default_factory=list)  # by the rules
    counts: Counts = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether the call goes."""
        return self.party is None and not self.samples

    @property
    def named(self) -> dict[str, str]:
        """By which fields an event names the party, and how."""
        assert self.party is not None
        own = "userId" if self.party.kind == "user" else "anonymousUserId"
        return {own: self.party.id, "actor": self.party.ref}

    @property
    def rows(self) -> dict[str, str]:
        """The party's own rows that go, by collection: their ids."""
        own = {"CallParticipant": self.participant, "CallLogEntry": self.entry}
        return {name: row.id for name, row in own.items() if row is not None and self.delete}


class Transition(Struct, kw_only=True):
    """The rows and events a command leaves. An unchanged call may still carry a pulse."""

    call: Call
    participants: dict[str, Participant] = field(default_factory=dict)
    entries: dict[str, LogEntry] = field(default_factory=dict)
    pulses: dict[str, Pulse] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    mode_switch: tuple[Mode, Mode] | None = None
    samples: list[Any] = field(default_factory=list)  # quality.model.Sample
    metrics: list[tuple[Participant, QualityMetrics]] = field(default_factory=list)
    captions: dict[tuple[str, str], Caption | None] = field(default_factory=dict)  # None: goes
    recordings: dict[str, Recording] = field(default_factory=dict)
    unstamped: bool = False  # no row of the call says any more when it goes
    erased: Erased | None = None
    answer: Any = None  # where it is not the call


class State(Struct, kw_only=True):
    """What is known of one call: the rows loaded, then what the commands of a group made of them.

    Participants and entries are keyed by party ref, an erased party's by row id; pulses by
    participant id, captions by that and segment id (None: it is gone), recordings by id.
    `everyone` says that all participants and entries of the call are here, `recorded` that all its
    recordings are. A pulse may be missing of whose stint is too young for it to be a sign of life.
    """

    call: Call
    participants: dict[str, Participant] = field(default_factory=dict)
    entries: dict[str, LogEntry] = field(default_factory=dict)
    pulses: dict[str, Pulse] = field(default_factory=dict)
    captions: dict[tuple[str, str], Caption | None] = field(default_factory=dict)
    recordings: dict[str, Recording] = field(default_factory=dict)
    everyone: bool = False
    recorded: bool = False

    def add(self, row: Participant | LogEntry | Pulse | Caption | Recording) -> None:
        """A row as it was loaded."""
        if isinstance(row, Participant):
            self.participants[key(row)] = row
        elif isinstance(row, LogEntry):
            self.entries[key(row)] = row
        elif isinstance(row, Caption):
            self.captions[row.key] = row
        elif isinstance(row, Recording):
            self.recordings[row.id] = row
        else:
            self.pulses[row.participant_id] = row

    def apply(self, made: Transition) -> None:
        self.call = made.call
        if made.erased is not None:
            self._forget(made.erased)
        self.participants.update(made.participants)
        self.entries.update(made.entries)
        self.pulses.update(made.pulses)
        self.captions.update(made.captions)
        self.recordings.update(made.recordings)

    def is_seated(self, party: Party) -> bool:
        row = self.participants.get(party.ref)
        return row is not None and row.seated

    @property
    def parties(self) -> set[str]:
        """The refs of all who have a row or a log entry here."""
        rows = {row.party.ref for row in self.participants.values() if row.party}
        return rows | {entry.party for entry in self.entries.values() if entry.party}

    def _forget(self, erased: Erased) -> None:
        """Nobody is found by who they were."""
        if erased.party is not None:
            self.participants.pop(erased.party.ref, None)
            self.entries.pop(erased.party.ref, None)
        if (row := erased.participant) is not None:
            self.pulses.pop(row.id, None)
            self.captions = {key: c for key, c in self.captions.items() if key[0] != row.id}


def key(row: Participant | LogEntry) -> str:
    party = row.party if isinstance(row, Participant) else None
    ref = row.party if isinstance(row, LogEntry) else party and party.ref
    return ref or row.id


class Turn:
    """One command's work on a state, which stays as it is: changed rows are laid over it."""

    def __init__(self, state: State, context: Context) -> None:
        self.state = state
        self.context = context
        # Event times never fall as seq grows, whatever the clocks of several processes do.
        self.now = max(context.now, state.call.last_event_at)
        self.changed = False
        self.made = Transition(call=state.call)

    @property
    def call(self) -> Call:
        return self.made.call

    def set_call(self, **changes: Any) -> None:
        self.made.call = replace(self.made.call, **changes)
        self.changed = True

    def participant(self, party: Party) -> Participant | None:
        return self.made.participants.get(party.ref) or self.state.participants.get(party.ref)

    def participants(self) -> list[Participant]:
        assert self.state.everyone, "the command needs everyone, and they were not loaded"
        return list({**self.state.participants, **self.made.participants}.values())

    def set_participant(self, row: Participant, **changes: Any) -> Participant:
        row = replace(row, updated_at=self.now, **changes)
        self.made.participants[key(row)] = row
        self.changed = True
        return row

    def entry(self, party: Party) -> LogEntry | None:
        return self.made.entries.get(party.ref) or self.state.entries.get(party.ref)

    def entries(self) -> list[LogEntry]:
        assert self.state.everyone, "the command needs everyone, and they were not loaded"
        return list({**self.state.entries, **self.made.entries}.values())

    def set_entry(self, row: LogEntry, **changes: Any) -> None:
        row = replace(row, **changes)
        self.made.entries[key(row)] = row
        self.changed = True

    def pulse(self, row: Participant) -> Pulse | None:
        return self.made.pulses.get(row.id) or self.state.pulses.get(row.id)

    def caption(self, participant_id: str, segment_id: str) -> Caption | None:
        key = participant_id, segment_id
        return (
            self.made.captions[key] if key in self.made.captions else self.state.captions.get(key)
        )

    def recordings(self) -> list[Recording]:
        """All of the call, the first one first."""
        assert self.state.recorded, "the command needs recordings, and they were not loaded"
        rows = {**self.state.recordings, **self.made.recordings}
        return in_order_of_beginning(rows.values())

    def set_recording(self, row: Recording) -> None:
        self.made.recordings[row.id] = row

    def sign_of_life(self, row: Participant) -> datetime:
        """The later of the current stint's join and the pulse."""
        pulse, joined = self.pulse(row), row.stints[-1].joined_at
        return max(joined, pulse.seen_at) if pulse else joined

    def beat(self, row: Participant) -> None:
        """A sign of life now, written at most every 30 s."""
        if self.now - self.sign_of_life(row) >= BEAT_EVERY:
            self.set_pulse(row, self.now)

    def set_pulse(self, row: Participant, seen_at: datetime, **changes: Any) -> None:
        pulse = self.pulse(row)
        if pulse is None:
            pulse = Pulse(
                id=row.id,
                conversation_id=row.conversation_id,
                call_session_id=row.call_session_id,
                participant_id=row.id,
                seen_at=seen_at,
            )
        self.made.pulses[row.id] = replace(pulse, seen_at=seen_at, **changes)

    def event(
        self,
        type: EventType,
        *,
        about: Participant | Party | None = None,
        actor: Party | None = None,
        at: datetime | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        call = self.made.call
        party = about.party if isinstance(about, Participant) else about
        self.made.events.append(
            Event(
                id=self.context.new_id(),
                conversation_id=call.conversation_id,
                call_session_id=call.id,
                seq=call.event_count + 1,
                type=type,
                at=at or self.now,
                participant_id=about.id if isinstance(about, Participant) else None,
                user_id=party.id if party and party.kind == "user" else None,
                anonymous_user_id=party.id if party and party.kind == "guest" else None,
                actor=actor.ref if actor else None,
                data=data,
                expires_at=None,
            )
        )
        self.set_call(event_count=call.event_count + 1, last_event_at=at or self.now)

    def done(self) -> Transition:
        if self.changed:
            self.set_call(version=self.state.call.version + 1, updated_at=self.now)
        return self.made


def live_participant(turn: Turn, party: Party) -> Participant:
    row = turn.participant(party)
    if row is None or not row.live:
        raise InvalidTransition("the party is not in the call")
    return row


def heard(turn: Turn, party: Party) -> Participant:
    """Whom a report or a caption is of: anyone with a row in the call, until 5 minutes after its
    end. Of a live one it is a sign of life."""
    call = turn.state.call
    if call.ended_at is not None and turn.now - call.ended_at > LATE:
        raise CallEnded(call.id)
    row = turn.participant(party)
    if row is None:
        raise InvalidTransition("the party was never in the call")
    if row.live:
        turn.beat(row)
    return row


def flags(row: Participant) -> dict[str, bool]:
    """The media flags as events carry them."""
    return {
        "audio": row.audio_enabled,
        "video": row.video_enabled,
        "screen": row.screen_share_enabled,
    }
