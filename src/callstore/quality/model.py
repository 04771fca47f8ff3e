"""What is kept of a call's quality: samples on the way in, an analysis at the end.

Units, everywhere: loss % of packets (0-100), jitter, RTT and delays ms, bitrate bit/s, sizes
bytes, times UTC. None is "not known", never 0.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from callstore.calls.model import Count, Row
from callstore.ids import Id

Kind = Literal["audio", "video"]
Severity = Literal["minor", "major", "critical"]
QualityLabel = Literal["excellent", "good", "fair", "poor", "bad"]
LimitationReason = Literal["none", "cpu", "bandwidth", "other"]
IssueType = Literal[
    "high_packet_loss",
    "high_rtt",
    "high_jitter",
    "low_bitrate",
    "video_freeze",
    "low_fps",
    "audio_concealment",
    "low_quality",
    "bandwidth_limited",
    "media_gap",
    "reconnection",
    "unstable_connection",
]
Amount = Annotated[float, Meta(ge=0)]
Score = Annotated[float, Meta(ge=0, le=100)]


class KindStats(Row, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One kind of media in one report. Counters are cumulative and summed over the kind's streams,
    gauges are their mean, frame sizes the largest. The counters received come first, in the order
    that `windows.between` reads them in.
    """

    packets_received: Count | None = None
    packets_lost: Count | None = None
    packets_discarded: Count | None = None
    bytes_received: Count | None = None  # payload
    header_bytes_received: Count | None = None
    retransmitted_packets_received: Count | None = None
    jitter_buffer_delay: Amount | None = None  # ms, summed over what was emitted
    jitter_buffer_emitted_count: Count | None = None
    concealed_samples: Count | None = None
    silent_concealed_samples: Count | None = None
    total_samples_received: Count | None = None
    frames_decoded: Count | None = None
    frames_dropped: Count | None = None
    freeze_count: Count | None = None
    total_freezes_duration: Amount | None = None  # ms
    packets_sent: Count | None = None
    bytes_sent: Count | None = None  # payload
    total_round_trip_time: Amount | None = None  # ms, from remote-inbound
    round_trip_time_measurements: Count | None = None

    jitter: Amount | None = None
    frames_per_second: Amount | None = None  # of the streams that run
    round_trip_time: Amount | None = None  # from remote-inbound
    frame_width: Count | None = None  # received
    frame_height: Count | None = None
    frame_width_sent: Count | None = None
    frame_height_sent: Count | None = None
    quality_limitation_reason: LimitationReason | None = None  # the worst of the layers sent
    received_streams: tuple[str, ...] = ()  # hashed ids, sorted
    sent_streams: tuple[str, ...] = ()


class Reading(Row, frozen=True, kw_only=True, gc=False):
    """What is kept of one getStats() report. The fields beside the kinds are the selected
    candidate pair's.
    """

    at: datetime
    audio: KindStats | None = None
    video: KindStats | None = None
    pair: str | None = None  # hashed id
    round_trip_time: Amount | None = None
    total_round_trip_time: Amount | None = None
    round_trip_time_measurements: Count | None = None  # its responsesReceived
    available_outgoing_bitrate: Amount | None = None


class Sample(Reading, frozen=True, kw_only=True, gc=False):
    """A CallQualitySample row."""

    id: Id
    conversation_id: Id
    call_session_id: Id
    participant_id: Id
    analysed: bool = False  # an analysis of the ended call has seen it
    expires_at: datetime | None = None


class Issue(Row, frozen=True, kw_only=True):
    """An episode. `worst` is in the issue's own unit: % of packets, samples or the window frozen,
    ms (RTT, jitter, time without media or connection), bit/s, frames/s, a score, how many times
    lower than the highest seen (bandwidth_limited), drops in a minute (unstable_connection).
    An adopted call's has neither: None, and no samples.
    """

    timestamp: datetime  # the first sample over the line
    ended_at: datetime | None  # the first clear one; the last sample, where none came
    type: IssueType
    severity: Severity
    participant_id: str
    worst: float | None
    samples: int  # over the minor line


