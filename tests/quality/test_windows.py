"""What lies between two samples."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.quality.builders import T0, at

from callstore.quality.model import KindStats, Reading
from callstore.quality.windows import (
    Flow,
    Step,
    between,
    cuts,
    in_order,
    is_gap,
    to_ms,
    usual_spacing,
)

COUNT = st.floats(0, 1e6)


def step(before: Reading, now: Reading, seconds: float = 10) -> Step:
    return between(0, before, seconds * 1000, now)


def audio(before: dict[str, Any], now: dict[str, Any]) -> Flow:
    streams = {"received_streams": ("one",), "sent_streams": ("two",)}
    first, then = (Reading(at=T0, audio=KindStats(**(streams | told))) for told in (before, now))
    found = step(first, then).audio
    assert found is not None
    return found


def test_deltas_and_what_they_make() -> None:
    flow = audio(
        {
            "packets_received": 100,
            "packets_lost": 10,
            "packets_discarded": 1,
            "bytes_received": 1_000,
            "header_bytes_received": 500,
            "jitter_buffer_delay": 1_000,
            "jitter_buffer_emitted_count": 100,
            "concealed_samples": 100,
            "silent_concealed_samples": 50,
            "total_samples_received": 10_000,
        },
        {
            "packets_received": 190,
            "packets_lost": 16,
            "packets_discarded": 5,
            "bytes_received": 11_000,
            "header_bytes_received": 3_000,
            "jitter_buffer_delay": 9_000,
            "jitter_buffer_emitted_count": 200,
            "concealed_samples": 400,
            "silent_concealed_samples": 150,
            "total_samples_received": 20_000,
        },
    )
    assert flow.loss == 10  # (6 lost + 4 discarded) of 100
    assert flow.bitrate == 10_000
    assert flow.delay == 80
    assert flow.concealment == 2


def test_what_is_not_told_is_not_known() -> None:
    flow = audio({"packets_received": 5}, {"packets_received": 9, "packets_lost": 3})
    assert (flow.received, flow.lost, flow.loss, flow.bitrate) == (4, None, None, None)
    assert (flow.delay, flow.jitter, flow.fps, flow.concealment) == (None,) * 4


def test_a_negative_loss_is_none_lost_and_a_fall_is_a_restart() -> None:
    late = {"packets_received": 10, "packets_lost": 9}, {"packets_received": 20, "packets_lost": 4}
    assert audio(*late).lost == 0
    again = {"packets_received": 90, "packets_lost": 9}, {"packets_received": 20, "packets_lost": 4}
    assert (audio(*again).received, audio(*again).lost) == (20, 4)


def test_other_streams_start_at_zero_and_a_stream_gone_cannot_be_told() -> None:
    before: dict[str, Any] = {"packets_received": 50, "received_streams": ("one", "two")}
    new = audio(before, {"packets_received": 70, "received_streams": ("three",)})
    more = audio(before, {"packets_received": 70, "received_streams": ("one", "three", "two")})
    assert (new.received, more.received) == (70, 20)
    first = Reading(at=T0, audio=KindStats(**before))
    gone = KindStats(packets_received=70, received_streams=("one",))
    assert step(first, Reading(at=T0, audio=gone)).audio is None


def test_freezes_are_of_a_stream_on_average() -> None:
    streams = ("a", "b")
    before = {"total_freezes_duration": 0, "received_streams": streams}
    now = {"total_freezes_duration": 5_000, "received_streams": streams}
    assert audio(before, now).frozen_share == 0.25
    assert audio(before, now | {"total_freezes_duration": 90_000}).frozen_share == 1


RTT: dict[str, Any] = {"total_round_trip_time": 1_000, "round_trip_time_measurements": 10}
LATER: dict[str, Any] = {"total_round_trip_time": 1_400, "round_trip_time_measurements": 12}


def test_the_best_known_round_trip_time() -> None:
    def rtt(before: dict[str, Any], now: dict[str, Any], **pair: Any) -> float | None:
        first = Reading(at=T0, audio=KindStats(**before), pair="p", **RTT)
        return step(first, Reading(at=at(10), audio=KindStats(**now), pair="p", **pair)).rtt

    assert rtt(RTT, LATER | {"round_trip_time": 90}) == 200
    assert rtt(RTT, RTT | {"round_trip_time": 90}) == 90
    assert rtt({}, {"round_trip_time": 90}, **LATER) == 90
    assert rtt({}, {}, round_trip_time=70, **LATER) == 200
    assert rtt({}, {}, round_trip_time=70, **RTT) == 70
    assert rtt({}, {}) is None


def test_another_pair_has_measured_nothing_in_common() -> None:
    before = Reading(at=T0, pair="old", **RTT)
    assert step(before, Reading(at=T0, pair="new", round_trip_time=30, **LATER)).rtt == 30


def test_bytes_sent_are_counted_from_zero_by_a_new_stream() -> None:
    def sent(before: KindStats | None, now: KindStats | None) -> int:
        return step(Reading(at=T0, audio=before), Reading(at=T0, audio=now)).sent

    old = KindStats(bytes_sent=500, sent_streams=("a",))
    assert sent(old, KindStats(bytes_sent=800, sent_streams=("a",))) == 300
    assert sent(old, KindStats(bytes_sent=800, sent_streams=("b",))) == 800
    assert sent(old, KindStats(bytes_sent=200, sent_streams=("a",))) == 200
    assert sent(None, KindStats(bytes_sent=200, sent_streams=("a",))) == 200
    assert sent(old, None) == sent(old, KindStats()) == 0


@given(st.floats(0, 1e5), st.floats(0, 1e5), st.sampled_from([0.0, 3_333.0]))
def test_a_stretch_is_cut_without_a_rest(start: float, length: float, origin: float) -> None:
    parts = list(cuts(start, start + length, origin, 10_000))
    assert sum(part for _, part in parts) == pytest.approx(length, abs=1e-6)
    assert [n for n, _ in parts] == sorted({n for n, _ in parts})
    assert all(0 < part <= 10_000 for _, part in parts)


@given(COUNT, COUNT, st.floats(0.01, 0.99))
def test_shares_of_a_flow_add_up_to_it(received: float, lost: float, share: float) -> None:
    whole = Flow(seconds=10, received=received, lost=lost, jitter_s=50, jitter_known=10)
    total = whole.add_to(whole.add_to(None, share), 1 - share)
    assert total.received == pytest.approx(received)
    assert total.jitter == pytest.approx(5)
    assert total.frames is None


@pytest.mark.parametrize(
    ("spacing", "usual", "gap"),
    [
        (4.9, 1, False),
        (5, 1, True),
        (5, 3, False),
        (8, 4, False),
        (8.1, 4, True),
        (30, 20, False),
        (30.1, 30, True),
    ],
)
def test_gaps(spacing: float, usual: float, gap: bool) -> None:
    assert is_gap(spacing * 1000, usual * 1000) == gap


def test_the_usual_spacing_is_not_moved_by_a_few() -> None:
    assert usual_spacing([0, 1, 2, 3, 40, 41]) == 1
    assert usual_spacing([5]) == 0


def test_of_two_at_one_time_the_same_is_kept_however_they_came() -> None:
    one, other = Reading(at=T0, round_trip_time=1), Reading(at=T0, round_trip_time=2)
    assert in_order([one, other]) == in_order([other, one]) == [(to_ms(T0), one)]
