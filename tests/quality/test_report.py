"""Reading a report: what is kept of it, and that whatever is wrong is named."""

import contextlib
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.quality.builders import T0, trace

from callstore.errors import Invalid
from callstore.quality.model import Reading
from callstore.quality.report import MAX_BYTES, read, sample_row
from callstore.quality.terms import metrics_between
from callstore.quality.trace import read_line

NOW_MS = T0.timestamp() * 1000
TRACES = ["good", "wifi", "mobile", "loss3", "congested", "spike", "audio_loss2"]


def entry(type: str, **fields: Any) -> dict[str, Any]:
    return {"type": type, "id": type, "timestamp": NOW_MS, **fields}


def inbound(**fields: Any) -> dict[str, Any]:
    return entry("inbound-rtp", **{"kind": "audio", **fields})


def refused(report: object, **more: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        read(report, now=T0, **more)
    return dict(caught.value.errors)


def test_seconds_become_ms() -> None:
    reading = read(
        [
            inbound(jitter=0.012, jitterBufferDelay=3.5, totalFreezesDuration=0.25),
            entry("remote-inbound-rtp", kind="audio", roundTripTime=0.08, totalRoundTripTime=1.6),
            entry("candidate-pair", nominated=True, currentRoundTripTime=0.09),
        ],
        now=T0,
    )
    assert reading.audio is not None
    assert reading.audio.jitter == 12
    assert reading.audio.jitter_buffer_delay == 3500
    assert reading.audio.total_freezes_duration == 250
    assert reading.audio.round_trip_time == 80
    assert reading.audio.total_round_trip_time == 1600
    assert reading.round_trip_time == 90


def test_streams_of_a_kind_are_summed_and_gauges_averaged() -> None:
    reading = read(
        [
            inbound(id="one", packetsReceived=100, jitter=0.01, kind="video", framesPerSecond=30),
            inbound(id="two", packetsReceived=50, jitter=0.03, kind="video", framesPerSecond=0),
            entry("outbound-rtp", id="low", kind="video", frameHeight=180, bytesSent=5),
            entry(
                "outbound-rtp",
                id="high",
                kind="video",
                frameHeight=720,
                bytesSent=7,
                qualityLimitationReason="bandwidth",
            ),
        ],
        now=T0,
    )
    video = reading.video
    assert video is not None
    assert (video.packets_received, video.jitter, video.bytes_sent) == (150, 20, 12)
    assert video.frames_per_second == 30  # a stream off the screen has no frames
    assert (video.frame_height_sent, video.quality_limitation_reason) == (720, "bandwidth")
    assert len(video.received_streams) == len(video.sent_streams) == 2
    assert reading.audio is None


def test_missing_is_none_never_0() -> None:
    reading = read([inbound()], now=T0)
    assert reading.audio is not None
    told = msgspec.to_builtins(reading.audio)
    assert set(told) == {"receivedStreams"}
    assert read([entry("codec")], now=T0) == Reading(at=T0)


def test_the_time_is_that_of_the_latest_entry() -> None:
    late = entry("codec", timestamp=NOW_MS + 1_500.75)
    early = T0 - timedelta(minutes=1)
    assert read([inbound(), late], now=T0, at=early).at == T0 + timedelta(milliseconds=1_500)
    assert read([{"type": "codec"}], now=T0, at=early).at == early


def test_the_transport_says_which_pair_is_used() -> None:
    reading = read(
        [
            entry("candidate-pair", id="old", nominated=True, currentRoundTripTime=0.5),
            entry("candidate-pair", id="new", nominated=True, currentRoundTripTime=0.1),
            entry("transport", selectedCandidatePairId="new"),
        ],
        now=T0,
    )
    assert reading.round_trip_time == 100


@pytest.mark.parametrize("name", TRACES)
def test_real_reports_are_read_and_nothing_else_is_kept(name: str) -> None:
    for line in trace(name):
        peer, reading = read_line(line)
        assert peer in "ab"
        assert reading.audio is not None
        assert reading.audio.packets_received is not None
        kept = msgspec.json.encode(reading).decode()
        for told in ("127.0.0.1", "192.0.2.2", "fd00::2", "fingerprint", "MIIB", "IT01", "opus"):
            assert told not in kept


def test_json_text_bytes_and_lists_are_read_alike() -> None:
    report = msgspec.json.decode(trace("wifi")[20])["report"]
    text = json.dumps(report)
    now = read_line(trace("wifi")[20])[1].at
    assert read(text, now=now) == read(text.encode(), now=now) == read(report, now=now)


def test_a_row_is_the_reading_with_ids() -> None:
    reading = read([inbound(packetsReceived=4)], now=T0)
    ids = {
        "id": "1" * 24,
        "conversation_id": "2" * 24,
        "call_session_id": "3" * 24,
        "participant_id": "4" * 24,
    }
    row = sample_row(reading, **ids)
    assert row.audio == reading.audio
    assert row.at == T0
    assert msgspec.convert(msgspec.to_builtins(row), type(row)) == row


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("jitter", -0.1),
        ("packetsReceived", -1),
        ("packetsLost", -1),
        ("jitter", math.nan),
        ("jitter", math.inf),
        ("jitter", -math.inf),
        ("packetsReceived", 2**53),
        ("packetsReceived", 10**400),
        ("packetsReceived", 1.5),
        ("packetsReceived", "many"),
        ("jitter", True),
        ("jitter", []),
        ("jitter", {}),
        ("timestamp", "now"),
        ("timestamp", math.nan),
        ("kind", 3),
        ("id", None),
    ],
)
def test_each_wrong_field_is_named(field: str, value: object) -> None:
    report = [entry("codec"), inbound(**{field: value})]
    assert set(refused(report)) == {f"/report/1/{field}"}
    text = json.dumps(report)
    if "1000000000" not in text:
        assert set(refused(text)) == set(refused(text.encode())) == {f"/report/1/{field}"}


