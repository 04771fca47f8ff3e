"""The rows of the document that callstore began from, as its Prisma models have them, defaults
included. Times are what a call can have: from 2000 to 2100, in whole milliseconds."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from callstore.calls.model import (
    CallType,
    Count,
    EndReason,
    Label,
    Mode,
    ParticipantStatus,
    Role,
    Status,
)
from callstore.captions.model import Language, Source
from callstore.errors import Invalid
from callstore.ids import Id
from callstore.quality.model import Score
from callstore.recordings.model import Definition, Format
from callstore.schema.adoption.model import Raw
from callstore.validation import Json, Time, check

S = TypeVar("S", bound=Struct)

COLLECTIONS = (
    "CallSession",
    "CallParticipant",
    "CallTranscription",
    "CallRecording",
    "CallAnalytics",
)


class _Row(Struct, frozen=True, kw_only=True, rename="camel"):
    id: Id


class SessionRow(_Row, frozen=True, kw_only=True):
    conversation_id: Id
    mode: Mode
    status: Status = "initiated"
    type: CallType
    initiator_id: Id
    router_id: Label | None = None
    rtp_capabilities: Json = None
    settings: Any = None
    created_at: Time | None = None
    started_at: Time | None = None
    ended_at: Time | None = None
    end_reason: EndReason | None = None
    ended_by: Id | None = None
    updated_at: Time | None = None


class ParticipantRow(_Row, frozen=True, kw_only=True):
    user_id: Id | None = None
    anonymous_user_id: Id | None = None
    role: Role = "participant"
    status: ParticipantStatus = "connecting"
    joined_at: Time | None = None
    left_at: Time | None = None
    audio_enabled: bool = True
    video_enabled: bool = True
    screen_share_enabled: bool = False
    send_transport_id: Label | None = None
    recv_transport_id: Label | None = None
    audio_producer_id: Label | None = None
    video_producer_id: Label | None = None
    quality_metrics: Any = None
    device_info: Any = None
    updated_at: Time | None = None


class TranscriptionRow(_Row, frozen=True, kw_only=True):
    participant_id: Id
    text: Annotated[str, Meta(min_length=1, max_length=5000)]
    language: Language
    translations: dict[str, str] | None = None
    timestamp: Time | None = None
    duration: Count | None = None
    is_final: bool = True
    confidence_score: Annotated[float, Meta(ge=0, le=1)] | None = None
    source: Source = "client"
    processing_time: Count | None = None
    created_at: Time | None = None


class RecordingRow(_Row, frozen=True, kw_only=True):
    file_url: Annotated[str, Meta(max_length=2048)]
    file_path: Annotated[str, Meta(max_length=1024)]
    file_size: Count
    duration: Count
    format: Format = "webm"
    status: Literal["processing", "available", "deleted"] = "processing"
    quality: Definition = "hd"
    started_at: Time | None = None
    stopped_at: Time | None = None
    requested_by: Id
    deleted_at: Time | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


class AnalyticsRow(_Row, frozen=True, kw_only=True):
    quality_score: Score | None = None
    quality_metrics: Any = None
    participant_metrics: Any = None
    network_issues: Any = None
    event_timeline: Any = None
    total_data_sent: Count | None = None
    total_data_received: Count | None = None
    peak_participants: Count | None = None
    mode_switch_count: Count | None = None
    analyzed_at: Time | None = None
    created_at: Time | None = None
    updated_at: Time | None = None


def read(kind: type[S], raw: Raw) -> S:
    """A row; null is as good as missing where there is a default. Invalid names every wrong field
    by the document's name."""
    fields = msgspec.structs.fields(kind)
    given = {f.name: raw.get(f.encode_name) for f in fields}
    needed = {f.name for f in fields if f.required}
    try:
        return check(kind, **{n: v for n, v in given.items() if v is not None or n in needed})
    except Invalid as error:
        names = {f.name: f.encode_name for f in fields}
        raise Invalid([(_renamed(at, names), said) for at, said in error.errors]) from None


def _renamed(pointer: str, names: dict[str, str]) -> str:
    _, name, *inside = pointer.split("/")
    return "/".join(["", names.get(name, name), *inside])
