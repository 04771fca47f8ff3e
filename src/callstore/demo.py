"""A short history of one conversation, played from real recordings into a store.

The recordings are getStats() reports of two Chromium peers under known network conditions, one a
second (`quality/traces`). Who is called what, joins, drops out and declines is made up; every
number in a report is as the browser gave it, only moved in time so that the last call ends now.
"""

import gzip
import math
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from io import BytesIO
from typing import Any

import msgspec

from callstore.calls.facade import Calls
from callstore.calls.model import Guest, Party, Row, User
from callstore.ids import id_maker

LENGTH = timedelta(seconds=246)  # from the first call's start to the last one's end
DESKTOP = {"browser": "Chrome", "os": "Windows", "deviceType": "desktop"}
MOBILE = {"browser": "Safari", "os": "iOS", "deviceType": "mobile"}


class Cast(Row, frozen=True, kw_only=True):
    """Who plays. `names` is what a host's `describe` callback would know."""

    conversation: str
    ada: Party
    ben: Party
    chloe: Party
    names: dict[str, Any]


def cast() -> Cast:
    new_id = id_maker()
    conversation, ada, ben, chloe = new_id(), User(new_id()), User(new_id()), Guest(new_id())
    names = {
        f"c:{conversation}": "Project Aurora",
        ada.ref: "Ada",
        ben.ref: "Ben",
        chloe.ref: "Chloe (guest)",
    }
    return Cast(conversation=conversation, ada=ada, ben=ben, chloe=chloe, names=names)


class Clock:
    """The time on stage, moved by hand."""

    def __init__(self, begins: datetime) -> None:
        self.now = begins

    def __call__(self) -> datetime:
        return self.now


class Scene(Row, frozen=True, kw_only=True):
    """A call of the demo: what is in it that the store cannot know."""

    title: str
    source: str
    call_id: str


class _Stage:
    """One call under way: moves the clock, replays a recording up to where the clock is."""

    def __init__(self, calls: Calls, clock: Clock, cast: Cast) -> None:
        self.calls = calls
        self.cast = cast
        self._clock = clock
        self._began = clock.now
        self._reports: list[tuple[float, Party, bytes]] = []
        self._away: set[Party] = set()

    def load(self, trace: str, peers: dict[str, Party], *, begins: float, only: slice) -> None:
        """Reports of `peers` of a recording, `begins` seconds into the call; of each peer those
        in `only`."""
        for peer, party in peers.items():
            for second, report in list(_reports(trace, peer))[only]:
                at = begins + second
                self._reports.append((at, party, _moved(report, self._began, at)))
        self._reports.sort(key=lambda item: item[0])

    async def until(self, second: float) -> None:
        """Plays on to `second` of the call."""
        while self._reports and self._reports[0][0] <= second:
            at, party, report = self._reports.pop(0)
            self._set(at + 0.04)
            if party not in self._away:
                await self.calls.quality.report(self.call_id, party, report)
        self._set(second)

    def leaves(self, party: Party) -> None:
        self._away.add(party)

    def returns(self, party: Party) -> None:
        self._away.discard(party)

    def _set(self, second: float) -> None:
        moment = self._began + timedelta(seconds=second)
        self._clock.now = max(self._clock.now, moment)

    async def start(self, initiator: Party, invite: list[Party], **options: Any) -> None:
        call = await self.calls.start(
            self.cast.conversation, initiator, invite=invite, ring_seconds=30, **options
        )
        self.call_id = call.id

    async def say(self, second: float, party: Party, **said: str) -> None:
        """At `second`, in the first of the languages; then in the others, as a translator would."""
        await self.until(second)
        (language, text), *others = said.items()
        caption = await self.calls.captions.add(
            self.call_id,
            party,
            segment_id=f"{second:.1f}",
            text=text,
            language=language,
            duration=60 * len(text),
            confidence=0.93,
        )
        for tongue, translated in others:
            await self.calls.captions.translate(caption.id, tongue, translated)

    async def has_recorded(self, recording_id: str) -> None:
        """Stops it; what was recorded is made on the spot."""
        row = await self.calls.recordings.stop(recording_id)
        await self.calls.recordings.put(row.id, _chimes(row.duration))

    async def pick_up(self, party: Party, device: dict[str, str]) -> None:
        await self.calls.join(self.call_id, party, device=device)
        await self.calls.connected(self.call_id, party)


def _reports(trace: str, peer: str) -> Iterator[tuple[float, list[dict[str, Any]]]]:
    """(second of the recording, report) of one peer."""
    packed = resources.files("callstore.quality") / "traces" / f"{trace}.jsonl.gz"
    began = None
    for line in gzip.decompress(packed.read_bytes()).splitlines():
        item = msgspec.json.decode(line)
        began = item["t"] if began is None else began
        if item["peer"] == peer:
            yield (item["t"] - began) / 1000, item["report"]


def _moved(report: list[dict[str, Any]], began: datetime, second: float) -> bytes:
    """The report as if it had been made `second` seconds after `began`."""
    latest = max(entry["timestamp"] for entry in report)
    shift = (began.timestamp() + second) * 1000 - latest
    return msgspec.json.encode(
        [{**entry, "timestamp": entry["timestamp"] + shift} for entry in report]
    )


