"""Captions as files, read back by others' parsers."""
# ruff: noqa: RUF001 - punctuation of other scripts

import io
import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import srt  # type: ignore[import-untyped]
import webvtt
from hypothesis import example, given
from hypothesis import strategies as st

from callstore.calls.model import Call
from callstore.captions.model import Caption
from callstore.captions.subtitles import Cue, cues, written
from callstore.testing import chosen_id, conversation, user

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
CALL = Call(
    id=chosen_id(1),
    conversation_id=conversation(1),
    mode="p2p",
    status="ended",
    type="video",
    initiator_id=user(1).id,
    initiator_kind="user",
    created_at=BEGUN - timedelta(seconds=20),
    started_at=BEGUN,
    updated_at=BEGUN,
    version=1,
    last_event_at=BEGUN,
    live=False,
    max_participants=50,
    sfu_allowed=True,
    end_when="empty",
)
HARD = [
    "<i>tags</i> & <c.loud>more</c> &amp;",
    "an --> arrow",
    "00:00:01,000 ----> 00:00:02,000",
    "00:00:01,000 --> 00:00:02,000",
    "2\n00:00:01,000 --> 00:00:02,000\nno cue",
    "WEBVTT\n\nNOTE no note\n\nSTYLE",
    "one\n\n\ntwo\r\n\r\nthree\u2028four",
    "שלום עולם, مرحبا بالعالم",
    "👩‍👩‍👧‍👦 and 👍🏽",
    "你好，世界 東京タワー สวัสดี",
    "{\\an8}<font color=red>old habits</font>",
]


def caption(text: str, at: float = 0, n: int = 0, **more: Any) -> Caption:
    given: dict[str, Any] = {
        "id": f"{n:024x}",
        "conversation_id": CALL.conversation_id,
        "call_session_id": CALL.id,
        "participant_id": chosen_id(9),
        "segment_id": str(n),
        "text": text,
        "language": "en",
        "timestamp": BEGUN + timedelta(seconds=at),
        "created_at": BEGUN,
    }
    return Caption(**{**given, **more})


def plain(text: str) -> str:
    """What of a text is shown: its lines, without blank ones and control characters."""
    lines = (
        "".join(c for c in line if unicodedata.category(c) != "Cc")
        for line in text.replace("\t", " ").splitlines()
    )
    return "\n".join(line.strip() for line in lines if line.strip())


def shown(found: list[Cue]) -> list[tuple[int, int, str]]:
    return [(cue.start, cue.end, text) for cue in found if (text := plain(cue.text))]


def read_vtt(text: str) -> list[tuple[int, int, str]]:
    parsed = webvtt.from_buffer(io.StringIO(text))
    return [(_ms(each.start_time), _ms(each.end_time), each.raw_text) for each in parsed.captions]


def _ms(time: Any) -> int:
    seconds = (time.hours * 60 + time.minutes) * 60 + time.seconds
    return int(seconds * 1000 + time.milliseconds)


def read_srt(text: str) -> list[tuple[int, int, str]]:
    millisecond = timedelta(milliseconds=1)
    return [(s.start // millisecond, s.end // millisecond, s.content) for s in srt.parse(text)]


def unescaped(text: str) -> str:
    for name, char in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(name, char)
    return text


SPOKEN = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(HARD), st.text(min_size=1, max_size=40)),
        st.integers(-3_000, 20_000),
        st.one_of(st.none(), st.integers(0, 9_000)),
    ),
    max_size=8,
)


@given(SPOKEN)
@example([(text, 1000 * n, None) for n, text in enumerate(HARD)])
@example([(" \n\0", 0, None), ("after nothing", 0, None)])
@example([("the same", 0, 5000), ("moment", 0, 0), ("all", 0, None), ("over", 1, 9000)])
def test_a_file_read_back_has_the_same_cues(spoken: list[tuple[str, int, int | None]]) -> None:
    """Whatever is in the text, however cues overlap."""
    ordered = sorted(spoken, key=lambda said: said[1])
    captions = [
        caption(text, at / 1000, n, duration=duration)
        for n, (text, at, duration) in enumerate(ordered)
    ]
    found = cues(CALL, captions, None, {})
    for cue in found:
        assert 0 <= cue.start < cue.end
    vtt = [(start, end, unescaped(text)) for start, end, text in read_vtt(written(found, "vtt"))]
    assert vtt == shown(found)
    arrows = [(start, end, re.sub("-{2,}>", "->", text)) for start, end, text in shown(found)]
    assert read_srt(written(found, "srt")) == arrows
    assert [each["text"] for each in json.loads(written(found, "json"))] == [c.text for c in found]
    lines = written(found, "txt").splitlines()
    assert [line.partition("] ")[2] for line in lines] == [
        " ".join(text.split("\n")) for _, _, text in shown(found)
    ]


@pytest.mark.parametrize("name", ["Ann", "A & B <c>", "x --> y\nz", "عمر", "a>b"])
def test_a_speaker_is_named(name: str) -> None:
    found = cues(CALL, [caption("hello <b>")], None, {chosen_id(9): name})
    vtt = webvtt.from_buffer(io.StringIO(written(found, "vtt")))
    (cue,) = vtt.captions
    one_line = " ".join(name.split())
    voice = re.match("<v (.*?)>(.*)", cue.raw_text)
    assert voice is not None
    assert (unescaped(voice[1]), unescaped(voice[2])) == (one_line, "hello <b>")
    (line,) = srt.parse(written(found, "srt"))
    assert line.content == f"{one_line.replace('-->', '->')}: hello <b>"
    assert json.loads(written(found, "json"))[0]["speaker"] == name


@pytest.mark.parametrize("name", [" ", "\n", "\0", ""])
def test_a_name_of_nothing_is_none(name: str) -> None:
    (cue,) = cues(CALL, [caption("hello")], None, {chosen_id(9): name})
    assert cue.speaker is None
    assert "<v" not in written([cue], "vtt")


@pytest.mark.parametrize("duration", [86_400_000, 2**63 - 1])
def test_no_cue_lasts_longer_than_a_day(duration: int) -> None:
    (cue,) = cues(CALL, [caption("hello", duration=duration)], None, {})
    assert (cue.start, cue.end) == (0, 86_400_000)


def test_what_is_not_translated_is_in_the_original_and_says_so() -> None:
    captions = [
        caption("hello", 0, 1, translations={"fr": "salut", "de": "hallo"}),
        caption("bye", 1, 2, translations={"de": "tschüs"}),
        caption("au revoir", 2, 3, language="fr"),
    ]
    found = json.loads(written(cues(CALL, captions, "fr", {}), "json"))
    assert [(each["text"], each["language"], each["original"]) for each in found] == [
        ("salut", "fr", False),
        ("bye", "en", True),
        ("au revoir", "fr", True),
    ]


def test_times_count_from_the_answer_and_last_as_long_as_reading_takes() -> None:
    captions = [
        caption("before it", -5, 1),
        caption("short", 1, 2),
        caption("x" * 60, 3, 3),
        caption("cut off by the next", 100, 4),
        caption("next", 100.2, 5),
        caption("another speaks", 100.25, 6, participant_id=chosen_id(8)),
        caption("y" * 5000, 200, 7),
    ]
    found = [(cue.start, cue.end) for cue in cues(CALL, captions, None, {})]
    assert found == [
        (0, 1000),
        (1000, 2000),
        (3000, 7000),
        (100_000, 100_200),
        (100_200, 101_200),
        (100_250, 101_250),
        (200_000, 207_000),
    ]
