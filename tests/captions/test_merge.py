"""Segments in any order: the same caption."""

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from callstore.calls.model import Participant, Stint
from callstore.captions.commands import Segment
from callstore.captions.merge import merge, translated
from callstore.captions.model import Caption
from callstore.captions.words import words
from callstore.testing import conversation, fake_ids, user

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEAKER = Participant(
    id="1" * 24,
    conversation_id=conversation(1),
    call_session_id="2" * 24,
    user_id=user(1).id,
    role="initiator",
    status="connected",
    joined_at=NOW,
    stints=[Stint(joined_at=NOW)],
    audio_enabled=True,
    video_enabled=True,
    updated_at=NOW,
)


def heard(segments: list[Segment]) -> Caption:
    caption, new_id = None, fake_ids()
    for number, segment in enumerate(segments):
        at = NOW + timedelta(seconds=number)
        caption = merge(caption, segment, speaker=SPEAKER, now=at, new_id=new_id)
    assert caption is not None
    return caption


def segment(is_final: bool, revision: int, **more: Any) -> Segment:
    text = f"{'final' if is_final else 'interim'} {revision}"
    return Segment(
        segment_id="s", text=text, language="en", is_final=is_final, revision=revision, **more
    )


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=10, unique=True),
    st.randoms(use_true_random=False),
)
def test_any_order_doubling_and_lateness_give_the_same_text(
    keys: list[tuple[bool, int]], rng: random.Random
) -> None:
    segments = [segment(*key) for key in keys]
    shuffled = rng.sample(segments, len(segments)) + rng.choices(segments, k=5)
    first, second = heard(sorted(segments, key=repr)), heard(shuffled)
    assert first.text == second.text == segment(*max(keys)).text
    assert (first.is_final, first.revision) == (second.is_final, second.revision) == max(keys)


def test_a_final_never_goes_back() -> None:
    for order in itertools.permutations([segment(True, 1), segment(False, 9), segment(True, 0)]):
        finals = [heard([*order[:n]]).is_final for n in range(1, 4)]
        assert finals == sorted(finals)


def test_two_texts_of_one_revision_the_first_stands() -> None:
    first = heard([segment(True, 1)])
    other = Segment(segment_id="s", text="another", language="en", revision=1)
    assert merge(first, other, speaker=SPEAKER, now=NOW, new_id=fake_ids()) is first


@given(st.data())
def test_any_order_gives_the_same_languages_and_the_earliest_time(data: st.DataObject) -> None:
    """Of segments that say both."""
    tags = st.dictionaries(st.sampled_from(["de", "fr", "ja"]), st.just("x"))
    keys = st.lists(
        st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=6, unique=True
    )
    segments = [
        segment(*key, translations=data.draw(tags), timestamp=NOW - timedelta(seconds=n))
        for n, key in enumerate(data.draw(keys))
    ]
    shuffled = data.draw(st.permutations(segments))
    first, second = heard(segments), heard([*shuffled, *shuffled[:2]])
    assert set(first.translations or {}) == set(second.translations or {})
    assert set(first.translations or {}) == {tag for s in segments for tag in s.translations or {}}
    assert first.timestamp == second.timestamp == segments[-1].timestamp
    assert set(first.words) == set(second.words)


def test_it_was_spoken_when_it_was_first_heard_unless_it_says_when() -> None:
    before = NOW - timedelta(minutes=1)
    assert heard([segment(False, 0), segment(True, 0)]).timestamp == NOW
    assert heard([segment(False, 0), segment(True, 0, timestamp=before)]).timestamp == before
    assert heard([segment(True, 0), segment(False, 0, timestamp=before)]).timestamp == before


@given(st.permutations(["de", "fr", "ja", None]))
def test_translations_of_several_writers_stay(order: list[str | None]) -> None:
    """Before and after a correction."""
    caption = heard([segment(True, 0)])
    for language in order:
        if language is None:
            caption = merge(caption, segment(True, 1), speaker=SPEAKER, now=NOW, new_id=fake_ids())
        else:
            caption = translated(caption, language, f"in {language}")
    assert caption.translations == {tag: f"in {tag}" for tag in ("de", "fr", "ja")}
    assert set(caption.words) == set(words(["final 1", "in de", "in fr", "in ja"]))


def test_what_is_not_final_is_found_by_nothing() -> None:
    interim = heard([segment(False, 0)])
    assert interim.words == translated(interim, "fr", "pas encore").words == []