async def _chimes(seconds: int) -> AsyncIterator[bytes]:
    """A WAV file of so many seconds, a chime in each: 8 kHz, 8 bits, mono."""
    rate, file = 8000, BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 1, rate, 0, "NONE", ""))
        for second in range(seconds):
            tone = 440 * 2 ** ((0, 4, 7, 12)[second % 4] / 12) / rate  # of a chord, note by note
            written.writeframes(
                bytes(
                    128 + int(100 * math.exp(-4 * n / rate) * math.sin(2 * math.pi * tone * n))
                    for n in range(rate)
                )
            )
    file.seek(0)
    while some := file.read(64 * 1024):
        yield some


async def play(
    calls: Calls, clock: Clock, cast: Cast, shown: Callable[[Scene], Awaitable[None]]
) -> None:
    """Plays all scenes; `shown` is called with each when its call has ended and is analysed."""
    scenes = (
        (_missed, "Nobody answers", "no recording"),
        (
            _good,
            "A good call, a third party, and back",
            "recording good; Chloe replays peer a of recording wifi",
        ),
        (_declined, "Not now", "no recording"),
        (_spike, "A burst of loss, a drop-out, a return", "recording spike"),
        (_congested, "A narrow line", "recording congested"),
    )
    for act, title, source in scenes:
        stage = _Stage(calls, clock, cast)
        await calls.sweep()
        await act(stage)
        await calls.sweep()
        await shown(Scene(title=title, source=source, call_id=stage.call_id))
        clock.now += timedelta(seconds=20)


async def _missed(stage: _Stage) -> None:
    cast, calls = stage.cast, stage.calls
    await stage.start(cast.ada, [cast.ben])
    await stage.until(1.2)
    await calls.ring(stage.call_id)
    await stage.until(31)
    await calls.sweep()


async def _good(stage: _Stage) -> None:
    cast, calls = stage.cast, stage.calls
    stage.load("good", {"a": cast.ada, "b": cast.ben}, begins=4, only=slice(None))
    await stage.start(cast.ada, [cast.ben, cast.chloe])
    await stage.until(0.8)
    await calls.ring(stage.call_id)
    await stage.until(3.4)
    await stage.pick_up(cast.ben, MOBILE)
    await calls.connected(stage.call_id, cast.ada)
    await stage.say(6, cast.ada, en="Can you hear me?", fr="Tu m'entends ?")
    await stage.say(
        9, cast.ben, fr="Oui, très bien. Chloé arrive.", en="Very well. Chloe is coming."
    )
    await stage.until(14)
    await stage.pick_up(cast.chloe, DESKTOP)
    stage.load("wifi", {"a": cast.chloe}, begins=14.5, only=slice(0, 13))
    recording = await calls.recordings.start(stage.call_id, cast.ada, format="wav")
    await stage.say(17, cast.chloe, en="Sorry, I am late.", fr="Désolée, je suis en retard.")
    await stage.until(20)
    await calls.set_media(stage.call_id, cast.ada, screen=True)
    await stage.until(26)
    await stage.has_recorded(recording.id)
    await stage.until(27.6)
    await calls.leave(stage.call_id, cast.chloe)
    await stage.until(33)
    await calls.set_media(stage.call_id, cast.ada, screen=False)
    await stage.until(38)
    await calls.sweep()  # two seated for 10 s: no need for an sfu any more
    await stage.until(43.5)
    await calls.end(stage.call_id, by=cast.ada)


async def _declined(stage: _Stage) -> None:
    cast = stage.cast
    await stage.start(cast.ben, [cast.ada], type="audio")
    await stage.until(0.9)
    await stage.calls.ring(stage.call_id)
    await stage.until(6.3)
    await stage.calls.decline(stage.call_id, cast.ada)


async def _spike(stage: _Stage) -> None:
    cast, calls = stage.cast, stage.calls
    stage.load("spike", {"a": cast.ada, "b": cast.ben}, begins=3, only=slice(None))
    await stage.start(cast.ada, [cast.ben], end_when="empty")
    await stage.until(2.2)
    await stage.pick_up(cast.ben, MOBILE)
    await calls.connected(stage.call_id, cast.ada)
    await stage.until(23)
    await calls.failed(stage.call_id, cast.ben)
    stage.leaves(cast.ben)
    await stage.until(28.5)
    await stage.pick_up(cast.ben, MOBILE)
    stage.returns(cast.ben)
    await stage.until(42.4)
    await calls.leave(stage.call_id, cast.ben)
    await calls.leave(stage.call_id, cast.ada)


async def _congested(stage: _Stage) -> None:
    cast, calls = stage.cast, stage.calls
    stage.load("congested", {"a": cast.ben, "b": cast.ada}, begins=3, only=slice(None))
    await stage.start(cast.ben, [cast.ada, cast.chloe])
    await stage.until(2.5)
    await stage.pick_up(cast.ada, DESKTOP)
    await calls.connected(stage.call_id, cast.ben)
    await stage.until(5.1)
    await calls.decline(stage.call_id, cast.chloe)
    await stage.until(42.3)
    await calls.leave(stage.call_id, cast.ada)
    await calls.leave(stage.call_id, cast.ben)


def begins_now(now: datetime | None = None) -> Clock:
    """A clock set so that the last call ends about now."""
    return Clock(((now or datetime.now(UTC)) - LENGTH).replace(microsecond=0))
