"""Real reports of two browsers, against what the browsers themselves measured."""

import msgspec
import pytest
from tests.quality.builders import trace

from callstore.errors import Invalid
from callstore.quality.model import TraceParticipant, TraceScore
from callstore.quality.trace import score_trace

# What was measured at peer a: loss %, RTT ms, jitter ms; None where it is not told. RTT there is
# the candidate pair's, here the media's own: they differ by up to an eighth.
MEASURED = [
    ("good", 0, 35, 1),
    ("wifi", 0.6, 56, 5),
    ("mobile", 1.0, 161, 10),
    ("loss3", 2.3, 66, None),
    ("congested", 0, 108, 17),
    ("spike", 3.5, None, None),
    ("audio_loss2", 2.2, 46, None),
]


def scored(name: str) -> TraceScore:
    return score_trace(trace(name))


def peer_a(name: str) -> TraceParticipant:
    return scored(name).participants[0]


@pytest.mark.parametrize(("name", "loss", "rtt", "jitter"), MEASURED)
def test_what_the_browser_measured(
    name: str, loss: float, rtt: float | None, jitter: float | None
) -> None:
    peer = peer_a(name)
    assert peer.peer == "a"
    assert peer.avg_packet_loss == pytest.approx(loss, abs=0.06)
    if rtt is not None:
        assert peer.avg_rtt == pytest.approx(rtt, rel=0.13)
    if jitter is not None:
        assert peer.avg_jitter == pytest.approx(jitter, abs=0.7)


def test_the_picture_that_the_browser_measured() -> None:
    good, congested, spike = peer_a("good"), peer_a("congested"), peer_a("spike")
    assert good.video is not None
    assert congested.video is not None
    assert spike.video is not None
    assert good.video.avg_fps == pytest.approx(20, abs=0.2)
    assert good.video.frozen == 0
    assert congested.video.avg_bitrate == pytest.approx(328_000, rel=0.05)  # ours has the headers
    assert spike.video.frozen == pytest.approx(100 * 0.731 / 39, abs=0.05)
    assert peer_a("audio_loss2").video is None


def test_a_good_line_scores_best_and_a_lossy_one_worst() -> None:
    scores = {name: scored(name).quality_score or 0.0 for name, *_ in MEASURED}
    assert scores["good"] > 99.5
    assert sorted(scores, key=lambda name: scores[name])[:2] == ["spike", "loss3"]
    assert scores["wifi"] > scores["mobile"] > scores["loss3"]


def test_a_spike_is_found_where_it_was() -> None:
    result = scored("spike")
    for peer in result.participants:
        loss = [issue for issue in peer.issues if issue.type == "high_packet_loss"]
        assert [issue.severity for issue in loss] == ["critical"]
        start = peer.windows[0].start
        assert loss[0].ended_at is not None
        assert 14 < (loss[0].timestamp - start).total_seconds() < 20
        assert 23 < (loss[0].ended_at - start).total_seconds() < 29
        assert {issue.type for issue in peer.issues} == {
            "high_packet_loss",
            "audio_concealment",
            "low_quality",
        }


def test_nothing_is_found_on_a_good_line() -> None:
    assert [peer.issues for peer in scored("good").participants] == [[], []]


def test_the_answer_has_the_shape_of_the_interface() -> None:
    told = msgspec.json.decode(msgspec.json.encode(scored("spike")))
    assert {"qualityScore", "label", "participants"} <= set(told)
    peer = told["participants"][0]
    assert {"peer", "avgQuality", "label", "avgPacketLoss", "avgJitter"} <= set(peer)
    assert {"avgRtt", "avgBitrate", "issues"} <= set(peer)
    assert {"type", "severity", "timestamp", "endedAt", "worst"} <= set(peer["issues"][0])


def test_the_order_of_lines_does_not_matter() -> None:
    lines = trace("wifi")
    assert score_trace([*reversed(lines), *lines, b"", "\n"]) == scored("wifi")


def test_an_empty_trace_is_not_scored() -> None:
    assert score_trace([]).quality_score is None


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        (b"no json", "/0"),
        (b'{"t":1}', "/0"),
        (b'{"t":1e300,"peer":"a","report":[]}', "/0"),
        (b'{"t":"x","peer":"a","report":[]}', "/0"),
        (b'{"t":0,"peer":"a","report":{}}', "/0/report"),
        (b'{"t":1,"peer":"a","report":[{"type":"transport","id":1}]}', "/0/report/0/id"),
        ("\ud800", "/0"),
    ],
)
def test_a_wrong_line_is_named(line: bytes | str, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        score_trace([line])
    assert [where for where, _ in caught.value.errors] == [pointer]
