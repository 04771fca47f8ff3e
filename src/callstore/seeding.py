"""Realistic calls by the thousand: for trying callstore out, for tests, for measuring. Every call
is lived through by the same rules as a real one, so the rows are what they would be."""

import itertools
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from callstore.calls import commands, lifecycle
from callstore.calls.arguments import Seed
from callstore.calls.lifecycle.turn import Context, State
from callstore.calls.model import CallType, DeviceInfo, Guest, Party, Row, User, replace
from callstore.captions.commands import Segment
from callstore.captions.merge import merge
from callstore.recordings.commands import (
    BeginDelete,
    BeginUpload,
    FailRecording,
    FinishDelete,
    FinishUpload,
    OnRecording,
    StartRecording,
)
from callstore.recordings.decide import DECIDERS
from callstore.recordings.model import CONTENT_TYPES
from callstore.recordings.paths import path_of
from callstore.settings import Settings
from callstore.stores.loading import bulk_load
from callstore.stores.protocol import Store
from callstore.times import cut

SPAN = timedelta(days=80)  # inside the 90 that an ended call is kept
CAPTIONED = timedelta(days=25)  # inside the 30 that captions are kept
RECORDED_BEFORE = timedelta(days=2)  # so that what becomes of a recording is past
RECORDING_KEPT = timedelta(days=30)
_SAID = (
    {
        "en": "Good morning, can everybody hear me?",
        "fr": "Bonjour, est-ce que tout le monde m'entend ?",
        "de": "Guten Morgen, können mich alle hören?",
    },
    {
        "en": "Let us look at the numbers of last week first.",
        "fr": "Regardons d'abord les chiffres de la semaine dernière.",
        "de": "Schauen wir uns zuerst die Zahlen der letzten Woche an.",
    },
    {
        "en": "I will send the report before Friday.",
        "fr": "J'enverrai le rapport avant vendredi.",
        "de": "Ich schicke den Bericht vor Freitag.",
    },
    {
        "en": "Sorry, I was on mute.",
        "fr": "Désolé, mon micro était coupé.",
        "de": "Entschuldigung, ich war stumm geschaltet.",
    },
    {
        "en": "Who takes care of the invitation?",
        "fr": "Qui s'occupe de l'invitation ?",
        "de": "Wer kümmert sich um die Einladung?",
    },
    {
        "en": "That sounds good, see you tomorrow.",
        "fr": "C'est parfait, à demain.",
        "de": "Das klingt gut, bis morgen.",
    },
)
BATCH = 1000  # calls in a transaction
_DEVICES = [
    DeviceInfo(browser=browser, os=os, device_type=kind)
    for browser, os, kind in (
        ("Chrome", "Windows", "desktop"),
        ("Firefox", "Linux", "desktop"),
        ("Safari", "macOS", "desktop"),
        ("Safari", "iOS", "mobile"),
        ("Chrome", "Android", "mobile"),
    )
]


class SeedReport(Row, frozen=True, kw_only=True):
    """What was written. Half of all calls are in `busy_conversation` and with `busy_party`."""

    calls: int
    conversations: int
    rows: dict[str, int]
    busy_conversation: str
    busy_party: str  # as refs are: u:…


class _Conversation(Row, frozen=True, kw_only=True):
    id: str
    members: list[Party]
    always: Party  # is in every call
    calls: int


async def seed_store(
    store: Store,
    settings: Settings,
    asked: Seed,
    now: datetime,
    progress: Callable[[int], object] | None,
) -> SeedReport:
    """Writes `asked.count` ended calls of the 80 days before `asked.until`, else the last midnight.
    Memory does not grow with their number. Conflict where these calls are there already."""
    until = asked.until or now.replace(hour=0, minute=0, second=0, microsecond=0)
    rng = random.Random(asked.seed)
    rows: dict[str, int] = {}
    first: _Conversation | None = None
    conversations = 0
    async with bulk_load(store.structure):
        batch: dict[str, list[Any]] = {}
        for conversation in _conversations(rng, asked.count):
            first = first or conversation
            conversations += 1
            for state, events in _lives(rng, conversation, until, settings):
                _collect(batch, state, events)
                if len(batch["CallSession"]) >= BATCH:
                    await _flush(store, batch, rows, progress)
        await _flush(store, batch, rows, progress)
    assert first is not None
    return SeedReport(
        calls=asked.count,
        conversations=conversations,
        rows=rows,
        busy_conversation=first.id,
        busy_party=first.always.ref,
    )


def _collect(batch: dict[str, list[Any]], state: State, events: list[Any]) -> None:
    batch.setdefault("CallSession", []).append(state.call)
    batch.setdefault("CallParticipant", []).extend(state.participants.values())
    batch.setdefault("CallLogEntry", []).extend(state.entries.values())
    batch.setdefault("CallPulse", []).extend(state.pulses.values())
    batch.setdefault("CallEvent", []).extend(events)
    batch.setdefault("CallTranscription", []).extend(state.captions.values())
    batch.setdefault("CallRecording", []).extend(state.recordings.values())


