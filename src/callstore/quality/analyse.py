"""The analysis of one call, from what is stored of it. Pure: the same rows, the same answer."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from callstore.calls.model import MOST, Call, Event, Participant
from callstore.quality.connection import connection_issues
from callstore.quality.course import run
from callstore.quality.lines import LINES, Lines, version
from callstore.quality.model import Analytics, Sample, TimelineEntry
from callstore.quality.presence import Presence, presences
from callstore.quality.summary import Summary, call_metrics, call_score, in_time, summarise
from callstore.quality.thinning import thinned
from callstore.quality.windows import to_ms


def analyse(
    call: Call,
    participants: Sequence[Participant],
    events: Sequence[Event],
    samples: Iterable[Sample],
    *,
    now: datetime,
    new_id: Callable[[], str],
    lines: Lines = LINES,
) -> Analytics:
    """The CallAnalytics row, from all rows of the call in any order. `now` only dates it."""
    summaries = _summaries(call, participants, events, samples, lines)
    found = [one.metrics for one in summaries]
    return Analytics(
        id=new_id(),
        conversation_id=call.conversation_id,
        call_session_id=call.id,
        quality_score=call_score(found, lines),
        quality_metrics=call_metrics(found),
        participant_metrics=found,
        network_issues=in_time(issue for one in found for issue in one.issues),
        event_timeline=timeline(events),
        total_data_sent=min(sum(one.data_sent for one in found), MOST),
        total_data_received=min(sum(one.data_received for one in found), MOST),
        peak_participants=call.peak_participants,
        mode_switch_count=call.mode_switch_count,
        analyzed_at=now,
        created_at=now,
        updated_at=now,
        scorer_version=version(lines),
        windows=thinned(
            {one.metrics.participant_id: one.windows for one in summaries}, _origin(call), lines
        ),
        expires_at=None,  # the next sweep says when
    )


def timeline(events: Iterable[Event]) -> list[TimelineEntry]:
    ordered = sorted(events, key=lambda event: event.seq)
    return [
        TimelineEntry(timestamp=e.at, event=e.type, participant_id=e.participant_id)
        for e in ordered
    ]


def _summaries(
    call: Call,
    participants: Sequence[Participant],
    events: Sequence[Event],
    samples: Iterable[Sample],
    lines: Lines,
) -> list[Summary]:
    """Of all who had a seat or sent a sample, by id."""
    origin = _origin(call)
    ended = to_ms(call.ended_at) if call.ended_at is not None else None
    there = presences(participants, events)
    of: dict[str, list[Sample]] = {id: [] for id in there}
    for sample in samples:
        of.setdefault(sample.participant_id, []).append(sample)
    found = []
    for id in sorted(of):
        presence = there.get(id, Presence())
        course = run(of[id], presence, origin, lines)
        drops = connection_issues(presence.drops, id, ended, lines)
        found.append(summarise(id, course, origin, lines, issues=drops))
    return found


def _origin(call: Call) -> float:
    """What windows are aligned to."""
    return float(to_ms(call.started_at or call.created_at))
