"""Who was there, and what could be heard and seen, by the events of a call.

Times are ms since 1970.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from callstore.calls.model import Event, Participant


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


def to_ms(at: datetime) -> float:
    return round(at.timestamp() * 1000)


def presences(participants: Sequence[Participant], events: Sequence[Event]) -> dict[str, Presence]:
    """By participant id, of all who ever had a seat or lost one."""
    parties: dict[str, _Party] = {}
    for change in _changes(participants, events):
        _apply(parties, change)
        _cut(parties, change.at)
    for party in parties.values():
        _close(party, math.inf, None)  # a call that is still live goes on
    return {id: party.presence for id, party in parties.items()}


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


def _apply(parties: dict[str, _Party], change: _Change) -> None:
    if change.type == "call.ended":
        for party in parties.values():
            party.seated = False
        return
    if not change.participant_id or not change.type.startswith(("participant.", "media.")):
        return  # a decline by somebody who never joined is no presence
    party = parties.setdefault(change.participant_id, _Party(Presence([], [])))
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
        case _:
            _leave(party, change)


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


def _leave(party: _Party, change: _Change) -> None:
    if party.seated and change.type in ("participant.failed", "participant.lost"):
        party.presence.drops.append(Drop(change.at))
    party.seated = party.connected = False


def _cut(parties: dict[str, _Party], at: float) -> None:
    """Closes the segments that the change ended and begins those that it began."""
    audio = video = screen = either = 0
    for party in parties.values():
        if party.seated:
            audio += party.audio
            video += party.video
            screen += party.screen
            either += party.video or party.screen
    for party in parties.values():
        own = party.seated
        screens = screen - (own and party.screen)
        seen = (
            audio > (own and party.audio),
            either > (own and (party.video or party.screen)),
            video > (own and party.video) and not screens,
            party.connected,
        )
        _close(party, at, seen if party.seated else None)


def _close(party: _Party, at: float, seen: tuple[bool, bool, bool, bool] | None) -> None:
    if seen == party.seen:
        return
    if party.seen is not None and at > party.since:
        party.presence.segments.append(Segment(party.since, at, *party.seen, seat=party.seat))
    party.seen, party.since = seen, at
