"""What was said: found again, and as a file."""
# ruff: noqa: RUF001 - punctuation of other scripts

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from callstore import Calls, Caption, Party, errors
from callstore.testing.clock import FakeClock
from callstore.testing.contract.captions import found, say
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    DAN,
    HALL,
    NOBODY_KNOWS,
    ROOM,
    answered,
)
from callstore.testing.data import conversation, user

TONGUES = {
    "fr": ("Où est l'École ? Ça va, Noël…", ["ecole", "OU", "ça", "noel l'école"]),
    "de": ("Die Straße führt über Köln", ["strasse", "STRASSE", "kol*", "uber führt"]),
    "es": ("¿Mañana, señor Núñez?", ["manana", "nunez señor", "mañ*"]),
    "ar": ("السَّلامُ عَلَيْكُم يا أحمد", ["السلام", "احمد عليكم"]),
    "hi": ("नमस्ते, दुनिया कैसी है", ["नमस्ते", "दुनिया है"]),
    "zh": ("今天天气很好，我们去公园", ["天气", "公园 今天", "好", "很好"]),
    "ja": ("東京タワーへ行きましょう", ["東京", "タワー", "行き", "ﾀﾜｰ"]),
    "th": ("สวัสดีครับ ยินดีที่ได้รู้จัก", ["สวัสดี", "ยินดี ครับ"]),
}


