"""Rows of a store and of the plain model in one shape, and what is said where they differ."""

import itertools
from dataclasses import fields
from datetime import datetime
from typing import Any

from callstore.calls.model import Party
from callstore.errors import CallstoreError
from callstore.testing.contract.plain_rows import (
    Call,
    LogEntry,
    Participant,
    Recording,
    Replayed,
    Swept,
    flags,
)

APART = {"initiator", "rows", "log", "events", "pulses", "past", "stints", "recordings"}
"""What the model keeps in another shape than the store; compared too, but not name by name."""


def names(kind: type[Any], *derived: str) -> list[str]:
    return [one.name for one in fields(kind) if one.name not in APART] + list(derived)


CALL_FIELDS = names(Call, "initiator_id", "initiator_kind", "outcome")
ROW_FIELDS = names(Participant)
ENTRY_FIELDS = names(LogEntry)
SWEPT_FIELDS = names(Swept)
RECORDING_FIELDS = names(Recording)


def result_view(result: Any) -> Any:
    """What a command gave, whichever side gave it."""
    if isinstance(result, CallstoreError):
        own = (getattr(result, name, None) for name in ("call_id", "limit"))
        return (type(result).__name__, result.code, *own)
    if hasattr(result, "timed_out"):
        return {name: getattr(result, name) for name in SWEPT_FIELDS}
    if hasattr(result, "mode_switch"):
        call, row = call_view(result.call), row_view(result.participant)
        return call, row, result.mode_switch and tuple(result.mode_switch)
    if hasattr(result, "conversation_id") and hasattr(result, "few_since"):
        return call_view(result)
    if hasattr(result, "requested_by"):
        return recording_view(result)
    return None if result is None else row_view(result)


def call_view(call: Any) -> dict[str, Any]:
    return {name: getattr(call, name) for name in CALL_FIELDS}


def recording_view(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in RECORDING_FIELDS}


def row_view(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ROW_FIELDS} | {"stints": stints_view(row)}


def stints_view(row: Any) -> list[Any]:
    return [(stint.joined_at, stint.left_at, stint.reason) for stint in row.stints]


def entry_view(entry: Any) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in ENTRY_FIELDS}


def state_view(state: Any) -> dict[str, Any]:
    """A CallState of the store's."""
    people = {
        row.party: (row.status, stints_view(row), as_flags(row.flags))
        for row in state.participants.values()
    }
    return people | {"call": (state.status, state.mode, state.peak, state.recording)}


def as_flags(given: Any) -> dict[str, bool]:
    if isinstance(given, dict):
        return given
    return {name: getattr(given, name) for name in ("audio", "video", "screen")}


def past_view(state: Replayed) -> dict[str, Any]:
    people: dict[Any, Any] = {
        party: (row.status, stints_view(row), flags(row))
        for party, row in state.participants.items()
    }
    return people | {"call": (state.status, state.mode, state.peak, state.recording)}


def same(what: str, store: Any, model: Any) -> None:
    """Fail with the fields that differ, not with two pages of rows."""
    if isinstance(store, dict) and isinstance(model, dict) and store.keys() == model.keys():
        model = {key: value for key, value in model.items() if store[key] != value}
        store = {key: store[key] for key in model}
    assert store == model, f"{what}:\n  store {store!r}\n  model {model!r}"


def same_events(store: list[Any], model: list[Any]) -> None:
    """Rows lost in one change may be told in any order; all else is compared as it stands."""
    same("events' seq", [event.seq for event in store], list(range(1, len(store) + 1)))
    same("events", list(map(short, in_order(store))), list(map(short, in_order(model))))
    for theirs, ours in zip(in_order(store), in_order(model), strict=True):
        if ours.party is not None:
            same(f"whom {ours.type} is about", theirs.party, ours.party)
        if ours.type == "media.changed":
            told = {key: value for key, value in ours.data.items() if key in theirs.data}
            same("data of media.changed", theirs.data, told)
        elif ours.data is not None:
            told = {key: value for key, value in theirs.data.items() if key in ours.data}
            same(f"data of {ours.type}", told, ours.data)


def short(event: Any) -> tuple[str, datetime]:
    return event.type, event.at


def joined(call: Call, party: Party) -> datetime:
    return call.rows[party].stints[-1].joined_at


def model_rows(call: Call | None) -> Any:
    if call is None:
        return None
    return call_view(call), {party: row_view(row) for party, row in call.rows.items()}


def in_order(events: list[Any]) -> list[Any]:
    """Neighbours of type participant.lost at one time, by party."""
    ordered: list[Any] = []
    for (type, _), group in itertools.groupby(events, key=short):
        together = list(group)
        if type == "participant.lost":
            together.sort(key=lambda event: event.party.ref)
        ordered += together
    return ordered
