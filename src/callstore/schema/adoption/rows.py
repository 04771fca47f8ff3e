"""Captions, recordings and analyses that another kept, as callstore keeps them. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from callstore.calls.model import Call, Event
from callstore.captions.languages import canonical
from callstore.captions.merge import folded
from callstore.captions.model import Caption
from callstore.ids import made_at
from callstore.quality.analyse import timeline
from callstore.quality.model import (
    Analytics,
    CallMetrics,
    Issue,
    ParticipantMetrics,
    Score,
    TimelineEntry,
)
from callstore.quality.score import label
from callstore.recordings.model import Recording
from callstore.schema.adoption.document import AnalyticsRow, RecordingRow, TranscriptionRow
from callstore.schema.adoption.fitting import fit, fitting

SCORER = "adopted"  # the scorer version of an analysis that was another's


def caption(row: TranscriptionRow, call: Call, speaker: str, keep: timedelta) -> Caption:
    """A segment of its own, for the document knows none."""
    created_at = row.created_at or row.timestamp or made_at(row.id)
    kept = Caption(
        id=row.id,
        conversation_id=call.conversation_id,
        call_session_id=call.id,
        participant_id=speaker,
        segment_id=row.id,
        text=row.text,
        language=_tag(row.language),
        translations=_translations(row),
        timestamp=row.timestamp or created_at,
        duration=row.duration,
        is_final=row.is_final,
        confidence_score=row.confidence_score,
        source=row.source,
        processing_time=row.processing_time,
        created_at=created_at,
        expires_at=created_at + keep if call.ended_at else None,
    )
    return folded(kept)


def _tag(language: str) -> str:
    """In the form that is looked for; one that is none stays as it is."""
    try:
        return canonical(language)
    except ValueError:
        return language


def _translations(row: TranscriptionRow) -> dict[str, str] | None:
    made = {_tag(tag): text for tag, text in (row.translations or {}).items()}
    made.pop(_tag(row.language), None)
    return made or None


def recording(row: RecordingRow, call: Call, *, by_guest: bool) -> Recording:
    created_at = row.created_at or row.started_at or made_at(row.id)
    return Recording(
        id=row.id,
        conversation_id=call.conversation_id,
        call_session_id=call.id,
        file_url=row.file_url,
        file_path=row.file_path,
        file_size=row.file_size,
        duration=row.duration,
        format=row.format,
        status=row.status,
        quality=row.quality,
        started_at=row.started_at or created_at,
        stopped_at=row.stopped_at,
        requested_by=row.requested_by,
        requested_by_kind="guest" if by_guest else "user",
        deleted_at=row.deleted_at,
        created_at=created_at,
        updated_at=row.updated_at or created_at,
    )


def has_file(row: RecordingRow) -> bool:
    return row.status != "deleted" and row.file_path != ""


def analytics(
    row: AnalyticsRow, call: Call, events: Sequence[Event], became: Mapping[str, str]
) -> Analytics:
    """What of its JSON fits: an issue or metric of a kind that callstore does not know is left
    out."""
    created_at = row.created_at or made_at(row.id)
    found = _each(row.event_timeline, TimelineEntry, became)
    return Analytics(
        id=row.id,
        conversation_id=call.conversation_id,
        call_session_id=call.id,
        quality_score=row.quality_score,
        quality_metrics=fitting(row.quality_metrics, CallMetrics),
        participant_metrics=_metrics(row.participant_metrics, became),
        network_issues=_issues(row.network_issues, became),
        event_timeline=timeline(events) if row.event_timeline is None else found,
        total_data_sent=row.total_data_sent or 0,
        total_data_received=row.total_data_received or 0,
        peak_participants=_or(row.peak_participants, call.peak_participants),
        mode_switch_count=_or(row.mode_switch_count, call.mode_switch_count),
        analyzed_at=row.analyzed_at or created_at,
        created_at=created_at,
        updated_at=row.updated_at or created_at,
        scorer_version=SCORER,
        windows=[],
        expires_at=call.expires_at,
    )


def _or(value: int | None, other: int) -> int:
    return other if value is None else value


def _metrics(value: object, became: Mapping[str, str]) -> list[ParticipantMetrics]:
    return [
        ParticipantMetrics(
            participant_id=_now(each.get("participantId"), became),
            avg_quality=(quality := fit(each.get("avgQuality"), Score)),
            label=label(quality),
            avg_packet_loss=fit(each.get("avgPacketLoss"), float),
            avg_jitter=fit(each.get("avgJitter"), float),
            avg_rtt=fit(each.get("avgRtt"), float),
            avg_bitrate=fit(each.get("avgBitrate"), float),
            audio=None,
            video=None,
            data_sent=0,
            data_received=0,
            samples=0,
            scored_seconds=0,
            issues=_issues(each.get("issues"), became),
        )
        for each in _objects(value)
        if isinstance(each.get("participantId"), str)
    ]


def _issues(value: object, became: Mapping[str, str]) -> list[Issue]:
    given = [{"endedAt": None, "worst": None, "samples": 0, **each} for each in _objects(value)]
    return _each(given, Issue, became)


def _each(value: object, kind: Any, became: Mapping[str, str]) -> list[Any]:
    """Those that fit, of participants as they are now."""
    renamed = (
        {**each, "participantId": _now(each.get("participantId"), became)}
        for each in _objects(value)
    )
    fitted = (fit(each, kind) for each in renamed)
    return [each for each in fitted if each is not None]


def _now(participant: Any, became: Mapping[str, str]) -> Any:
    return became.get(participant, participant) if isinstance(participant, str) else None


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def latest(rows: Sequence[AnalyticsRow]) -> AnalyticsRow:
    def when(row: AnalyticsRow) -> tuple[datetime, str]:
        return row.updated_at or row.created_at or made_at(row.id), row.id

    return max(rows, key=when)
