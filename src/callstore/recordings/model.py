"""What is kept of a recording; its file lies in object storage."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from callstore.calls.model import Count, Label, PartyKind, Row
from callstore.ids import Id

Format = Literal["webm", "mp4", "mkv", "ogg", "wav"]
Definition = Literal["sd", "hd", "fullhd"]
RecordingStatus = Literal["recording", "processing", "available", "failed", "deleted"]


class Recording(Row, frozen=True, kw_only=True):
    """A CallRecording row. `file_url` is '' in it: links are made on demand, and short-lived."""

    id: Id
    conversation_id: Id
    call_session_id: Id
    file_url: Annotated[str, Meta(max_length=2048)] = ""
    file_path: Annotated[str, Meta(max_length=1024)] = ""  # in object storage; '' until it is there
    file_size: Count = 0  # bytes
    duration: Count = 0  # seconds
    format: Format = "webm"
    status: RecordingStatus = "recording"
    quality: Definition = "hd"
    started_at: datetime
    stopped_at: datetime | None = None
    requested_by: Id
    requested_by_kind: PartyKind
    deleted_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    content_type: Label | None = None
    expires_at: datetime | None = None
