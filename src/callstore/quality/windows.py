"""From samples to what happened between them, and from there to windows.

A `Flow` is what one kind of media did in a stretch of time. Flows add up: a window's is the sum of
its parts, a call's the sum of its windows, and cutting a stretch in two changes no sum.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from callstore.quality.lines import LINES, Lines
from callstore.quality.model import KindStats, Reading

_INBOUND = slice(0, 15)  # the counters received, of KindStats


class Flow(Struct, gc=False):
    """Sums over a stretch; None is "not known". What is `known` of a gauge is in seconds."""

    seconds: float = 0.0
    received: float | None = None  # packets, retransmissions taken off
    lost: float | None = None  # packets, discarded ones too
    bytes: float | None = None  # payload and headers
    buffered: float | None = None  # ms in the jitter buffer, over `emitted`
    emitted: float | None = None
    concealed: float | None = None  # samples, audibly, of `samples`
    samples: float | None = None
    frames: float | None = None
    freezes: float | None = None
    frozen: float | None = None  # ms, the mean of the streams
    jitter_s: float | None = None  # ms * s
    jitter_known: float | None = None
    fps_s: float | None = None  # frames/s * s
    fps_known: float | None = None

    def add_to(self, total: "Flow | None", share: float = 1.0) -> "Flow":
        """The total with a share of this."""
        sums: list[Any]
        if total is None:
            sums = [None if new is None else new * share for new in astuple(self)]
        else:
            sums = [
                old if new is None else new * share if old is None else old + new * share
                for old, new in zip(astuple(total), astuple(self), strict=True)
            ]
        return Flow(*sums)

    @property
    def loss(self) -> float | None:
        """% of the packets expected."""
        if self.lost is None or self.received is None:
            return None
        share = _ratio(self.lost, self.lost + self.received)
        return None if share is None else 100 * share

    @property
    def expected(self) -> float:
        return (self.lost or 0.0) + (self.received or 0.0)

    @property
    def delay(self) -> float | None:
        """ms in the jitter buffer."""
        return _ratio(self.buffered, self.emitted)

    @property
    def jitter(self) -> float | None:
        return _ratio(self.jitter_s, self.jitter_known)

    @property
    def fps(self) -> float | None:
        return _ratio(self.fps_s, self.fps_known)

    @property
    def bitrate(self) -> float | None:
        return _ratio(self.bytes, self.seconds / 8)

    @property
    def concealment(self) -> float | None:
        """% of the samples."""
        share = _ratio(self.concealed, self.samples)
        return None if share is None else 100 * share

    @property
    def frozen_share(self) -> float | None:
        """0-1 of the time."""
        if self.frozen is None or not self.seconds:
            return None
        return min(self.frozen / 1000 / self.seconds, 1.0)


class Step(Struct, gc=False):
    """What lies between two samples of a participant, `start` to `end` in ms since 1970."""

    start: float
    end: float
    audio: Flow | None
    video: Flow | None
    rtt: float | None
    sent: int  # bytes of payload
    received: int
    now: Reading

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / 1000


def to_ms(at: datetime) -> int:
    """ms since 1970."""
    return round(at.timestamp() * 1000)


def in_order(samples: Sequence[Reading]) -> list[tuple[int, Reading]]:
    """By time, each time once. Of two that differ at one time it is not arrival that chooses."""
    timed = sorted([(to_ms(sample.at), sample) for sample in samples], key=lambda item: item[0])
    kept: list[tuple[int, Reading]] = []
    for at, sample in timed:
        if not kept or kept[-1][0] != at:
            kept.append((at, sample))
        elif _content(sample) < _content(kept[-1][1]):
            kept[-1] = (at, sample)
    return kept


def usual_spacing(times: Sequence[float]) -> float:
    """ms; the upper median."""
    spacings = sorted(b - a for a, b in pairwise(times))
    return spacings[len(spacings) // 2] if spacings else 0.0


def is_gap(spacing: float, usual: float, lines: Lines = LINES) -> bool:
    """Whether a spacing, in ms, is too long to be covered by the samples around it."""
    seconds = spacing / 1000
    if seconds > lines.gap_always_s:
        return True
    return seconds >= lines.gap_s and spacing > lines.gap_times * usual


def between(start: float, before: Reading, end: float, now: Reading) -> Step:
    """The step from one sample to the next, at ms since 1970."""
    seconds = (end - start) / 1000
    audio = _flow(before.audio, now.audio, seconds)
    video = _flow(before.video, now.video, seconds)
    return Step(
        start=start,
        end=end,
        audio=audio[0],
        video=video[0],
        rtt=_rtt(before, now),
        sent=_sent(before.audio, now.audio) + _sent(before.video, now.video),
        received=audio[1] + video[1],
        now=now,
    )


def cuts(start: float, end: float, origin: float, width: float) -> Iterator[tuple[int, float]]:
    """The windows of `width` ms from `origin` that a stretch lies in, with the ms in each."""
    index = int((start - origin) // width)
    while start < end:
        edge = min(end, origin + (index + 1) * width)
        if edge > start:
            yield index, edge - start
        start, index = edge, index + 1


def _ratio(sum: float | None, by: float | None) -> float | None:
    return sum / by if sum is not None and by else None


def _flow(
    before: KindStats | None, now: KindStats | None, seconds: float
) -> tuple[Flow | None, int]:
    """And the bytes of payload. None where it cannot be told: a stream has gone, and took its part
    of the sums with it.
    """
    if now is None:
        return None, 0
    deltas = _deltas(before, now)
    if deltas is None:
        return None, 0
    (
        packets, lost, discarded, payload, headers, again, buffered, emitted,
        concealed, silent, samples, frames, _dropped, freezes, frozen,
    ) = deltas  # fmt: skip
    streams = len(now.received_streams)
    return Flow(
        seconds=seconds,
        received=max(packets - (again or 0), 0) if packets is not None else None,
        lost=lost + (discarded or 0) if lost is not None else discarded,
        bytes=payload + (headers or 0) if payload is not None else None,
        buffered=buffered,
        emitted=emitted,
        concealed=max(concealed - (silent or 0), 0) if concealed is not None else None,
        samples=samples,
        frames=frames,
        freezes=freezes,
        frozen=frozen / streams if frozen is not None and streams > 1 else frozen,
        jitter_s=now.jitter * seconds if now.jitter is not None else None,
        jitter_known=seconds if now.jitter is not None else None,
        fps_s=now.frames_per_second * seconds if now.frames_per_second is not None else None,
        fps_known=seconds if now.frames_per_second is not None else None,
    ), int(payload or 0)


def _deltas(before: KindStats | None, now: KindStats) -> list[float | None] | None:
    counters = astuple(now)[_INBOUND]
    if before is None or _restarted(before, now):
        return list(counters)
    if before.received_streams != now.received_streams and not set(before.received_streams) <= set(
        now.received_streams
    ):
        return None
    return [
        None if new is None or old is None else new - old if new >= old else 0 if n == 1 else new
        for n, (new, old) in enumerate(zip(counters, astuple(before)[_INBOUND], strict=True))
    ]


def _restarted(before: KindStats, now: KindStats) -> bool:
    """Whether all counters began at zero since: other streams, or the packets fell."""
    if before.received_streams != now.received_streams:
        return not set(before.received_streams) & set(now.received_streams)
    old, new = before.packets_received, now.packets_received
    return old is not None and new is not None and new < old


def _sent(before: KindStats | None, now: KindStats | None) -> int:
    """Bytes of payload sent since."""
    if now is None or now.bytes_sent is None:
        return 0
    old = before.bytes_sent or 0 if before is not None and before.bytes_sent is not None else 0
    if before is not None and not set(before.sent_streams) & set(now.sent_streams):
        old = 0
    return now.bytes_sent - old if now.bytes_sent >= old else now.bytes_sent


def _rtt(before: Reading, now: Reading) -> float | None:
    """Audio's remote-inbound first, then video's, then the candidate pair's. In each the mean of
    what was measured since the last sample, else the latest.
    """
    rtt = _kind_rtt(before.audio, now.audio)
    if rtt is None:
        rtt = _kind_rtt(before.video, now.video)
    if rtt is None and before.pair == now.pair:
        rtt = _mean_rtt(before, now)
    return now.round_trip_time if rtt is None else rtt


def _kind_rtt(before: KindStats | None, now: KindStats | None) -> float | None:
    if now is None:
        return None
    rtt = None
    if before is not None and before.sent_streams == now.sent_streams:
        rtt = _mean_rtt(before, now)
    return now.round_trip_time if rtt is None else rtt


def _mean_rtt(before: KindStats | Reading, now: KindStats | Reading) -> float | None:
    times, total = now.round_trip_time_measurements, now.total_round_trip_time
    old_times, old_total = before.round_trip_time_measurements, before.total_round_trip_time
    if times is None or total is None or old_times is None or old_total is None:
        return None
    if times <= old_times or total < old_total:
        return None
    return (total - old_total) / (times - old_times)


def _content(sample: Reading) -> bytes:
    return msgspec.json.encode([getattr(sample, f) for f in Reading.__struct_fields__])
