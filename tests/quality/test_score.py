"""The terms of a score and the pooling: the check list, and the laws that hold everywhere."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callstore.quality import score
from callstore.quality.lines import LINES, SCORER_VERSION, Lines, version

LOSS = st.floats(0, 100)
DELAY = st.floats(0, 100_000)
RATE = st.floats(0, 1e9)
WEIGHTED = st.lists(st.tuples(st.floats(0, 100), st.floats(0.001, 1e5)), min_size=1)

CHECKS = [
    (0, 5, 30, 100),
    (0.5, 10, 60, 97.5),
    (1, 15, 80, 95.1),
    (2, 20, 120, 90.7),
    (3, 30, 150, 86.4),
    (5, 30, 250, 75.8),
    (5, 40, 300, 70.0),
    (10, 50, 400, 47.9),
    (20, 60, 500, 24.1),
    (0, 0, 500, 87.8),
    (0, 0, 800, 72.6),
]


@pytest.mark.parametrize(("loss", "jitter", "rtt", "expected"), CHECKS)
def test_the_check_list(loss: float, jitter: float, rtt: float, expected: float) -> None:
    assert score.net(loss, rtt, jitter=jitter) == pytest.approx(expected, abs=0.051)


def test_a_clean_line_is_exactly_100() -> None:
    assert score.net(0, 0, jitter=0) == 100
    assert score.net(0, 100, 30) == 100


@given(LOSS, DELAY, DELAY, DELAY, st.data())
def test_never_up_with_loss_rtt_or_jitter(
    loss: float, rtt: float, delay: float, jitter: float, data: st.DataObject
) -> None:
    before = score.net(loss, rtt, jitter=jitter)
    assert before is not None
    assert 0 <= before <= 100
    worse = data.draw(st.floats(loss, 100)), data.draw(st.floats(rtt, 1e6))
    after = score.net(*worse, jitter=data.draw(st.floats(jitter, 1e6)))
    assert after is not None
    assert after <= before + 1e-9
    known = score.net(loss, rtt, delay, jitter)
    assert known is not None
    assert score.net(loss, rtt, delay, jitter + 1) == known


def test_the_extremes_keep_their_order() -> None:
    worth = [score.net(0, rtt, jitter=0) for rtt in (0, 500, 2_000, 10_000, 1e9)]
    assert worth == sorted(worth, reverse=True)  # type: ignore[type-var]
    assert score.net(100, 10_000, jitter=10_000) == 0


@given(st.floats(0, 1), st.floats(0, 1))
def test_never_up_with_freezes(less: float, more: float) -> None:
    less, more = sorted((less, more))
    low, high = score.freeze(more), score.freeze(less)
    assert low is not None
    assert high is not None
    assert 0 <= low <= high <= 100


@given(RATE, RATE, RATE)
def test_never_down_with_bitrate_or_fps(expected: float, less: float, more: float) -> None:
    less, more = sorted((less, more))
    for term in (score.fps, score.rate):
        low, high = term(expected, less), term(expected, more)
        if not expected:
            assert low is None
            assert high is None
        else:
            assert low is not None
            assert high is not None
            assert 0 <= low <= high <= 100


def test_no_frame_is_worth_nothing_and_the_expected_ones_everything() -> None:
    assert score.fps(30, 0) == 0
    assert score.fps(30, 30) == 100
    assert score.fps(30, 15) == pytest.approx(100 - 47.5 * 0.6931, abs=0.01)
    assert score.rate(1e6, 5e5) == pytest.approx(100 - 20 * 0.6931, abs=0.01)
    assert score.freeze(0.3) == pytest.approx(40)


def test_all_missing_is_none() -> None:
    assert score.net(None, None) is None
    assert score.freeze(None) is None
    assert score.fps(None, 30) is None
    assert score.fps(30, None) is None
    assert score.weakest(None, None) is None
    assert score.pool([]) is None
    assert score.pool([(50, 0)]) is None
    assert score.label(None) is None
    assert score.percentile([], 0.9) is None


def test_what_is_known_is_scored() -> None:
    assert score.net(None, 800) == pytest.approx(72.6, abs=0.05)
    assert score.net(5, None) == score.net(5, 0)
    assert score.weakest(None, 70, 80) == 70


@given(WEIGHTED)
def test_pool_lies_between_the_minimum_and_the_mean(items: list[tuple[float, float]]) -> None:
    pooled = score.pool(items)
    assert pooled is not None
    assert min(value for value, _ in items) <= pooled <= score.mean(items)


@given(st.floats(0, 100), st.lists(st.floats(0.001, 1e5), min_size=1))
def test_a_constant_pools_to_its_value(value: float, weights: list[float]) -> None:
    assert score.pool([(value, weight) for weight in weights]) == value


@given(WEIGHTED, st.data())
def test_a_worse_part_never_raises_the_pool(
    items: list[tuple[float, float]], data: st.DataObject
) -> None:
    n = data.draw(st.integers(0, len(items) - 1))
    worse = list(items)
    worse[n] = (data.draw(st.floats(0, items[n][0])), items[n][1])
    after, before = score.pool(worse), score.pool(items)
    assert after is not None
    assert before is not None
    assert after <= before + 1e-9


@given(WEIGHTED, st.randoms(use_true_random=False), st.floats(0, 1))
def test_pool_knows_no_order_and_no_cuts(
    items: list[tuple[float, float]], random: st.DataObject, share: float
) -> None:
    (value, weight), *rest = items
    cut = [(value, weight * share), *rest, (value, weight * (1 - share))]
    random.shuffle(cut)  # type: ignore[attr-defined]
    assert score.pool(cut) == pytest.approx(score.pool(items))


def test_the_worst_tenth_counts_in_part() -> None:
    assert score.pool([(0, 5), (100, 95)]) == pytest.approx(0.7 * 95 + 0.3 * 50)
    assert score.pool([(0, 20), (100, 80)]) == pytest.approx(0.7 * 80)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (100, "excellent"),
        (86, "excellent"),
        (85.9, "good"),
        (75, "good"),
        (64, "fair"),
        (63.9, "poor"),
        (54, "poor"),
        (53.9, "bad"),
        (0, "bad"),
    ],
)
def test_labels(value: float, expected: str) -> None:
    assert score.label(value) == expected


def test_a_changed_line_changes_the_version() -> None:
    assert version(LINES) == version(Lines()) == SCORER_VERSION
    assert version(Lines(bpl=10)) not in (SCORER_VERSION, version(Lines(bpl=11)))
    assert version(Lines(bpl=10)) == version(Lines(bpl=10))


def test_the_order_of_an_independent_scorer() -> None:
    """rtcscore's own scale differs; where it is to be trusted its order is ours."""
    text = Path(__file__).parent.joinpath("data/rtcscore_reference.csv").read_text()
    rows = [r for r in csv.DictReader(text.splitlines()) if r["rtcscore_trustworthy"] == "yes"]
    audio = [row for row in rows if row["kind"] == "audio" and row["bitrate_bps"] == "32000"]
    pairs = [(float(row["rtcscore_mos_1_5"]), _worth(row)) for row in audio]
    agreed = disagreed = 0
    for n, (theirs, ours) in enumerate(pairs):
        for other, worth in pairs[n + 1 :]:
            if abs(theirs - other) >= 0.1 and abs(ours - worth) >= 0.5:
                same = (theirs < other) == (ours < worth)
                agreed, disagreed = agreed + same, disagreed + (not same)
    assert len(pairs) > 20
    assert agreed > 0.95 * (agreed + disagreed), (agreed, disagreed)


def _worth(row: dict[str, str]) -> float:
    lines = Lines(bpl=20 if row["fec"] == "true" else 10)
    loss, rtt = float(row["packet_loss_pct"]), float(row["rtt_ms"])
    worth = score.net(loss, rtt, float(row["buffer_delay_ms"]), float(row["jitter_ms"]), lines)
    assert worth is not None
    return worth
