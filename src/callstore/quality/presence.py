"""Who was there, and what could be heard and seen, by the events of a call.

Times are ms since 1970.
"""

import math
from collections.abc import Iterable, Sequence

from msgspec import Struct

from callstore.calls.model import Event, Participant
from callstore.quality.windows import to_ms


class Segment(Struct, frozen=True):
    """A stretch of a seat in which nothing changed: what others had on for this participant."""

    start: float
    end: float
    audio: bool
    video: bool  # a camera or a screen
    camera: bool  # cameras only: no screen, whose frame rate says nothing
    connected: bool
    seat: int  # which stay of the participant it is part of


class Drop(Struct):
    """A seat that was lost: when, when the party joined again and when that was connected."""

    at: float
    back: float | None = None
    connected: float | None = None


class Presence(Struct):
    """A participant's part in the call."""

    segments: list[Segment] = []
    drops: list[Drop] = []


class _Party(Struct):
    """The state of one participant while the events are walked."""

    presence: Presence
    seated: bool = False
    audio: bool = False
    video: bool = False
    screen: bool = False
    connected: bool = False
    seat: int = 0
    since: float = 0.0
    seen: tuple[bool, bool, bool, bool] | None = None  # audio, video, camera, connected


class _Change(Struct, frozen=True):
    at: float
    type: str
    participant_id: str
    data: dict[str, object]


class _Room(Struct):
    """How many of the seated have what on."""

    audio: int = 0
    video: int = 0
    screen: int = 0
    picture: int = 0  # a camera, a screen or both

    def add(self, party: _Party, sign: int) -> None:
        if party.seated:
            self.audio += sign * party.audio
            self.video += sign * party.video
            self.screen += sign * party.screen
            self.picture += sign * (party.video or party.screen)

    def seen_by(self, party: _Party) -> tuple[bool, bool, bool, bool] | None:
        """What the others have on for a party; None without a seat."""
        if not party.seated:
            return None
        return (
            self.audio > party.audio,
            self.picture > (party.video or party.screen),
            self.video > party.video and self.screen == party.screen,
            party.connected,
        )

    def fewest(self) -> tuple[int, ...]:
        """From two on, what each party sees stays the same."""
        return tuple(min(n, 2) for n in (self.audio, self.video, self.screen, self.picture))


def presences(participants: Sequence[Participant], events: Sequence[Event]) -> dict[str, Presence]:
    """By participant id, of all who ever had a seat."""
    parties: dict[str, _Party] = {}
    room = _Room()
    for change in _changes(participants, events):
        before = room.fewest()
        touched = _touched(parties, change)
        for party in touched:
            room.add(party, -1)
            _apply(party, change)
            room.add(party, +1)
        for party in touched if room.fewest() == before else parties.values():
            _cut(party, change.at, room.seen_by(party))
    for party in parties.values():
        _cut(party, math.inf, None)  # a call that is still live goes on
    return {id: party.presence for id, party in parties.items() if party.seat}


def _touched(parties: dict[str, _Party], change: _Change) -> list[_Party]:
    if change.type == "call.ended":
        return list(parties.values())
    if not change.participant_id:
        return []
    return [parties.setdefault(change.participant_id, _Party(Presence([], [])))]


def _changes(participants: Sequence[Participant], events: Sequence[Event]) -> list[_Change]:
    changes = [
        _Change(to_ms(event.at), event.type, event.participant_id or "", event.data or {})
        for event in sorted(events, key=lambda event: event.seq)
    ]
    told = {change.participant_id for change in changes if change.type == "participant.joined"}
    untold = [one for one in participants if one.id not in told and one.answered_at]
    if untold:
        changes += [change for one in untold for change in _of_row(one)]
        changes.sort(key=lambda change: change.at)
    return changes


def _of_row(one: Participant) -> Iterable[_Change]:
    """Of a participant whose events were never written, as of an adopted call."""
    data: dict[str, object] = {
        "answered": True,
        "audio": one.audio_enabled,
        "video": one.video_enabled,
        "screen": one.screen_share_enabled,
    }
    for stint in one.stints:
        yield _Change(to_ms(stint.joined_at), "participant.joined", one.id, data)
        if stint.left_at is not None:
            reason = stint.reason or "left"
            yield _Change(to_ms(stint.left_at), f"participant.{reason}", one.id, {})


def _apply(party: _Party, change: _Change) -> None:
    match change.type:
        case "participant.joined":
            _flags(party, change.data)
            if change.data.get("answered"):
                _sit(party, change.at)
        case "participant.answered":
            _sit(party, change.at)
        case "participant.connected":
            party.connected = True
            if party.presence.drops and party.presence.drops[-1].connected is None:
                party.presence.drops[-1].connected = change.at
        case "media.changed":
            _flags(party, change.data)
        case "participant.failed" | "participant.lost":
            if party.seated:
                party.presence.drops.append(Drop(change.at))
            party.seated = party.connected = False
        case "participant.left" | "participant.declined" | "participant.ended" | "call.ended":
            party.seated = party.connected = False


def _flags(party: _Party, data: dict[str, object]) -> None:
    party.audio = bool(data.get("audio", party.audio))
    party.video = bool(data.get("video", party.video))
    party.screen = bool(data.get("screen", party.screen))


def _sit(party: _Party, at: float) -> None:
    if party.seated:
        return
    party.seated, party.seat = True, party.seat + 1
    if party.presence.drops and party.presence.drops[-1].back is None:
        party.presence.drops[-1].back = at


def _cut(party: _Party, at: float, seen: tuple[bool, bool, bool, bool] | None) -> None:
    """Closes the segment that a change has ended, and begins the next."""
    if seen == party.seen:
        return
    if party.seen is not None and at > party.since:
        party.presence.segments.append(Segment(party.since, at, *party.seen, seat=party.seat))
    party.seen, party.since = seen, at
