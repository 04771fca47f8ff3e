"""Every number of the scorer, in one table. Change one and `version(lines)` changes with it.

Units: loss % of packets, jitter, RTT and delays ms, bitrate bit/s, durations s where a name ends
in `_s`.
"""

import hashlib

import msgspec

from callstore.calls.model import Row
from callstore.quality.model import IssueType

SCORER_VERSION = "1"


class Line(Row, frozen=True, kw_only=True):
    """The lines of one issue. A value passes a line when it lies beyond it, clear when it does
    not lie beyond `clear`; `below`: low values are the bad ones.
    """

    minor: float
    major: float
    critical: float
    clear: float
    below: bool = False
    of: int = 5  # an episode opens when `need` of the last `of` samples pass the minor line
    need: int = 3
    hold_s: float = 5  # and closes when `of` of `of` are clear and this long has gone by
    tail_s: float = 0  # how long a value goes on after its time


def _at_once(minor: float, major: float, critical: float, clear: float, tail_s: float = 0) -> Line:
    """An event: one value opens the episode, the next clear one closes it."""
    return Line(
        minor=minor,
        major=major,
        critical=critical,
        clear=clear,
        of=1,
        need=1,
        hold_s=0,
        tail_s=tail_s,
    )


class Lines(Row, frozen=True, kw_only=True):
    """The table. `Lines(bpl=10)` is a scorer for Opus without in-band FEC."""

    # Windows
    window_s: float = 10
    gap_s: float = 5  # no gap up to here
    gap_times: float = 2  # a gap: over this many times the usual spacing
    gap_always_s: float = 30
    trace_on_s: float = 30  # in a bare trace a kind stays on this long after its last packet

    # Terms of a window's score
    bpl: float = 20  # ITU-T G.107: robustness to loss; Opus with in-band FEC 20, without 10
    burst_r: float = 1  # ITU-T G.107: 1 = losses fall at random
    base_delay: float = 20  # ms of capture, coding and playing out, each way
    freeze_factor: float = 0.4  # what is left of the score at `freeze_share` frozen
    freeze_share: float = 0.3
    fps_slope: float = 47.5
    fps_percentile: float = 0.9  # of the participant's own windows: what is expected
    rate_slope: float = 20
    expected_bitrate: float | None = None  # of the video received; None: bitrate is not judged

    # Pooling
    pool_mean: float = 0.7  # the rest is the mean of the worst part
    pool_worst: float = 0.1  # of the weight
    enough_s: float = 10  # less than this scored: no score
    excellent: float = 86
    good: float = 75
    fair: float = 64
    poor: float = 54

    # Issues
    reopen_s: float = 15
    few_packets: int = 20  # expected in a sample: loss is judged from here on
    ramp_s: float = 30  # a sender's ramp-up is not a limit
    bitrate_floor: float = (
        100_000  # major below it, where at least `bitrate_floor_from` is expected
    )
    bitrate_floor_from: float = 300_000
    packet_loss: Line = Line(minor=2, major=5, critical=10, clear=1)
    rtt: Line = Line(minor=300, major=500, critical=800, clear=250)
    jitter: Line = Line(minor=30, major=50, critical=100, clear=20)
    # Shares of the expected bitrate.
    bitrate: Line = Line(minor=1 / 2.7, major=1 / 8, critical=1 / 20, clear=1 / 2, below=True)
    fps: Line = Line(minor=15, major=7, critical=5, clear=18, below=True)
    concealment: Line = Line(minor=3, major=5, critical=7, clear=1)  # % of samples, audible
    quality: Line = Line(minor=64, major=54, critical=40, clear=75, below=True)
    # How many times lower the height sent than the highest seen, while `bandwidth` limits it.
    limited: Line = Line(minor=0.5, major=2, critical=4, clear=0)
    # A window's level is found by three measures: the mean freeze (ms) is minor, the share frozen
    # (%) major, the longest gap between frames (ms) critical; clear by the share.
    freeze: Line = _at_once(minor=1_000, major=30, critical=5_000, clear=5, tail_s=10)
    # ms without bytes, and without a connection: a line is passed where it is reached.
    media_gap: Line = _at_once(minor=5_000, major=15_000, critical=30_000, clear=0)
    reconnection: Line = _at_once(minor=0, major=5_000, critical=30_001, clear=0)
    unstable: tuple[tuple[int, float], ...] = ((2, 30), (3, 30), (5, 60))  # drops in s, by level
    unstable_quiet_s: float = 30

    def of_type(self, type: IssueType) -> Line:
        line: Line = getattr(self, _FIELDS[type])
        return line


_FIELDS: dict[IssueType, str] = {
    "high_packet_loss": "packet_loss",
    "high_rtt": "rtt",
    "high_jitter": "jitter",
    "low_bitrate": "bitrate",
    "video_freeze": "freeze",
    "low_fps": "fps",
    "audio_concealment": "concealment",
    "low_quality": "quality",
    "bandwidth_limited": "limited",
    "media_gap": "media_gap",
    "reconnection": "reconnection",
}

LINES = Lines()


def version(lines: Lines) -> str:
    """Of the scorer with these lines: SCORER_VERSION, and a short hash where they are changed."""
    if lines == LINES:
        return SCORER_VERSION
    return (
        f"{SCORER_VERSION}+{hashlib.blake2s(msgspec.json.encode(lines), digest_size=4).hexdigest()}"
    )
