"""What an export has: its own shapes, of which the documents and the XSD are made. Pure.

Whatever names or describes somebody else is not in them, nor what callstore keeps for itself.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct

from callstore.calls.model import (
    Call,
    CallType,
    Count,
    DeviceInfo,
    Direction,
    EndReason,
    Event,
    EventType,
    Label,
    LogEntry,
    Outcome,
    Participant,
    ParticipantStatus,
    Party,
    PartyKind,
    QualityMetrics,
    Response,
    Role,
    Row,
    Status,
    Stint,
)
from callstore.captions.model import Caption, Source
from callstore.ids import Id
from callstore.privacy.model import AuditEntry, Digest
from callstore.quality.model import (
    Analytics,
    Issue,
    ParticipantMetrics,
    ParticipantWindows,
    Reading,
    Sample,
)
from callstore.recordings.model import Definition, Format, Recording, RecordingStatus

SCHEMA = "urn:callstore:export:1"
"""What a document says it is; also the namespace of the XML."""


class Subject(Row, frozen=True, kw_only=True):
    """Whose data it is."""

    kind: PartyKind
    id: Id
    name: Any = None  # what the host's `describe` says


class ExportedCall(Row, frozen=True, kw_only=True):
    id: Id
    conversation_id: Id
    conversation_name: Any = None
    type: CallType
    status: Status
    outcome: Outcome
    initiated: bool  # by the party
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    ended_by_party: bool
    duration: Count | None  # seconds
    end_reason: EndReason | None


class ExportedEntry(Row, frozen=True, kw_only=True):
    id: Id
    conversation_id: Id
    call_session_id: Id
    direction: Direction
    response: Response
    type: CallType
    outcome: Outcome
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    end_reason: EndReason | None
    responded_at: datetime | None
    talk_seconds: Count | None
    seen_at: datetime | None
    hidden_at: datetime | None


class ExportedParticipation(Row, frozen=True, kw_only=True):
    id: Id
    role: Role
    status: ParticipantStatus
    joined_at: datetime
    left_at: datetime | None
    answered_at: datetime | None
    connected_at: datetime | None
    last_seen_at: datetime | None
    stints: list[Stint]
    audio_enabled: bool
    video_enabled: bool
    screen_share_enabled: bool
    send_transport_id: Label | None
    recv_transport_id: Label | None
    audio_producer_id: Label | None
    video_producer_id: Label | None
    quality_metrics: QualityMetrics | None
    device_info: DeviceInfo | None


class ExportedAnalytics(Row, frozen=True, kw_only=True):
    """The party's part of a call's analysis."""

    analyzed_at: datetime
    scorer_version: str
    metrics: ParticipantMetrics | None
    network_issues: list[Issue]
    windows: ParticipantWindows | None


class ExportedRecording(Row, frozen=True, kw_only=True):
    id: Id
    format: Format
    quality: Definition
    status: RecordingStatus
    started_at: datetime
    stopped_at: datetime | None
    duration: Count  # seconds
    file_size: Count  # bytes
    sha256: Digest | None
    content_type: Label | None
    created_at: datetime
    deleted_at: datetime | None


class ExportedEvent(Row, frozen=True, kw_only=True):
    seq: Count
    type: EventType
    at: datetime
    about_party: bool
    by_party: bool
    data: dict[str, Any] | None


class ExportedCaption(Row, frozen=True, kw_only=True):
    id: Id
    segment_id: Label
    revision: Count
    text: str
    language: str
    translations: dict[str, str] | None
    timestamp: datetime
    duration: Count | None  # ms
    is_final: bool
    confidence_score: float | None
    source: Source
    processing_time: Count | None  # ms
    created_at: datetime


class CallRecord(Row, frozen=True, kw_only=True):
    """All that is kept of the party in one call. `call` is null where only the entry is left."""

    call: ExportedCall | None
    log_entry: ExportedEntry
    participation: ExportedParticipation | None
    analytics: ExportedAnalytics | None
    recordings: list[ExportedRecording]
    events: list[ExportedEvent]
    captions: list[ExportedCaption]
    samples: list[Reading]


class ExportedAudit(Row, frozen=True, kw_only=True):
    seq: Count
    at: datetime
    action: str
    by: Label | None
    data: dict[str, Any] | None


class Counts(Row, frozen=True, kw_only=True):
    """How many of each section."""

    calls: Count
    log_entries: Count
    participations: Count
    analytics: Count
    recordings: Count
    events: Count
    captions: Count
    samples: Count
    audit: Count


class Manifest(Row, frozen=True, kw_only=True):
    """`initiated`: how many of the calls the party began, by their outcome. `sha256` is of all
    bytes before the line that the manifest begins on."""

    schema: str
    counts: Counts
    initiated: dict[str, int]
    sha256: Digest


class Document(Row, frozen=True, kw_only=True):
    """The whole of an export, as JSON and as XML."""

    party: Subject
    exported_at: datetime
    calls: list[CallRecord]
    audit: list[ExportedAudit]
    manifest: Manifest


def singular(name: str) -> str:
    """What one of a list is called: event of events, entry of audit."""
    return name[:-1] if name.endswith("s") else "entry"


class ExportedFile(Row, frozen=True, kw_only=True):
    """A file of a zip. `problem` is null, or one of: missing (there is none in storage, or in the
    zip), changed (it is not what was put there), unreadable (as far as it could be read)."""

    name: str
    size: Count = 0  # bytes
    sha256: Digest | None = None  # of what is in the zip; null where nothing is
    recording: Id | None = None
    problem: str | None = None


class ZipManifest(Row, frozen=True, kw_only=True):
    schema: str
    party: Subject
    exported_at: datetime
    counts: Counts
    initiated: dict[str, int]
    files: list[ExportedFile]


S = TypeVar("S", bound=Struct)


def _copied(kind: type[S], row: Struct, **more: Any) -> S:
    """`kind` with its fields as `row` has them, and more."""
    names = (name for name in kind.__struct_fields__ if name not in more)
    return kind(**{name: getattr(row, name) for name in names}, **more)


def call(row: Call, party: Party, name: Any) -> ExportedCall:
    return _copied(
        ExportedCall,
        row,
        conversation_name=name,
        initiated=row.initiator == party,
        ended_by_party=row.ended_by_party == party,
    )


def entry(row: LogEntry) -> ExportedEntry:
    return _copied(ExportedEntry, row)


def participation(row: Participant) -> ExportedParticipation:
    return _copied(ExportedParticipation, row)


def analytics(row: Analytics, participant_id: str) -> ExportedAnalytics:
    def own(rows: list[Any]) -> list[Any]:
        return [each for each in rows if each.participant_id == participant_id]

    return _copied(
        ExportedAnalytics,
        row,
        metrics=next(iter(own(row.participant_metrics)), None),
        network_issues=own(row.network_issues),
        windows=next(iter(own(row.windows)), None),
    )


def recording(row: Recording) -> ExportedRecording:
    return _copied(ExportedRecording, row)


def event(row: Event, party: Party, recordings: Collection[str]) -> ExportedEvent | None:
    """None where it is neither about the party, nor by it, nor of one of these recordings that it
    asked for. What an event says of somebody else is left out."""
    about, by = row.party == party, row.actor_party == party
    asked_for = row.party is None and (row.data or {}).get("recordingId") in recordings
    if not (about or by or asked_for):
        return None
    of_others = row.party is not None and not about
    data = None if of_others else row.data
    return _copied(ExportedEvent, row, about_party=about, by_party=by, data=data)


def caption(row: Caption) -> ExportedCaption:
    return _copied(ExportedCaption, row)


def sample(row: Sample) -> Reading:
    return _copied(Reading, row)


def audit(row: AuditEntry) -> ExportedAudit:
    return _copied(ExportedAudit, row)