class Terms(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What a window's score is the least of."""

    net: Score | None = None
    freeze: Score | None = None
    fps: Score | None = None
    rate: Score | None = None


class KindWindow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """One kind of media in one window."""

    packet_loss: float | None = None
    jitter: float | None = None
    delay: float | None = None  # in the jitter buffer
    bitrate: float | None = None  # received, payload and headers
    concealed: float | None = None  # % of the samples, audibly
    fps: float | None = None
    frozen: float | None = None  # % of the time


class Window(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A participant's stretch of `window_s`. Loss, jitter and delay are of the kind that speaks."""

    start: datetime
    seconds: float  # scored
    score: Score | None = None
    terms: Terms = Terms()
    away: float = 0  # seconds of them without a connection, scored 0
    packet_loss: float | None = None
    jitter: float | None = None
    rtt: float | None = None
    delay: float | None = None
    bitrate: float | None = None
    audio: KindWindow | None = None
    video: KindWindow | None = None


class KindMetrics(Row, frozen=True, kw_only=True, omit_defaults=True):
    """One kind of media as a participant received it over the call."""

    avg_packet_loss: float | None = None
    avg_jitter: float | None = None
    avg_delay: float | None = None
    avg_bitrate: float | None = None
    avg_fps: float | None = None
    concealed: float | None = None  # % of the samples, audibly
    frozen: float | None = None  # % of the time


class ParticipantMetrics(Row, frozen=True, kw_only=True):
    """What a participant received. avg_* as the document names them."""

    participant_id: str
    avg_quality: Score | None
    label: QualityLabel | None
    avg_packet_loss: float | None
    avg_jitter: float | None
    avg_rtt: float | None
    avg_bitrate: float | None
    audio: KindMetrics | None
    video: KindMetrics | None
    data_sent: Count  # bytes of payload
    data_received: Count
    samples: int
    scored_seconds: float
    issues: list[Issue]


class CallMetrics(Row, frozen=True, kw_only=True):
    """A call's averages: of its participants', weighted by the seconds scored."""

    avg_packet_loss: float | None
    avg_jitter: float | None
    avg_rtt: float | None
    avg_bitrate: float | None


class TimelineEntry(Row, frozen=True, kw_only=True):
    timestamp: datetime
    event: str
    participant_id: Id | None


class ParticipantWindows(Row, frozen=True, kw_only=True):
    participant_id: str
    width: float  # seconds of each window
    windows: list[Window]


class Analytics(Row, frozen=True, kw_only=True):
    """A CallAnalytics row: the analysis of one call."""

    id: Id
    conversation_id: Id
    call_session_id: Id
    quality_score: Score | None
    quality_metrics: CallMetrics | None
    participant_metrics: list[ParticipantMetrics]
    network_issues: list[Issue]
    event_timeline: list[TimelineEntry]
    total_data_sent: Count
    total_data_received: Count
    peak_participants: Count
    mode_switch_count: Count
    analyzed_at: datetime
    created_at: datetime
    updated_at: datetime
    scorer_version: str
    windows: list[ParticipantWindows]
    expires_at: datetime | None = None


class TraceParticipant(Row, frozen=True, kw_only=True):
    """A peer of a bare trace."""

    peer: str
    avg_quality: Score | None
    label: QualityLabel | None
    avg_packet_loss: float | None
    avg_jitter: float | None
    avg_rtt: float | None
    avg_bitrate: float | None
    audio: KindMetrics | None
    video: KindMetrics | None
    samples: int
    scored_seconds: float
    issues: list[Issue]
    windows: list[Window]


class TraceScore(Row, frozen=True, kw_only=True):
    """What `callstore quality score` gives."""

    quality_score: Score | None
    label: QualityLabel | None
    participants: list[TraceParticipant]
    scorer_version: str
