"""What is wrong with a call, from what was counted of it. Pure; each store counts its own way."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from callstore.stores.protocol import Finding


class Counted(Struct, frozen=True, kw_only=True):
    """A call's own counters, and what its rows say."""

    id: str
    live: int  # liveCount; the next four are the call's as well
    joined: int
    peak: int
    mode_switches: int
    event_count: int
    erased: int
    people: int
    answered: int  # of the people
    seated: int
    entries: int
    events: int
    last_seq: int  # 0 where there is no event
    switched: int  # events of this


def judge(call: Counted) -> list[Finding]:
    return [
        Finding(problem=problem, collection="CallSession", id=call.id, detail=detail)
        for problem, wrong, detail in _judge(call)
        if wrong
    ]


def _judge(call: Counted) -> Iterator[tuple[Literal["counts", "seq_gap"], bool, str]]:
    ever = call.answered + call.erased
    yield (
        "counts",
        call.live != call.seated,
        f"liveCount is {call.live}, seated are {call.seated}",
    )
    yield "counts", call.joined != ever, f"joinedCount is {call.joined}, ever seated are {ever}"
    yield (
        "counts",
        not call.seated <= call.peak <= ever,
        f"peakParticipants is {call.peak}, ever seated are {ever}",
    )
    yield (
        "counts",
        call.mode_switches != call.switched,
        f"modeSwitchCount is {call.mode_switches}, {call.switched} events",
    )
    yield (
        "counts",
        call.entries < call.people,
        f"{call.people} participants, but {call.entries} log entries",
    )
    yield (
        "seq_gap",
        not call.events == call.last_seq == call.event_count,
        f"eventCount is {call.event_count}, {call.events} events, the last is {call.last_seq}",
    )