async def _flush(
    store: Store,
    batch: dict[str, list[Any]],
    rows: dict[str, int],
    progress: Callable[[int], object] | None,
) -> None:
    await store.add_rows(batch)
    for name, added in batch.items():
        rows[name] = rows.get(name, 0) + len(added)
    if progress is not None:
        progress(len(batch.get("CallSession", [])))
    batch.clear()


def _conversations(rng: random.Random, count: int) -> Iterator[_Conversation]:
    """First the one with half of all calls, then small ones, in the order of their ids: rows that
    lie together are written together."""
    people: list[Party] = [User(_id(rng, 0)) for _ in range(max(20, count // 20))]
    left = count
    number = 0
    while left:
        busy = number == 0
        calls = (count + 1) // 2 if busy else min(left, rng.randint(1, 40))
        size = 40 if busy else 2 if rng.random() < 0.2 else rng.randint(3, 8)
        members = rng.sample(people, min(size, len(people)))
        if rng.random() < 0.1:
            members[-1] = Guest(_id(rng, 0))
        id = f"{0x60000000 + number:08x}{rng.getrandbits(64):016x}"
        yield _Conversation(id=id, members=members, always=members[0], calls=calls)
        left -= calls
        number += 1


def _id(rng: random.Random, at: float) -> str:
    return f"{int(at) or 0x5F000000:08x}{rng.getrandbits(64):016x}"


def _lives(
    rng: random.Random, conversation: _Conversation, until: datetime, settings: Settings
) -> Iterator[tuple[State, list[Any]]]:
    """The conversation's calls, one after the other."""
    slot = SPAN / conversation.calls
    for number in range(conversation.calls):
        begins = until - SPAN + number * slot
        room = min(slot, timedelta(hours=4))
        begins += rng.random() * (slot - room)
        captioned = begins > until - CAPTIONED
        life = _Life(rng, conversation, begins, room, settings, captioned=captioned)
        life.live(recorded=begins < until - RECORDED_BEFORE)
        life.store_recordings(until)
        yield life.state, life.events


class _Life:
    """One call, acted out. Times are compressed where the conversation has little room."""

    def __init__(
        self,
        rng: random.Random,
        conversation: _Conversation,
        begins: datetime,
        room: timedelta,
        settings: Settings,
        *,
        captioned: bool,
    ) -> None:
        self._rng = rng
        self._now = cut(begins)
        self._end = begins + room * 0.9
        self._roomy = room > timedelta(minutes=2)
        self._keep_captions = settings.keep_captions if captioned else None
        self._context = Context(
            now=self._now,
            new_id=lambda: _id(rng, self._now.timestamp()),
            keep=settings.keep_calls,
            liveness=timedelta(milliseconds=1),  # an Expire means that nobody is there any more
            watching_since=datetime(2000, 1, 1, tzinfo=UTC),
        )
        self._type: CallType = "video" if rng.random() < 0.7 else "audio"
        others = [m for m in conversation.members if m != conversation.always]
        count = 1 if rng.random() < 0.7 else min(len(others), rng.randint(2, 6))
        self._initiator, *self._invited = rng.sample(
            [conversation.always, *rng.sample(others, count)], count + 1
        )
        self.events: list[Any] = []
        self.state = self._start(conversation.id)

    def _start(self, conversation_id: str) -> State:
        command = commands.Start(
            conversation_id=conversation_id,
            initiator=self._initiator,
            invite=self._invited,
            type=self._type,
            settings=None,
            max_participants=50,
            sfu=True,
            end_when=None,
            ring_seconds=self._rng.choice((30, 45, 60)) if self._roomy else 5,
            call_id=None,
        )
        _, made = lifecycle.start(command, same=None, live=None, context=self._context)
        state = State(call=made.call, everyone=True, recorded=True)
        state.apply(made)
        self.events += made.events
        return state

    def live(self, *, recorded: bool) -> None:
        self._recorded = recorded and self._rng.random() < 0.05
        self._after(0.5, 2)
        self._do(commands.Ring)
        fate = self._rng.random()
        if fate < 0.22:
            self._miss()
        elif fate < 0.25:
            for party in self._invited:
                self._after(2, 10)
                self._do(commands.Decline, party=party)
        elif fate < 0.28:
            self._after(3, 20)
            self._do(commands.Cancel, by=self._initiator)
        else:
            self._talk()
        assert not self.state.call.live

    def _miss(self) -> None:
        deadline = self.state.call.ring_deadline
        assert deadline is not None
        self._now = max(self._now, deadline)
        self._do(commands.Expire)
        for ref, entry in self.state.entries.items():
            if entry.response == "missed" and self._rng.random() < 0.8:
                seen = self._now + timedelta(minutes=self._rng.uniform(1, 600))
                self.state.entries[ref] = replace(entry, seen_at=cut(seen))

    def _talk(self) -> None:
        # In a group some never come; the first always does, or nobody would talk.
        coming = [p for i, p in enumerate(self._invited) if i == 0 or self._rng.random() < 0.8]
        for party in coming:
            self._after(2, 9)
            self._join(party)
        self._connect(self._initiator)
        left = max((self._end - self._now).total_seconds(), 0)
        talk = min(self._rng.lognormvariate(5.2, 1.2), left)
        self._turns(coming, talk)
        self._go(coming)

    def _join(self, party: Party) -> None:
        self._do(
            commands.Join,
            party=party,
            answer=True,
            device=self._rng.choice(_DEVICES),
            audio=True,
            video=None,
            screen=False,
        )
        self._after(0.2, 1.5)
        self._connect(party)

    def _connect(self, party: Party) -> None:
        self._do(commands.Connected, party=party)

    def _turns(self, coming: list[Party], talk: float) -> None:
        """What happens while they talk."""
        if len(coming) > 1 and self._keep_captions is not None:
            self._speak([self._initiator, *coming], talk * 0.2)
        self._after(talk * 0.2, talk * 0.4)
        if self._recorded:
            party = self._rng.choice([self._initiator, *coming])
            self._do(StartRecording, party=party, format="webm", quality="hd")
        if self._rng.random() < 0.3:
            muted = self._rng.choice(coming)
            self._do(commands.SetMedia, party=muted, audio=False)
            self._after(talk * 0.01, talk * 0.05)
            self._do(commands.SetMedia, party=muted, audio=True)
        if len(coming) > 1 and self._rng.random() < 0.3:
            dropped = self._rng.choice(coming)
            self._do(commands.Failed, party=dropped)
            self._after(1, 8)
            self._join(dropped)
        self._after(talk * 0.3, talk * 0.4)

    def _speak(self, parties: list[Party], span: float) -> None:
        """A few sentences of several speakers, each in a language of their own."""
        assert self._keep_captions is not None
        tongues = dict(zip(parties, itertools.cycle(_SAID[0]), strict=False))
        for number, said in enumerate(self._rng.sample(_SAID, self._rng.randint(2, len(_SAID)))):
            self._after(span / 20, span / 5)
            party = self._rng.choice(parties)
            speaker = self.state.participants[party.ref]
            if not speaker.live:
                continue
            segment = Segment(
                segment_id=str(number),
                text=said[tongues[party]],
                language=tongues[party],
                duration=self._rng.randint(900, 4000),
                confidence=round(self._rng.uniform(0.7, 0.99), 2),
                source="server",
                translations={tag: text for tag, text in said.items() if tag != tongues[party]},
            )
            caption = merge(
                None, segment, speaker=speaker, now=self._now, new_id=self._context.new_id
            )
            expires = caption.created_at + self._keep_captions
            self.state.captions[caption.key] = replace(caption, expires_at=expires)

    def store_recordings(self, until: datetime) -> None:
        """What became of the call's recordings. No file is made: most had one that was deleted,
        after its time or by somebody's wish before; some got none."""
        for id, row in [*self.state.recordings.items()]:
            assert row.stopped_at is not None
            if self._rng.random() < 0.1:
                self._on(id, timedelta(minutes=5), FailRecording, reason="the recorder has died")
                continue
            path, kind = path_of(row, id[-8:]), CONTENT_TYPES[row.format]
            self._on(id, timedelta(minutes=1), BeginUpload, path=path)
            file: dict[str, Any] = {"path": path, "size": 60_000 * (row.duration + 1)}
            file |= {"sha256": sha256(path.encode()).hexdigest(), "content_type": kind}
            self._on(id, timedelta(minutes=2), FinishUpload, **file)
            wished = timedelta(hours=self._rng.uniform(1, 40))
            over = row.stopped_at + RECORDING_KEPT < until - timedelta(days=1)
            self._on(id, RECORDING_KEPT if over else wished, BeginDelete)
            self._on(id, timedelta(seconds=1), FinishDelete, path=path)

    def _on(self, id: str, later: timedelta, kind: type[OnRecording], **arguments: Any) -> None:
        self._now += later
        self._decide(kind(call_id=self.state.call.id, recording_id=id, **arguments))

    def _go(self, coming: list[Party]) -> None:
        if self._rng.random() < 0.02:  # everyone's connection breaks
            self._after(70, 90)
            return self._do(commands.Expire)
        if self._rng.random() < 0.3:
            return self._do(commands.End, by=self._initiator, reason="normal")
        for party in self._rng.sample([self._initiator, *coming], len(coming) + 1):
            self._do(commands.Leave, party=party)
            self._after(0.2, 2)
        return None

    def _after(self, least: float, most: float) -> None:
        """Time goes by, less of it where the next call of the conversation is near."""
        step = self._rng.uniform(least, most)
        left = (self._end - self._now).total_seconds()
        self._now = cut(self._now + timedelta(seconds=min(step, max(left / 10, 0.05))))

    def _do(self, kind: type[commands.OnCall], **arguments: Any) -> None:
        if self.state.call.live:
            self._decide(kind(call_id=self.state.call.id, **arguments))

    def _decide(self, command: commands.OnCall) -> None:
        context = replace(self._context, now=self._now)
        decide = DECIDERS.get(type(command), lifecycle.decide)
        made = decide(self.state, command, context)
        self.state.apply(made)
        self.events += made.events
