"""What is kept of what was said: one row is one segment of one participant's speech."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from callstore.calls.model import Count, Label, Row
from callstore.ids import Id

Source = Literal["client", "server"]
Language = Annotated[str, Meta(min_length=2, max_length=35)]
"""A BCP-47 tag."""
Text = Annotated[str, Meta(min_length=1, max_length=5000)]


class Caption(Row, frozen=True, kw_only=True):
    """A CallTranscription row. `segment_id` is the speaker's own: a later revision replaces."""

    id: Id
    conversation_id: Id
    call_session_id: Id
    participant_id: Id
    segment_id: Label
    revision: Count = 0
    text: Text
    language: Language
    translations: dict[str, str] | None = None  # language -> text
    timestamp: datetime  # when it was spoken
    duration: Count | None = None  # ms
    is_final: bool = True
    confidence_score: Annotated[float, Meta(ge=0, le=1)] | None = None
    source: Source = "client"
    processing_time: Count | None = None  # ms
    words: list[str] = []  # folded search terms, once it is final
    created_at: datetime
    expires_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What it is one of, within its call."""
        return self.participant_id, self.segment_id
