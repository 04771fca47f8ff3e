"""A report of a party in a call, as a command: pure, decided in the group like any other."""

from datetime import timedelta
from typing import Any

import msgspec

from callstore.calls.commands import ByParty
from callstore.calls.lifecycle.turn import Context, State, Transition, Turn, heard
from callstore.calls.model import Participant, Row
from callstore.quality.issues import detect
from callstore.quality.lines import LINES, Lines
from callstore.quality.model import Issue, Reading
from callstore.quality.report import sample_row
from callstore.quality.terms import metrics_between

METRICS_EVERY = timedelta(seconds=10)


class Report(ByParty, frozen=True, kw_only=True):
    """What was read of one getStats() report."""

    reading: Reading

    @property
    def wants_pulses(self) -> bool:
        return True


class Following(Row, frozen=True, kw_only=True):
    """CallPulse.detector: what following a participant's quality needs between two reports."""

    measured: Reading | None = None  # from which the next qualityMetrics are measured
    issues: Any = None


def decide_report(
    state: State, command: Report, context: Context, *, live_issues: bool, lines: Lines = LINES
) -> Transition:
    """A sample; of a live party also a sign of life, their metrics and the issues now open."""
    turn, call = Turn(state, context), state.call
    row = heard(turn, command.party)
    turn.made.samples.append(
        sample_row(
            command.reading,
            id=context.new_id(),
            conversation_id=call.conversation_id,
            call_session_id=call.id,
            participant_id=row.id,
        )
    )
    turn.made.answer = []
    if row.live:
        turn.made.answer = _follow(turn, row, command.reading, lines if live_issues else None)
    return turn.made


def _follow(turn: Turn, row: Participant, reading: Reading, lines: Lines | None) -> list[Issue]:
    pulse = turn.pulse(row)
    before = msgspec.convert((pulse and pulse.detector) or {}, Following)
    after = before
    found: list[Issue] = []
    if before.measured is None:
        after = msgspec.structs.replace(after, measured=reading)
    elif reading.at - before.measured.at >= METRICS_EVERY:
        turn.made.metrics.append((row, metrics_between(before.measured, reading)))
        after = msgspec.structs.replace(after, measured=reading)
    if lines is not None:
        started = turn.call.started_at
        issues, found = detect(
            before.issues,
            reading,
            participant_id=row.id,
            origin=started.timestamp() * 1000 if started else None,
            lines=lines,
        )
        after = msgspec.structs.replace(after, issues=issues)
    if after is not before:
        seen = pulse.seen_at if pulse else turn.sign_of_life(row)
        turn.set_pulse(row, seen, detector=msgspec.to_builtins(after))
    return found