def test_all_wrong_fields_are_named_at_once() -> None:
    report = [inbound(jitter=-1, packetsLost="x"), 7, {"id": "no type"}, entry("transport", id=1)]
    assert set(refused(report)) == {
        "/report/0/jitter",
        "/report/0/packetsLost",
        "/report/1",
        "/report/2/type",
        "/report/3/id",
    }


def test_what_nobody_reads_may_be_anything() -> None:
    odd = entry("codec", jitter="x", packetsReceived=-1)
    strange = inbound(fractal={"deep": [math.nan]}, packetsReceived=5, hugeField=10**400)
    reading = read([odd, entry("brand-new"), strange], now=T0)
    assert reading.audio is not None
    assert reading.audio.packets_received == 5


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"{}",
        "{}",
        b"null",
        b"[",
        b"\xff\xfe",
        "[\ud800]",
        '[{"type":"\ud800"}]',
        b"[" * 50_000,
        b'[{"type":"codec","x":' + b"[" * 50_000,
        b" " * (MAX_BYTES + 1),
        None,
        3,
        {},
        [{}] * 10_001,
        b"[" + b"9" * 5_000 + b"]",
        "[]",
        [],
    ],
)
def test_what_is_no_report_is_refused(report: object) -> None:
    assert all(pointer.startswith("/report") for pointer in refused(report))


def test_lone_surrogates_do_no_harm() -> None:
    reading = read([inbound(id="\ud800", packetsReceived=1)], now=T0)
    assert reading.audio is not None
    assert len(reading.audio.received_streams[0]) == 8


@pytest.mark.parametrize("minutes", [-6, 6, 60 * 24 * 365 * 200])
def test_a_time_far_from_the_servers_is_refused(minutes: int) -> None:
    stamp = NOW_MS + minutes * 60_000
    assert set(refused([inbound(timestamp=stamp)])) == {"/report/0/timestamp"}
    at = T0 + timedelta(minutes=minutes)
    assert set(refused([{"type": "codec"}], at=at)) == {"/at"}


def test_the_wrong_time_is_named() -> None:
    late = entry("codec", timestamp=NOW_MS + 300_001)
    assert set(refused([inbound(), late])) == {"/report/1/timestamp"}
    assert set(refused([inbound(timestamp=NOW_MS - 300_001)])) == {"/report/0/timestamp"}
    assert set(refused([{"type": "codec"}])) == {"/report"}
    naive = datetime(2026, 11, 23, 8)  # noqa: DTZ001
    assert set(refused([{"type": "codec"}], at=naive)) == {"/at"}


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "type",
        "id",
        "timestamp",
        "kind",
        "jitter",
        "packetsReceived",
        "packetsLost",
        "nominated",
        "qualityLimitationReason",
        "selectedCandidatePairId",
        "frameHeight",
        "totalRoundTripTime",
    ]
)
TYPES = st.sampled_from(["inbound-rtp", "outbound-rtp", "candidate-pair", "transport", "codec"])
ENTRY = st.builds(
    lambda type, fields: {"type": type, "timestamp": NOW_MS} | fields,
    TYPES,
    st.dictionaries(FIELDS, JSON, max_size=4),
)


@given(JSON | st.lists(ENTRY | JSON, max_size=4) | st.binary() | st.text())
def test_whatever_comes_is_read_or_refused(report: object) -> None:
    for told in (report, _text(report)):
        with contextlib.suppress(Invalid):
            msgspec.json.encode(read(told, now=T0))


def _text(report: object) -> object:
    try:
        return json.dumps(report)
    except TypeError:
        return report


def test_live_metrics_are_those_between_two_readings() -> None:
    peers = [read_line(line) for line in trace("mobile")]
    readings = [reading for peer, reading in peers if peer == "a"]
    metrics = metrics_between(readings[10], readings[20])
    assert metrics.packet_loss is not None
    assert 0 < metrics.packet_loss < 3
    assert metrics.rtt is not None
    assert 120 < metrics.rtt < 200
    assert metrics.jitter is not None
    assert 5 < metrics.jitter < 15
    assert metrics.bitrate is not None
    assert 1e6 < metrics.bitrate < 2e6
    empty = metrics_between(Reading(at=T0), Reading(at=datetime(2026, 11, 23, 9, tzinfo=UTC)))
    assert msgspec.to_builtins(empty) == dict.fromkeys(["packetLoss", "jitter", "rtt", "bitrate"])


def test_counters_that_do_not_fit_in_64_bits_together_are_refused() -> None:
    entry = {"type": "inbound-rtp", "kind": "audio", "packetsReceived": 2**53 - 1}
    with pytest.raises(Invalid, match="64 bits"):
        read([entry] * 1100, now=T0, at=T0)
