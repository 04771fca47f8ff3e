"""What becomes of a segment when it is heard again, and in another language. Pure."""

from collections.abc import Callable
from datetime import datetime

from callstore.calls.model import Participant, replace
from callstore.captions.commands import Segment
from callstore.captions.model import Caption
from callstore.captions.words import words


def merge(
    old: Caption | None,
    said: Segment,
    *,
    speaker: Participant,
    now: datetime,
    new_id: Callable[[], str],
) -> Caption:
    """The caption as it is afterwards: `old` itself, unless `said` takes its place.

    Whatever the order in which segments come, and however often, the same one stays: a final
    before an interim, then the highest revision. What there is in other languages stays with it.
    """
    if old is not None and (said.is_final, said.revision) <= (old.is_final, old.revision):
        return old
    translations = {**((old and old.translations) or {}), **(said.translations or {})}
    translations.pop(said.language, None)
    made = Caption(
        id=old.id if old else new_id(),
        conversation_id=speaker.conversation_id,
        call_session_id=speaker.call_session_id,
        participant_id=speaker.id,
        segment_id=said.segment_id,
        revision=said.revision,
        text=said.text,
        language=said.language,
        translations=translations or None,
        timestamp=said.timestamp or (old.timestamp if old else now),
        duration=said.duration,
        is_final=said.is_final,
        confidence_score=said.confidence,
        source=said.source,
        processing_time=said.processing_time,
        created_at=old.created_at if old else now,
        expires_at=old.expires_at if old else None,
    )
    return folded(made)


def translated(caption: Caption, language: str, text: str) -> Caption:
    return folded(replace(caption, translations={**(caption.translations or {}), language: text}))


def folded(caption: Caption) -> Caption:
    """With the words by which it is found: what is not final yet is not."""
    texts = [caption.text, *(caption.translations or {}).values()]
    return replace(caption, words=words(texts) if caption.is_final else [])
