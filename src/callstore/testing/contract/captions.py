"""What was said: kept once, found again, forgotten."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from callstore import Calls, errors
from callstore.captions.model import Caption
from callstore.testing.clock import FakeClock
from callstore.testing.contract.races import at_once
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    DAN,
    NOBODY_KNOWS,
    ROOM,
    answered,
    row_of,
)


async def say(calls: Calls, call_id: str, party: Any, text: str, **options: Any) -> Caption:
    """A final in English, as a segment that has what is printable of its text for an id."""
    segment_id = "".join(filter(str.isprintable, text))[:255] or "-"
    said = {"segment_id": segment_id, "language": "en", **options}
    return await calls.captions.add(call_id, party, text=text, **said)


async def texts(calls: Calls, call_id: str, **options: Any) -> list[str]:
    return [caption.text for caption in (await calls.captions.list(call_id, **options)).items]


async def found(calls: Calls, query: str, **options: Any) -> list[str]:
    return [caption.text for caption in (await calls.captions.search(query, **options)).items]


class TestCaptions:
    async def test_a_segment_is_kept_with_all_that_is_said_of_it(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        at = clock() - timedelta(seconds=2)
        made = await calls.captions.add(
            call.id,
            BOB,
            segment_id="s1",
            text="Grüß Gott",
            language="de_at",
            revision=3,
            timestamp=at,
            duration=1500,
            confidence=0.75,
            source="server",
            processing_time=80,
            translations={"EN": "Hello", "fr": "Bonjour"},
        )
        bob = await row_of(calls, call.id, BOB)
        assert (made.conversation_id, made.call_session_id) == (ROOM, call.id)
        assert (made.participant_id, made.segment_id, made.revision) == (bob.id, "s1", 3)
        assert (made.text, made.language) == ("Grüß Gott", "de-AT")
        assert made.translations == {"en": "Hello", "fr": "Bonjour"}
        assert (made.timestamp, made.duration) == (at, 1500)
        assert (made.confidence_score, made.source, made.processing_time) == (0.75, "server", 80)
        assert made.is_final
        assert (await calls.captions.list(call.id)).items == [made]

    async def test_a_final_takes_the_place_of_an_interim_and_never_gives_it_back(
        self, calls: Calls
    ) -> None:
        call = await answered(calls)
        first = await say(calls, call.id, BOB, "hel", segment_id="1", is_final=False)
        assert await texts(calls, call.id) == []
        assert await texts(calls, call.id, final=False) == ["hel"]
        await say(calls, call.id, BOB, "hello w", segment_id="1", is_final=False, revision=7)
        final = await say(calls, call.id, BOB, "hello world", segment_id="1")
        assert final.id == first.id
        for revision, is_final in ((9, False), (0, True), (7, False)):
            late = await say(
                calls, call.id, BOB, "late", segment_id="1", is_final=is_final, revision=revision
            )
            assert late == final
        corrected = await say(calls, call.id, BOB, "hello, world!", segment_id="1", revision=1)
        assert corrected.text == "hello, world!"
        assert await texts(calls, call.id, final=False) == ["hello, world!"]

    async def test_whatever_the_order_and_however_often_the_same_stays(self, calls: Calls) -> None:
        call = await answered(calls)
        heard = [(final, revision) for final in (False, True) for revision in range(4)]
        rng = random.Random(7)
        for n in range(12):
            order = rng.sample(heard, len(heard)) + rng.choices(heard, k=3)
            for final, revision in order:
                await say(
                    calls,
                    call.id,
                    BOB,
                    f"{final} {revision}",
                    segment_id=str(n),
                    is_final=final,
                    revision=revision,
                )
        assert await texts(calls, call.id) == ["True 3"] * 12

    async def test_the_same_segment_from_many_at_once_is_one(self, calls: Calls) -> None:
        call = await answered(calls)
        results = await at_once(
            say(calls, call.id, BOB, f"take {n}", segment_id="1", revision=n) for n in range(50)
        )
        assert {type(each) for each in results} == {Caption}
        assert await texts(calls, call.id, final=False) == ["take 49"]

    async def test_several_at_once_are_kept_or_none(self, calls: Calls) -> None:
        call = await answered(calls)
        segments = [{"segment_id": str(n), "text": f"t{n}", "language": "en"} for n in range(100)]
        made = await calls.captions.add_many(call.id, BOB, segments)
        assert [each.text for each in made] == [f"t{n}" for n in range(100)]
        wrong: list[dict[str, Any]] = [
            {**segments[0], "segment_id": "new"},
            {**segments[1], "confidence": 1.1},
        ]
        with pytest.raises(errors.Invalid, match="/segments/1/confidence"):
            await calls.captions.add_many(call.id, BOB, wrong)
        with pytest.raises(errors.Invalid, match="/segments: must have at most 1000"):
            await calls.captions.add_many(call.id, BOB, segments * 11)
        assert len((await calls.captions.list(call.id, limit=100)).items) == 100

    async def test_two_speakers_may_name_their_segments_alike(self, calls: Calls) -> None:
        call = await answered(calls)
        for party in (ANN, BOB):
            await say(calls, call.id, party, f"from {party.kind}", segment_id="1")
        assert len(await texts(calls, call.id)) == 2

    async def test_they_move_neither_version_nor_events(self, calls: Calls) -> None:
        call = await answered(calls)
        caption = await say(calls, call.id, BOB, "hello")
        await calls.captions.translate(caption.id, "fr", "salut")
        await calls.captions.delete(caption.id)
        after = await calls.get(call.id)
        assert (after.version, after.updated_at) == (call.version, call.updated_at)

    async def test_they_are_signs_of_life(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls, BOB, CAT)
        for n in range(3):
            await calls.sweep()
            clock.advance(40)
            await say(calls, call.id, BOB, f"still {n}")
        clock.advance(1)
        assert (await calls.sweep()).lost == 2
        assert (await row_of(calls, call.id, BOB)).live

    async def test_they_are_in_the_order_of_speaking(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls)
        begun = clock()
        for n in (3, 1, 2, 0):
            await say(calls, call.id, ANN, str(n), timestamp=begun + timedelta(seconds=n))
        assert await texts(calls, call.id) == ["0", "1", "2", "3"]
        moved = await say(calls, call.id, ANN, "9", segment_id="1", revision=1, timestamp=begun)
        assert moved.timestamp == begun
        assert await texts(calls, call.id) in (["0", "9", "2", "3"], ["9", "0", "2", "3"])

    async def test_pages_go_on_where_the_last_one_ended(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        """Of the same moment too, and past interim ones."""
        call = await answered(calls)
        for n in range(30):
            at = clock() + timedelta(seconds=n // 7)
            await say(calls, call.id, ANN, str(n), timestamp=at, is_final=n % 3 != 1)
        for final, count in ((True, 20), (False, 30)):
            seen: list[Caption] = []
            cursor = None
            while True:
                page = await calls.captions.list(call.id, final=final, limit=7, cursor=cursor)
                seen += page.items
                if (cursor := page.next) is None:
                    break
            assert len(seen) == count
            assert seen == sorted(seen, key=lambda caption: (caption.timestamp, caption.id))

    async def test_in_each_language_once_from_whomever(self, calls: Calls) -> None:
        call = await answered(calls)
        caption = await say(calls, call.id, BOB, "good morning")
        tongues = ["de", "fr", "es", "it", "pt-BR", "ja"]
        await asyncio.gather(
            *(calls.captions.translate(caption.id, tag, f"in {tag}") for tag in tongues * 3)
        )
        (after,) = (await calls.captions.list(call.id)).items
        assert after.translations == {tag: f"in {tag}" for tag in tongues}
        corrected = await say(
            calls, call.id, BOB, "good day", segment_id=caption.segment_id, revision=1
        )
        assert corrected.translations == after.translations

    async def test_a_translation_may_come_long_after_the_end(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        call = await answered(calls)
        caption = await say(calls, call.id, BOB, "good morning")
        await calls.end(call.id)
        clock.advance(86_400)
        await calls.captions.translate(caption.id, "fr", "bonjour")
        assert await found(calls, "bonjour", call_id=call.id) == ["good morning"]

    async def test_what_is_deleted_is_gone(self, calls: Calls) -> None:
        call = await answered(calls)
        one, two = [await say(calls, call.id, BOB, text) for text in ("never mind", "mind me")]
        await calls.captions.delete(one.id, by="support")
        assert await texts(calls, call.id) == ["mind me"]
        assert await found(calls, "mind", call_id=call.id) == ["mind me"]
        for work in (
            calls.captions.delete(one.id),
            calls.captions.translate(one.id, "fr", "laisse"),
            calls.captions.delete(NOBODY_KNOWS),
        ):
            with pytest.raises(errors.NotFound) as refusal:
                await work
            assert refusal.value.code == "caption_not_found"
        assert await texts(calls, call.id) == [two.text]


class TestWhoMaySpeak:
    async def test_who_was_never_in_the_call_may_not(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        for party in (BOB, DAN):
            with pytest.raises(errors.InvalidTransition):
                await say(calls, call.id, party, "hello")
        with pytest.raises(errors.NotFound):
            await say(calls, NOBODY_KNOWS, ANN, "hello")
        with pytest.raises(errors.NotFound):
            await calls.captions.list(NOBODY_KNOWS)

    async def test_until_five_minutes_after_the_end(self, calls: Calls, clock: FakeClock) -> None:
        call = await answered(calls, BOB, CAT)
        await calls.leave(call.id, CAT)
        await calls.end(call.id)
        clock.advance(300)
        for party in (ANN, CAT):
            await say(calls, call.id, party, "a last word")
        clock.advance(0.001)
        with pytest.raises(errors.CallEnded):
            await say(calls, call.id, ANN, "too late")

    async def test_not_where_the_settings_say_no(self, calls: Calls) -> None:
        call = await calls.start(ROOM, ANN, settings={"transcriptionEnabled": False})
        with pytest.raises(errors.Forbidden):
            await say(calls, call.id, ANN, "hello")
        assert await texts(calls, call.id) == []

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("segment_id", ""),
            ("segment_id", "a\n"),
            ("text", ""),
            ("text", "x" * 5001),
            ("text", "\0"),
            ("language", "zz"),
            ("language", "english"),
            ("revision", -1),
            ("duration", -1),
            ("duration", 86_400_001),
            ("confidence", 1.01),
            ("confidence", -0.1),
            ("confidence", float("nan")),
            ("source", "other"),
            ("processing_time", -1),
            ("translations", {"fr": ""}),
            ("translations", {"nonsense!": "a"}),
            ("translations", {"en": "the language that was spoken"}),
            ("translations", {"pt_br": "a", "pt-BR": "b"}),
            ("translations", {f"x-{n}": "a" for n in range(51)}),
        ],
    )
    async def test_what_is_out_of_range_is_named(
        self, calls: Calls, field: str, value: Any
    ) -> None:
        call = await answered(calls)
        with pytest.raises(errors.Invalid) as refusal:
            await say(calls, call.id, ANN, **{"text": "hello", field: value})
        assert [at.split("/")[1] for at, _ in refusal.value.errors] == [field]
        assert await texts(calls, call.id, final=False) == []

    async def test_the_longest_is_kept(self, calls: Calls) -> None:
        call = await answered(calls)
        long = ("\N{GRINNING FACE} " * 2500)[:5000]
        caption = await say(calls, call.id, ANN, long, segment_id="s" * 255)
        assert (await calls.captions.list(call.id)).items == [caption]

    async def test_what_is_too_much_together_is_refused(self, calls: Calls) -> None:
        call = await answered(calls)
        segments = [{"segment_id": str(n), "text": "x" * 5000, "language": "en"} for n in range(21)]
        with pytest.raises(errors.Invalid, match="/segments: must have at most 100,000 char"):
            await calls.captions.add_many(call.id, ANN, segments)
        assert len(await calls.captions.add_many(call.id, ANN, segments[:20])) == 20
        caption = await say(calls, call.id, ANN, "hello")
        for n in range(50):
            await calls.captions.translate(caption.id, f"x-{n}", "hello")
        await calls.captions.translate(caption.id, "x-1", "hello again")
        with pytest.raises(errors.Invalid, match="/language: would make more than 50"):
            await calls.captions.translate(caption.id, "x-50", "hello")
        with pytest.raises(errors.Invalid, match="would make more than 50 translations"):
            await say(calls, call.id, ANN, "hello", revision=1, translations={"x-50": "hello"})

    async def test_it_is_translated_into_another_language(self, calls: Calls) -> None:
        call = await answered(calls)
        caption = await say(calls, call.id, ANN, "hello", language="en")
        with pytest.raises(errors.Invalid, match="/language"):
            await calls.captions.translate(caption.id, "EN", "hello")
