"""Calls, logs and timelines, for people."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from callstore import Call, Event, LogEntry, Page, Participant, Stint
from callstore.cli.grid import NOTHING, Grid
from callstore.cli.output import (
    clock,
    duration,
    facts,
    minute,
    moment,
    plain,
    quality,
    show,
    show_next,
    some,
    who,
    word,
)
from callstore.cli.quality_views import issues
from callstore.quality.model import Analytics, ParticipantMetrics
from callstore.quality.score import label


def page(page: Page[Any], next: str | None) -> None:
    items: Sequence[Any] = page.items
    if not items:
        show("no calls on this page" if next else "no calls")
    else:
        show(_log(items) if isinstance(items[0], LogEntry) else _history(items))
    show_next(next)


def _history(calls: Sequence[Call]) -> Grid:
    table = Grid(
        "time (UTC)", "call", "type", "outcome", "talked>", "people>", "initiator",
        optional=("people", "initiator", "type"),
    )  # fmt: skip
    for call in calls:
        table.add_row(
            minute(call.created_at),
            call.id,
            call.type,
            word(call.outcome or None),
            duration(call.duration or None),
            str(call.joined_count),
            who(call.initiator),
        )
    return table


def _log(entries: Sequence[LogEntry]) -> Grid:
    table = Grid(
        "time (UTC)", "call", "type", "way", "response", "talked>", "conversation",
        optional=("type", "conversation"),
    )  # fmt: skip
    for entry in entries:
        table.add_row(
            minute(entry.created_at),
            entry.call_session_id,
            entry.type,
            {"outgoing": "out", "incoming": "in"}[entry.direction],
            _response(entry),
            duration(entry.talk_seconds or None),
            entry.conversation_id,
        )
    if any(entry.unseen for entry in entries):
        table.note = "* not seen yet"
    return table


def _response(entry: LogEntry) -> Text:
    said = word(entry.response)
    return said.append(" *") if entry.unseen else said


def ended(call: Call) -> None:
    line = Text.assemble("call ", call.id, " ended ", moment(call.ended_at), ": ")
    line.append(word(call.outcome or None))
    talk = f", talked {duration(call.duration)}" if call.duration else ""
    show(line.append(f" ({call.end_reason}){talk}"))


def call(call: Call, analytics: Analytics | None) -> None:
    people = call.participants or []
    metrics = (
        {one.participant_id: one for one in analytics.participant_metrics} if analytics else {}
    )
    names = {row.id: str(who(row.party)) for row in people}
    show(_title(call), _facts(call, analytics), "", _people(call, people, metrics))
    if analytics and analytics.network_issues:
        show("", issues(analytics.network_issues, names, call.created_at))


def _title(call: Call) -> Text:
    title = Text.assemble(("call ", "dim"), (call.id, "bold"), "  ", call.type, "  ")
    return title.append(word(call.outcome or None))


def _facts(call: Call, analytics: Analytics | None) -> Table:
    return facts(
        [
            ("conversation", call.conversation_id),
            ("initiator", who(call.initiator)),
            ("created", moment(call.created_at)),
            ("answered", _answered(call)),
            ("ended", _end(call)),
            ("talked", duration(call.duration) if call.duration else None),
            ("people", _seats(call)),
            ("mode", f"{call.mode}, {some(call.mode_switch_count, 'switch', 'switches')}"),
            ("expires", moment(call.expires_at) if call.expires_at else None),
            ("held by", ", ".join(call.holds) or None),
            ("quality", _quality(call, analytics)),
        ]
    )


def _answered(call: Call) -> str | None:
    if call.started_at is None:
        return None
    wait = (call.started_at - call.created_at).total_seconds()
    return f"{moment(call.started_at)}  after {duration(wait)}"


def _seats(call: Call) -> str:
    at_once, room = call.peak_participants, call.max_participants
    return f"{call.joined_count} joined, {at_once} at once, room for {room}"


def _end(call: Call) -> str | None:
    if call.ended_at is None:
        return None
    by = f" by {who(call.ended_by_party)}" if call.ended_by_party else ""
    return f"{moment(call.ended_at)}  {call.end_reason}{by}"


def _quality(call: Call, analytics: Analytics | None) -> Text:
    if analytics is None:
        return Text(f"not analysed yet: callstore quality show {call.id}", style="dim")
    return quality(analytics.quality_score, label(analytics.quality_score))


def _people(
    call: Call, people: Sequence[Participant], metrics: dict[str, ParticipantMetrics]
) -> Grid:
    table = Grid("party", "status", "in the call", "quality", "device", flowing=("device",))
    for row in people:
        found = metrics.get(row.id)
        party = Text.assemble(who(row.party), (" *" if row.role == "initiator" else "", "dim"))
        table.add_row(
            party,
            word(row.status),
            Text("\n").join([_stint(call, stint) for stint in row.stints]),
            NOTHING if found is None else quality(found.avg_quality, found.label),
            _device(row),
        )
    if any(row.role == "initiator" for row in people):
        table.note = "* initiator"
    return table


def _stint(call: Call, stint: Stint) -> Text:
    start = (stint.joined_at - call.created_at).total_seconds()
    if stint.left_at is None:
        return Text.assemble(f"{clock(start)} - ", ("now", "cyan"))
    end = (stint.left_at - call.created_at).total_seconds()
    line = Text(f"{clock(start)} - {clock(end)}  ")
    return line.append(word(stint.reason))


def _device(row: Participant) -> str | Text:
    device = row.device_info
    known = [device.browser, device.os, device.device_type] if device else []
    return plain(" / ".join(part for part in known if part)) or NOTHING


def timeline(events: Sequence[Event]) -> None:
    first = events[0]
    table = Grid(
        "#>", "time", "at>", "event", "who", "what",
        flowing=("what",), sparse=("what",), optional=("time",),
    )  # fmt: skip
    for event in events:
        table.add_row(
            str(event.seq),
            moment(event.at),
            clock((event.at - first.at).total_seconds()),
            _event(event.type),
            _who(event),
            _data(event),
        )
    show(
        Text.assemble(
            ("call ", "dim"), (first.call_session_id, "bold"), ("  from ", "dim"), moment(first.at)
        ),
        table,
    )


def _event(type: str) -> Text:
    return Text(type, style="bold" if type.startswith("call.") else "")


def _who(event: Event) -> str | Text:
    """Whom it is about, else who did it."""
    if event.participant_id:
        return who(event.party)
    return who(event.actor_party) if event.actor else ""


def _data(event: Event) -> str:
    """{"answered": true, "from": "p2p"} as: answered, from p2p"""
    words = []
    for key, value in (event.data or {}).items():
        if isinstance(value, bool):
            words.append(key if value else f"no {key}")
        elif value is not None:
            words.append(f"{key} {value}")
    return plain(", ".join(words))
