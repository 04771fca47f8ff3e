"""What is done to captions, as data."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from callstore.calls.commands import ByParty, OnCall
from callstore.calls.model import Count, Label, Party
from callstore.captions.model import Source, Text
from callstore.ids import Id
from callstore.validation import FieldErrors, LanguageTag, Time, Translations

MOST_TOGETHER = 100_000  # characters
Milliseconds = Annotated[int, Meta(ge=0, le=86_400_000)]


class Segment(Struct, frozen=True, kw_only=True):
    """What was heard of a stretch of speech. A later one of the same `segment_id` takes its place
    if it is final and that was not, or, of the same finality, has a higher revision."""

    segment_id: Label
    text: Text
    language: LanguageTag
    is_final: bool = True
    revision: Count = 0
    timestamp: Time | None = None  # None: now, or as it is
    duration: Milliseconds | None = None
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None
    source: Source = "client"
    processing_time: Milliseconds | None = None
    translations: Translations | None = None

    def __post_init__(self) -> None:
        if self.language in (self.translations or {}):
            wrong = (f"/translations/{self.language}", "is the language that was spoken")
            raise FieldErrors([wrong])

    @property
    def size(self) -> int:
        """Characters, in all languages."""
        return len(self.text) + sum(map(len, (self.translations or {}).values()))


class AddCaptions(ByParty, frozen=True, kw_only=True):
    """Segments of one party's speech, in one go."""

    segments: list[Segment]

    def __post_init__(self) -> None:
        if sum(segment.size for segment in self.segments) > MOST_TOGETHER:
            said = f"must have at most {MOST_TOGETHER:,} characters together, in all languages"
            raise FieldErrors([("/segments", said)])

    @property
    def wanted_segments(self) -> Sequence[tuple[Party | str, str]]:
        return [(self.party, segment.segment_id) for segment in self.segments]


class OnCaption(OnCall, frozen=True, kw_only=True):
    """A command on one caption; where that is never changes."""

    caption_id: Id
    participant_id: Id
    segment_id: Label

    @property
    def wanted_segments(self) -> Sequence[tuple[Party | str, str]]:
        return [(self.participant_id, self.segment_id)]


class TranslateCaption(OnCaption, frozen=True, kw_only=True):
    language: LanguageTag
    text: Text


class DeleteCaption(OnCaption, frozen=True, kw_only=True):
    @property
    def looks_at_holds(self) -> bool:
        return True
