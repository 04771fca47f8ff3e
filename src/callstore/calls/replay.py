"""A call as it was at any time, from its events alone."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from callstore.calls.model import (
    Event,
    Mode,
    ParticipantStatus,
    Party,
    Row,
    Status,
    Stint,
    StintReason,
    replace,
)


class Flags(Row, frozen=True, kw_only=True):
    audio: bool
    video: bool
    screen: bool


class ParticipantState(Row, frozen=True, kw_only=True):
    """`party` is None where it was erased."""

    party: Party | None
    status: ParticipantStatus
    stints: list[Stint]
    flags: Flags
    seated: bool


class CallState(Row, frozen=True, kw_only=True):
    status: Status
    mode: Mode
    peak: int  # the highest number seated after any event so far
    recording: bool
    participants: dict[str, ParticipantState]  # by participant id


_CLOSES: dict[str, StintReason] = {
    "participant.left": "left",
    "participant.failed": "failed",
    "participant.lost": "lost",
    "participant.declined": "declined",
}
_START = CallState(status="initiated", mode="p2p", peak=0, recording=False, participants={})


def replay(events: Iterable[Event]) -> CallState:
    """The state after `events`, which are all of a call's up to some time, in seq order."""
    people: dict[str, ParticipantState] = {}
    call, seated, peak = _START, 0, 0
    running: str | None = None  # the recording
    for event in events:
        call, running = _on_call(call, event), _on_recording(running, event)
        if event.participant_id is not None:
            before = people.get(event.participant_id)
            person = _on_person(before, event)
            if person is not None:
                people[event.participant_id] = person
                seated += person.seated - (before is not None and before.seated)
                peak = max(peak, seated)
        elif event.type == "call.ended":
            people = {id: _close(person, event.at, "ended") for id, person in people.items()}
            seated = 0
    return replace(call, peak=peak, recording=running is not None, participants=people)


def _on_call(call: CallState, event: Event) -> CallState:
    data = event.data or {}
    match event.type:
        case "call.adopted":
            return replace(call, mode=data["mode"])
        case "call.ringing":
            return replace(call, status="ringing")
        case "call.answered":
            return replace(call, status="active")
        case "call.ended":
            return replace(call, status=data["status"])
        case "mode.switched":
            return replace(call, mode=data["to"])
    return call


def _on_recording(running: str | None, event: Event) -> str | None:
    """The one that runs; an earlier one may fail meanwhile."""
    id = (event.data or {}).get("recordingId")
    if event.type == "recording.started":
        return id
    return None if id == running else running


def _on_person(person: ParticipantState | None, event: Event) -> ParticipantState | None:
    if event.type == "participant.joined":
        return _join(person, event)
    if person is None:
        return None
    match event.type:
        case "participant.connected":
            return replace(person, status="connected")
        case "participant.answered":
            return replace(person, seated=True)
        case "media.changed":
            return replace(person, flags=_flags(event))
    reason = _CLOSES.get(event.type)
    return person if reason is None else _close(person, event.at, reason)


def _join(person: ParticipantState | None, event: Event) -> ParticipantState:
    return ParticipantState(
        party=event.party,
        status="connecting",
        stints=[*(person.stints if person else ()), Stint(joined_at=event.at)],
        flags=_flags(event),
        seated=bool((event.data or {})["answered"]),
    )


def _flags(event: Event) -> Flags:
    data = event.data or {}
    return Flags(audio=data["audio"], video=data["video"], screen=data["screen"])


def _close(person: ParticipantState, at: datetime, reason: StintReason) -> ParticipantState:
    last = person.stints[-1]
    if last.left_at is not None:
        return person
    status: Literal["failed", "disconnected"] = "failed" if reason == "failed" else "disconnected"
    stints = [*person.stints[:-1], replace(last, left_at=at, reason=reason)]
    return replace(person, status=status, seated=False, stints=stints)
