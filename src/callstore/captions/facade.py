"""`calls.captions`: what was said, as it comes, found again, and as files."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from callstore.calls.arguments import OfCall
from callstore.calls.model import Call, Label, Party
from callstore.calls.pages import Page
from callstore.captions.commands import AddCaptions, DeleteCaption, TranslateCaption
from callstore.captions.model import Caption, Source, Text
from callstore.captions.subtitles import Format, cues, written
from callstore.errors import Invalid, NotFound
from callstore.ids import Id
from callstore.privacy.audit import Audit
from callstore.stores.group import Group
from callstore.stores.pages import CaptionsQuery, SearchQuery
from callstore.stores.protocol import Store
from callstore.validation import Callback, LanguageTag, check, cursor_text, need_one

SpeakerName = Callable[[Party], str | None]


class _Translated(Struct, frozen=True, kw_only=True):
    caption_id: Id
    language: LanguageTag
    text: Text


class _Deleted(Struct, frozen=True, kw_only=True):
    caption_id: Id
    by: Label | None


class _Exported(OfCall, frozen=True, kw_only=True):
    format: Format
    language: LanguageTag | None
    speaker_name: Callback | None


class Captions:
    """Segments of speech, each kept once however often it is heard. Only of who is in the call, as
    soon as they are, and until 5 minutes after its end."""

    def __init__(self, store: Store, group: Group, audit: Audit) -> None:
        self._store = store
        self._group = group
        self._audit = audit

    async def add(
        self,
        call_id: str,
        party: Party,
        *,
        segment_id: str,
        text: str,
        language: str,
        is_final: bool = True,
        revision: int = 0,
        timestamp: datetime | None = None,
        duration: int | None = None,
        confidence: float | None = None,
        source: Source = "client",
        processing_time: int | None = None,
        translations: Mapping[str, str] | None = None,
    ) -> Caption:
        """The caption as it is kept afterwards, whatever the order in which segments come: a final
        takes the place of an interim, a higher revision that of a lower one.

        `segment_id` is the speaker's own. `language` is a BCP-47 tag, `timestamp` when it was
        spoken (None: now), `duration` and `processing_time` are in ms, `confidence` from 0 to 1.
        Forbidden where the call's settings say no transcription.
        """
        segment = {
            "segment_id": segment_id,
            "text": text,
            "language": language,
            "is_final": is_final,
            "revision": revision,
            "timestamp": timestamp,
            "duration": duration,
            "confidence": confidence,
            "source": source,
            "processing_time": processing_time,
            "translations": translations,
        }
        try:
            (caption,) = await self.add_many(call_id, party, [segment])
        except Invalid as error:
            alone = [(at.removeprefix("/segments/0"), said) for at, said in error.errors]
            raise Invalid(alone) from None
        return caption

    async def add_many(
        self, call_id: str, party: Party, segments: Iterable[Mapping[str, Any]]
    ) -> list[Caption]:
        """As `add`, up to 1,000 at once, all or nothing: for servers that transcribe. Each segment
        is a mapping of what `add` takes by name."""
        command = check(AddCaptions, call_id=call_id, party=party, segments=segments)
        added: list[Caption] = await self._group.submit(command)
        return added

    async def translate(self, caption_id: str, language: str, text: str) -> Caption:
        """The caption with its text in one more language, or in that language anew. At any time,
        and from several writers at once: each language is kept."""
        asked = check(_Translated, caption_id=caption_id, language=language, text=text)
        caption = await self._found(asked.caption_id)
        made: Caption = await self._group.submit(
            TranslateCaption(
                call_id=caption.call_session_id,
                caption_id=caption.id,
                participant_id=caption.participant_id,
                segment_id=caption.segment_id,
                language=asked.language,
                text=asked.text,
            )
        )
        return made

    async def delete(self, caption_id: str, *, by: str | None = None) -> None:
        """For a user's wish; Held while its call is under a hold. `by` is who does it, for the
        audit."""
        asked = check(_Deleted, caption_id=caption_id, by=by)
        caption = await self._found(asked.caption_id)
        about = {"captionId": caption.id, "callId": caption.call_session_id}
        await self._audit.record("captions.delete", by=asked.by, data=about)
        await self._group.submit(
            DeleteCaption(
                call_id=caption.call_session_id,
                caption_id=caption.id,
                participant_id=caption.participant_id,
                segment_id=caption.segment_id,
            )
        )

    async def list(
        self, call_id: str, *, final: bool = True, cursor: str | None = None, limit: int = 100
    ) -> Page[Caption]:
        """A page of the call's captions in the order of speaking; `final=False`: the interim ones
        too. Costs the same wherever it lies, but for interim ones that are passed over."""
        query = check(CaptionsQuery, call_id=call_id, final=final, cursor=cursor, limit=limit)
        captions, more = await self._store.captions_page(query)
        if not captions and query.cursor is None:
            await self._call(query.call_id)
        return Page(items=captions, next=cursor_text(more) if more else None)

    async def search(
        self,
        query: str,
        *,
        call_id: str | None = None,
        conversation_id: str | None = None,
        party: Party | None = None,
        cursor: str | None = None,
        limit: int = 20,
    ) -> Page[Caption]:
        """A page of final captions that have all words of `query`, in the original or a
        translation, the latest first: of a call, a conversation, or the calls that a party was in
        (it looks at no more than 1,000 in their conversations a page: it may be short).

        Case does not count, nor do accents on Latin, Greek, Cyrillic, Hebrew and Arabic letters.
        `word*` finds what begins so, from three letters on. Chinese, Japanese, Thai and other
        scripts without spaces are found by pairs of characters.
        """
        places = {"conversation_id": conversation_id, "call_id": call_id, "party": party}
        asked = check(SearchQuery, query=query, **places, cursor=cursor, limit=limit)
        need_one(**places)
        captions, more = await self._store.search_captions(asked)
        return Page(items=captions, next=cursor_text(more) if more else None)

    async def export(
        self,
        call_id: str,
        *,
        format: Format,
        language: str | None = None,
        speaker_name: SpeakerName | None = None,
    ) -> str:
        """The call's final captions as a file: `vtt`, `srt`, `txt` or `json`.

        In the original, or in `language` where there is a translation (what is in the original
        instead says so in JSON). `speaker_name` gives a party's name; without, nobody is named.
        Times count from the call's answer, else from its beginning.
        """
        asked = check(
            _Exported,
            call_id=call_id,
            format=format,
            language=language,
            speaker_name=speaker_name,
        )
        call = await self._call(asked.call_id)
        spoken = await self._store.captions(call.id)
        found = cues(
            call,
            spoken,
            asked.language,
            _speakers(call, spoken, asked.speaker_name),
        )
        return written(found, asked.format)

    async def _found(self, caption_id: str) -> Caption:
        caption = await self._store.caption(caption_id)
        if caption is None:
            raise NotFound("caption", caption_id)
        return caption

    async def _call(self, call_id: str) -> Call:
        call = await self._store.call(call_id)
        if call is None:
            raise NotFound("call", call_id)
        return call


def _speakers(call: Call, spoken: Iterable[Caption], name: SpeakerName | None) -> dict[str, str]:
    """Participant id -> name, of those that spoke and have one."""
    named: dict[str, str] = {}
    speakers = {caption.participant_id for caption in spoken}
    for row in call.participants or []:
        if name is None or row.party is None or row.id not in speakers:
            continue
        said = name(row.party)
        if said is not None and not isinstance(said, str):
            raise Invalid.field("/speaker_name", "must give a name or None")
        if said:
            named[row.id] = said.encode(errors="replace").decode()
    return named