class TestSearch:
    @pytest.mark.parametrize("language", TONGUES)
    async def test_it_finds_what_was_said_in(self, calls: Calls, language: str) -> None:
        text, queries = TONGUES[language]
        call = await answered(calls)
        await say(calls, call.id, ANN, "something else, altogether 別")
        await say(calls, call.id, BOB, text, language=language)
        translated = await say(calls, call.id, ANN, "as they say")
        await calls.captions.translate(translated.id, language, text)
        for query in queries:
            assert await found(calls, query, call_id=call.id) == ["as they say", text], query

    async def test_all_words_must_be_there(self, calls: Calls) -> None:
        call = await answered(calls)
        for text in ("one two three", "two three four", "twofold"):
            await say(calls, call.id, ANN, text)
        assert await found(calls, "two three", conversation_id=ROOM) == [
            "two three four",
            "one two three",
        ]
        assert await found(calls, "three one", conversation_id=ROOM) == ["one two three"]
        assert await found(calls, "TWO*", conversation_id=ROOM) == [
            "twofold",
            "two three four",
            "one two three",
        ]
        assert await found(calls, "two* four", conversation_id=ROOM) == ["two three four"]
        assert await found(calls, "five", conversation_id=ROOM) == []

    async def test_what_is_not_final_is_not_found(self, calls: Calls) -> None:
        call = await answered(calls)
        await say(calls, call.id, ANN, "maybe", segment_id="1", is_final=False)
        assert await found(calls, "maybe", call_id=call.id) == []
        await say(calls, call.id, ANN, "surely", segment_id="1")
        await say(calls, call.id, ANN, "certainly", segment_id="1", revision=1)
        assert await found(calls, "surely", call_id=call.id) == []
        assert await found(calls, "certainly", call_id=call.id) == ["certainly"]

    async def test_within_a_call_a_conversation_or_ones_own_calls(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        ids = []
        for room, other in ((ROOM, BOB), (ROOM, CAT), (HALL, BOB)):
            call = await answered(calls, other, room=room)
            clock.advance(1)
            await say(calls, call.id, ANN, f"hello {other.ref} in {room}")
            await calls.end(call.id)
            ids.append(call.id)
        said = [f"hello {party.ref} in {room}" for room, party in ((HALL, BOB), (ROOM, CAT))]
        said.append(f"hello {BOB.ref} in {ROOM}")
        assert await found(calls, "hello", call_id=ids[0]) == said[2:]
        assert await found(calls, "hello", conversation_id=ROOM) == said[1:]
        assert await found(calls, "hello", party=ANN) == said
        assert await found(calls, "hello", party=BOB) == [said[0], said[2]]
        assert await found(calls, "hello", party=CAT) == [said[1]]
        assert await found(calls, "hello", party=DAN) == []
        assert await found(calls, "hello", call_id=NOBODY_KNOWS) == []
        assert await found(calls, "hello", conversation_id=ids[0]) == []
        assert await found(calls, "hello", call_id=ROOM) == []

    async def test_who_was_invited_and_never_came_finds_nothing(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB, DAN])
        await calls.join(call.id, BOB)
        await say(calls, call.id, ANN, "a secret")
        assert await found(calls, "secret", party=BOB) == ["a secret"]
        assert await found(calls, "secret", party=DAN) == []

    async def test_pages_go_on_where_the_last_one_ended(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        """Many of the same moment, and of calls that the party was not in."""
        mine = await answered(calls, BOB, CAT, room=ROOM)
        theirs = await answered(calls, CAT, room=HALL)
        for n in range(40):
            at = clock() + timedelta(milliseconds=n // 9)
            for call in (mine, theirs):
                await say(calls, call.id, ANN, f"number {n}", timestamp=at)
        for place, count in (
            ({"conversation_id": ROOM}, 40),
            ({"call_id": mine.id}, 40),
            ({"party": BOB}, 40),
            ({"party": ANN}, 80),
        ):
            seen: list[Caption] = []
            cursor = None
            while True:
                page = await calls.captions.search("number", **place, limit=7, cursor=cursor)
                seen += page.items
                if (cursor := page.next) is None:
                    break
            assert len(seen) == count
            latest = sorted(seen, key=lambda c: (c.timestamp, c.id), reverse=True)
            assert seen == latest

    async def test_over_more_conversations_than_are_looked_through_together(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        async def talk(n: int) -> None:
            call = await calls.start(conversation(n), ANN, invite=[BOB])
            if n % 3 == 0:
                await calls.join(call.id, BOB)
            at = clock() + timedelta(seconds=(n * 37) % 230)
            await say(calls, call.id, ANN, f"hello {n} there", timestamp=at)

        numbers = range(1000, 1230)
        await asyncio.gather(*(talk(n) for n in numbers))
        for party, of in ((ANN, list(numbers)), (BOB, [n for n in numbers if n % 3 == 0])):
            seen: list[str] = []
            cursor = None
            while True:
                page = await calls.captions.search("there hello", party=party, cursor=cursor)
                seen += [caption.text for caption in page.items]
                if (cursor := page.next) is None:
                    break
            latest = sorted(of, key=lambda n: (n * 37) % 230, reverse=True)
            assert seen == [f"hello {n} there" for n in latest]

    async def test_of_what_was_said_without_one_a_page_looks_at_a_thousand(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        mine = await answered(calls, BOB)
        await say(calls, mine.id, BOB, "hello, I was there")
        await calls.end(mine.id)
        clock.advance(1)
        theirs = await answered(calls, CAT)
        for some in (range(1000), range(1000, 1500)):
            segments = [
                {"segment_id": str(n), "text": f"hello {n}", "language": "en"} for n in some
            ]
            await calls.captions.add_many(theirs.id, CAT, segments)
        first = await calls.captions.search("hello", party=BOB)
        assert first.items == []
        last = await calls.captions.search("hello", party=BOB, cursor=first.next)
        assert [caption.text for caption in last.items] == ["hello, I was there"]
        assert last.next is None

    @pytest.mark.parametrize("query", ["", " ", "!?", "ab*", "é*", "x" * 501, None, 7])
    async def test_a_query_that_asks_for_nothing_is_refused(self, calls: Calls, query: Any) -> None:
        with pytest.raises(errors.Invalid, match="/query"):
            await calls.captions.search(query, party=ANN)

    @pytest.mark.parametrize("places", [{}, {"call_id": ROOM, "party": user(1)}])
    async def test_one_place_is_searched(self, calls: Calls, places: Any) -> None:
        with pytest.raises(errors.Invalid, match="one of conversation_id, call_id, party"):
            await calls.captions.search("hello", **places)


class TestExport:
    async def test_in_the_original_or_a_translation(self, calls: Calls) -> None:
        call = await answered(calls)
        assert call.started_at is not None
        first = await say(calls, call.id, ANN, "hello", duration=900, timestamp=call.started_at)
        await say(
            calls,
            call.id,
            BOB,
            "bye <b>\n\nthen",
            timestamp=call.started_at + timedelta(seconds=61.5),
            duration=500,
        )
        await calls.captions.translate(first.id, "fr", "salut")
        names: dict[Party, str | None] = {ANN: "Ann & Co", BOB: None}
        vtt = await calls.captions.export(
            call.id, format="vtt", language="fr", speaker_name=names.__getitem__
        )
        assert vtt == (
            "WEBVTT\n\n"
            "00:00:00.000 --> 00:00:00.900\n<v Ann &amp; Co>salut\n\n"
            "00:01:01.500 --> 00:01:02.000\nbye &lt;b&gt;\nthen\n"
        )
        srt = await calls.captions.export(call.id, format="srt")
        assert srt == (
            "1\n00:00:00,000 --> 00:00:00,900\nhello\n\n"
            "2\n00:01:01,500 --> 00:01:02,000\nbye <b>\nthen\n"
        )
        txt = await calls.captions.export(call.id, format="txt", speaker_name=lambda _: "X")
        assert txt == "[00:00:00] X: hello\n[00:01:01] X: bye <b> then\n"

    async def test_of_a_call_that_is_not_there(self, calls: Calls) -> None:
        with pytest.raises(errors.NotFound):
            await calls.captions.export(NOBODY_KNOWS, format="vtt")
        call = await answered(calls)
        assert await calls.captions.export(call.id, format="vtt") == "WEBVTT\n"
        with pytest.raises(errors.Invalid, match="/format"):
            await calls.captions.export(call.id, format="doc")  # type: ignore[arg-type]
        with pytest.raises(errors.Invalid, match="/speaker_name"):
            await calls.captions.export(call.id, format="vtt", speaker_name="Ann")  # type: ignore[arg-type]
