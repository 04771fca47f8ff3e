"""The analysis of a call: its laws, and what time counts."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.quality.builders import (
    ANA,
    BRUNO,
    CALL,
    Series,
    analysed,
    at,
    of,
    together,
)

from callstore.quality.lines import Lines
from callstore.quality.model import Analytics, KindStats, Sample

STATE = st.fixed_dictionaries(
    {
        "loss": st.sampled_from([0, 0, 2, 6, 20, 60, 100]),
        "jitter": st.sampled_from([0, 5, 40, 200]),
        "rtt": st.sampled_from([20, 150, 400, 1_500, 10_000]),
        "fps": st.sampled_from([0, 6, 15, 30]),
        "frozen": st.sampled_from([0, 0, 0.5, 1]),
        "packets": st.sampled_from([50, 50, 50, 0]),
    }
)
COURSE = st.lists(st.tuples(st.integers(2, 25), STATE), min_size=1, max_size=6)


def series(course: list[tuple[int, dict[str, Any]]], **more: Any) -> Series:
    made = Series(**more)
    for seconds, state in course:
        made.run(seconds, **state)
    return made


def numbers(analytics: Analytics) -> object:
    """All that is scored, without what counts samples."""
    told = msgspec.to_builtins(analytics)
    for one in told["participantMetrics"]:
        del one["issues"], one["samples"]
    return told["qualityScore"], told["qualityMetrics"], told["participantMetrics"]


def flat(value: object) -> list[object]:
    if isinstance(value, dict):
        return [part for key in sorted(value) for part in [key, *flat(value[key])]]
    if isinstance(value, list | tuple):
        return [part for one in value for part in flat(one)]
    return [value]


def same(one: object, other: object) -> bool:
    """But for the rounding."""
    left, right = flat(one), flat(other)
    return len(left) == len(right) and all(
        a == pytest.approx(b, abs=0.01, rel=1e-5) if isinstance(a, float | int) else a == b
        for a, b in zip(left, right, strict=True)
    )


def test_a_clean_call_is_100() -> None:
    samples = Series(ANA).run(60).samples + Series(BRUNO).run(60).samples
    found = analysed(samples)
    assert found.quality_score == 100
    assert [one.avg_quality for one in found.participant_metrics] == [100, 100]
    assert [one.label for one in found.participant_metrics] == ["excellent", "excellent"]
    assert found.network_issues == []


@given(COURSE)
def test_scores_lie_between_0_and_100(course: list[tuple[int, dict[str, Any]]]) -> None:
    made = series(course)
    found = analysed(made.samples, end=made.now)
    scores = [window.score for one in found.windows for window in one.windows]
    scores += [one.avg_quality for one in found.participant_metrics]
    assert all(one is None or 0 <= one <= 100 for one in [*scores, found.quality_score])


@given(COURSE, st.randoms(use_true_random=False))
def test_order_and_doubles_change_nothing(
    course: list[tuple[int, dict[str, Any]]], chance: random.Random
) -> None:
    samples = series(course).samples + series(course[:1], participant_id=BRUNO).samples
    again = samples + chance.sample(samples, len(samples) // 2)
    chance.shuffle(again)
    events = together(ANA, BRUNO, end=200)
    assert analysed(again, events) == analysed(samples, events)


@given(COURSE, st.data())
def test_a_sample_split_in_two_changes_no_score(
    course: list[tuple[int, dict[str, Any]]], data: st.DataObject
) -> None:
    whole = series(course, every=2)
    events = together(ANA, BRUNO, end=whole.now)
    n = data.draw(st.integers(1, len(whole.samples) - 1))
    share = data.draw(st.sampled_from([0.25, 0.5, 0.75]))
    before, after = whole.samples[n - 1 : n + 1]
    # Counters as fractions: a split without rounding.
    middle = msgspec.structs.replace(
        after,
        at=before.at + (after.at - before.at) * share,
        audio=_between(before.audio, after.audio, share),
        video=_between(before.video, after.video, share),
    )
    split = [*whole.samples, middle]
    assert same(numbers(analysed(split, events)), numbers(analysed(whole.samples, events)))


def _between(before: KindStats | None, after: KindStats | None, share: float) -> KindStats | None:
    if before is None or after is None:
        return after
    sums = {}
    for name in KindStats.__struct_fields__[:19]:
        old, new = getattr(before, name), getattr(after, name)
        if old is not None and new is not None:
            sums[name] = old + (new - old) * share
    return msgspec.structs.replace(after, **sums)


@given(STATE, st.integers(1, 12))
def test_a_constant_series_scores_its_value(state: dict[str, Any], tens: int) -> None:
    short = of(analysed(Series(**state).run(60).samples))
    long = of(analysed(Series(**state).run(10.0 * tens).samples, end=10.0 * tens))
    assert long.avg_quality == pytest.approx(short.avg_quality, abs=0.5)


@given(COURSE, st.sampled_from(["loss", "rtt", "jitter"]))
def test_a_worse_participant_never_raises_a_call(
    course: list[tuple[int, dict[str, Any]]], what: str
) -> None:
    worse = [(seconds, state | {what: max(state[what], 100)}) for seconds, state in course]
    other = Series(BRUNO).run(60).samples
    events = together(ANA, BRUNO, end=150)
    before = analysed(series(course).samples + other, events).quality_score
    after = analysed(series(worse).samples + other, events).quality_score
    assert before is not None
    assert after is not None
    assert after <= before + 1e-6


def test_all_missing_is_none() -> None:
    empty = [_bare(n) for n in range(30)]
    found = analysed(empty, end=30)
    ana = of(found)
    assert found.quality_score is None
    assert (ana.avg_quality, ana.label, ana.avg_packet_loss, ana.avg_rtt) == (None,) * 4
    assert (ana.avg_jitter, ana.avg_bitrate, ana.audio, ana.video) == (None,) * 4
    assert analysed([]).quality_metrics is None


def _bare(n: int) -> Sample:
    return msgspec.structs.replace(Series(ANA).samples[0], at=at(n), audio=None, video=None)


def test_under_10_s_there_is_no_score() -> None:
    assert of(analysed(Series().run(9).samples)).avg_quality is None
    assert of(analysed(Series().run(10).samples)).avg_quality == 100


def test_loss_is_lost_by_expected_and_rates_are_by_time() -> None:
    made = Series(rtt=100, jitter=10).run(30, loss=0).run(10, loss=8, rtt=200, jitter=20)
    ana = of(analysed(made.samples, end=40))
    assert ana.avg_packet_loss == pytest.approx(2)
    assert ana.avg_rtt == pytest.approx(125)
    assert ana.avg_jitter == pytest.approx(12.5)
    assert ana.avg_bitrate == pytest.approx(1_032_000, rel=0.01)
    assert ana.data_received == pytest.approx(40 * 1_032_000 / 8, rel=0.01)


def test_audio_speaks_and_both_kinds_are_kept_apart() -> None:
    samples = []
    for sample in Series().run(30).samples:
        assert sample.video is not None
        video = msgspec.structs.replace(sample.video, jitter=90)
        samples.append(msgspec.structs.replace(sample, video=video))
    ana = of(analysed(samples, end=30))
    assert ana.avg_jitter == ana.audio.avg_jitter == 5
    assert ana.video.avg_jitter == 90
    silent = [msgspec.structs.replace(sample, audio=None) for sample in samples]
    assert of(analysed(silent, end=30)).avg_jitter == 90


def test_retransmissions_are_not_received_packets() -> None:
    samples = []
    for sample in Series().run(30, loss=10).samples:
        assert sample.video is not None
        received = sample.video.packets_received
        video = msgspec.structs.replace(
            sample.video,
            packets_received=(received or 0) * 2,
            retransmitted_packets_received=received,
        )
        samples.append(msgspec.structs.replace(sample, video=video))
    assert of(analysed(samples, end=30)).video.avg_packet_loss == pytest.approx(10, abs=0.1)


def test_a_counter_that_falls_has_started_again() -> None:
    first = Series().run(20, loss=2)
    again = Series(start=21).run(20, loss=2).samples
    ana = of(analysed(first.samples + again[1:], end=41))
    assert ana.avg_packet_loss == pytest.approx(2, abs=0.1)
    assert ana.data_received == pytest.approx(40 * 1_032_000 / 8, rel=0.05)


def test_a_new_stream_starts_at_zero_and_one_that_goes_takes_only_its_own() -> None:
    made = Series().run(20)
    both = [_more(sample, ("a1", "a2"), 50 * n) for n, sample in enumerate(made.samples[10:])]
    grown = of(analysed(made.samples[:10] + both, end=20))
    assert grown.avg_packet_loss == 0
    alone = made.run(20).samples[21:]
    shrunk = of(analysed(made.samples[:10] + both + alone, end=40))
    assert shrunk.avg_packet_loss == 0
    assert shrunk.avg_bitrate == pytest.approx(1_032_000, rel=0.1)


def _more(sample: Sample, streams: tuple[str, ...], packets: int) -> Sample:
    audio = sample.audio
    assert audio is not None
    received = (audio.packets_received or 0) + packets
    audio = msgspec.structs.replace(audio, packets_received=received, received_streams=streams)
    return msgspec.structs.replace(sample, audio=audio)


def test_late_duplicates_count_no_loss_below_zero() -> None:
    samples = Series().run(20, loss=10).samples
    audio = samples[15].audio
    assert audio is not None
    late = msgspec.structs.replace(audio, packets_lost=(audio.packets_lost or 0) - 40)
    samples[15] = msgspec.structs.replace(samples[15], audio=late)
    assert (of(analysed(samples, end=20)).avg_packet_loss or 0) >= 0


def test_a_gap_is_covered_by_nothing() -> None:
    made = Series().run(20, loss=0).pause(25).run(20, loss=0)
    ana = of(analysed(made.samples, end=65))
    assert ana.scored_seconds == pytest.approx(40, abs=1)
    slow = Series(every=20).run(60)
    assert of(analysed(slow.samples)).scored_seconds == 60
    slower = Series(every=31).run(62)
    assert of(analysed(slower.samples, end=62)).scored_seconds == 0


def test_a_gap_under_5_s_is_covered() -> None:
    made = Series().run(20).pause(3.5).run(20)
    ana = of(analysed(made.samples, end=43.5))
    assert ana.scored_seconds == pytest.approx(43.5)


def test_no_packet_at_all_scores_0() -> None:
    samples = Series().run(30).run(30, packets=0).samples
    found = analysed(samples)
    assert [window.score for window in found.windows[0].windows] == [100, 100, 100, 0, 0, 0]
    assert [one.type for one in found.network_issues if one.type == "media_gap"]


def test_the_terms_say_what_made_a_score() -> None:
    made = Series().run(10).run(10, fps=10).run(10, frozen=0.3).run(10, loss=20)
    windows = analysed(made.samples, end=40).windows[0].windows
    worst = [min(msgspec.to_builtins(w.terms), key=lambda k: getattr(w.terms, k)) for w in windows]
    assert worst[1:] == ["fps", "freeze", "net"]
    assert all(w.score == min(msgspec.to_builtins(w.terms).values()) for w in windows)


def test_an_expected_bitrate_is_judged_only_where_one_is_configured() -> None:
    samples = Series().run(30, video_bps=200_000).samples
    assert of(analysed(samples, end=30)).avg_quality == 100
    lines = Lines(expected_bitrate=1e6)
    found = analysed(samples, end=30, lines=lines)
    assert of(found).avg_quality == pytest.approx(100 - 20 * 1.609, abs=0.2)
    assert [(i.type, i.severity) for i in found.network_issues] == [("low_bitrate", "minor")]
    assert found.scorer_version != analysed([]).scorer_version


def test_windows_lie_beside_each_other_from_the_calls_start() -> None:
    samples = Series(ANA, start=3).run(30).samples + Series(BRUNO, start=8).run(30).samples
    starts = [[w.start for w in of.windows] for of in analysed(samples).windows]
    assert starts[0] == starts[1] == [at(0), at(10), at(20), at(30)]


def test_the_row() -> None:
    events = together(ANA, BRUNO, end=60)
    found = analysed(Series().run(60).samples, events)
    assert (found.call_session_id, found.id, found.peak_participants) == (CALL, "f" * 24, 2)
    assert found.total_data_sent == found.total_data_received > 0
    assert [entry.event for entry in found.event_timeline] == [e.type for e in events.all]
    assert found.expires_at is None  # the next sweep says when
    text = msgspec.json.encode(found)
    assert msgspec.json.decode(text, type=Analytics) == found
    told = msgspec.json.decode(text)
    assert {"qualityScore", "participantMetrics", "networkIssues", "eventTimeline"} <= set(told)
    assert {"participantId", "avgQuality", "issues"} <= set(told["participantMetrics"][0])
