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
    """The caption as it is afterwards; `old` itself where nothing is new.

    Whatever the order in which segments come, and however often, the same text stays: a final
    before an interim, then the highest revision. In other languages there is all that any of them
    brought, of several in one language that of the one that stays; it was spoken when the earliest
    says.
    """
    if old is None:
        return folded(_caption(said, speaker, now, id=new_id(), timestamp=said.timestamp or now))
    stays = (said.is_final, said.revision) <= (old.is_final, old.revision)
    brought, there = said.translations or {}, old.translations or {}
    timestamp = min(said.timestamp or old.timestamp, old.timestamp)
    if stays:
        made = replace(old, timestamp=timestamp)
    else:
        made = replace(
            _caption(said, speaker, now, id=old.id, timestamp=timestamp),
            created_at=old.created_at,
            expires_at=old.expires_at,
        )
    translations = {**brought, **there} if stays else {**there, **brought}
    translations.pop(made.language, None)
    made = folded(replace(made, translations=translations or None))
    return old if made == old else made


def _caption(
    said: Segment, speaker: Participant, now: datetime, *, id: str, timestamp: datetime
) -> Caption:
    return Caption(
        id=id,
        conversation_id=speaker.conversation_id,
        call_session_id=speaker.call_session_id,
        participant_id=speaker.id,
        segment_id=said.segment_id,
        revision=said.revision,
        text=said.text,
        language=said.language,
        translations=said.translations,
        timestamp=timestamp,
        duration=said.duration,
        is_final=said.is_final,
        confidence_score=said.confidence,
        source=said.source,
        processing_time=said.processing_time,
        created_at=now,
    )


def translated(caption: Caption, language: str, text: str) -> Caption:
    return folded(replace(caption, translations={**(caption.translations or {}), language: text}))


def folded(caption: Caption) -> Caption:
    """With the words by which it is found: what is not final yet is not."""
    texts = [caption.text, *(caption.translations or {}).values()]
    return replace(caption, words=words(texts) if caption.is_final else [])
