"""The analysis of one call, from what is stored of it. Pure: the same rows, the same answer."""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from callstore.calls.model import Call, Event, Participant
from callstore.quality import score, terms
from callstore.quality.connection import connection_issues
from callstore.quality.course import Course, run, windows
from callstore.quality.episodes import issue
from callstore.quality.lines import LINES, Lines, version
from callstore.quality.model import (
    Analytics,
    CallMetrics,
    Issue,
    KindMetrics,
    ParticipantMetrics,
    ParticipantWindows,
    Sample,
    TimelineEntry,
    Window,
)
from callstore.quality.presence import Presence, presences, to_ms
from callstore.quality.windows import Flow


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
    origin = to_ms(call.started_at or call.created_at)
    found = presences(participants, events)
    of: dict[str, list[Sample]] = {id: [] for id in found}
    for sample in samples:
        of.setdefault(sample.participant_id, []).append(sample)
    ended = to_ms(call.ended_at) if call.ended_at is not None else None
    summaries = [
        _summary(id, of[id], found.get(id, Presence()), origin, ended, lines) for id in sorted(of)
    ]
    return Analytics(
        id=new_id(),
        conversation_id=call.conversation_id,
        call_session_id=call.id,
        quality_score=call_score([one.metrics for one in summaries], lines),
        quality_metrics=call_metrics([one.metrics for one in summaries]),
        participant_metrics=[one.metrics for one in summaries],
        network_issues=in_time(issue for one in summaries for issue in one.metrics.issues),
        event_timeline=timeline(events),
        total_data_sent=sum(one.metrics.data_sent for one in summaries),
        total_data_received=sum(one.metrics.data_received for one in summaries),
        peak_participants=call.peak_participants,
        mode_switch_count=call.mode_switch_count,
        analyzed_at=now,
        created_at=now,
        updated_at=now,
        scorer_version=version(lines),
        windows=[ParticipantWindows(participant_id=s.id, windows=s.windows) for s in summaries],
        expires_at=call.expires_at,
    )
