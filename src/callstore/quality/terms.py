"""What a stretch of media is worth: the weakest link of what is known of it."""

from callstore.calls.model import QualityMetrics
from callstore.quality import score
from callstore.quality.lines import LINES, Lines
from callstore.quality.model import Reading
from callstore.quality.windows import Flow, between, to_ms


def speaking(audio: Flow | None, video: Flow | None) -> Flow | None:
    """The kind whose loss, jitter and delay are the participant's: audio where it is received."""
    if audio is not None and audio.expected:
        return audio
    return video if video is not None and video.expected else audio or video


def silent(audio: Flow | None, video: Flow | None) -> bool:
    """Whether it is known that no packet of the kinds that are on came."""
    known = [flow.received for flow in (audio, video) if flow is not None]
    return any(n is not None for n in known) and not any(known)


def network(
    audio: Flow | None, video: Flow | None, rtt: float | None, lines: Lines = LINES
) -> float | None:
    """S_net, 0 where no packet came."""
    if silent(audio, video):
        return 0.0
    flow = speaking(audio, video)
    if flow is None:
        return score.net(None, rtt, lines=lines)
    return score.net(flow.loss, rtt, flow.delay, flow.jitter, lines)


def freezing(video: Flow | None, lines: Lines = LINES) -> float | None:
    return score.freeze(video.frozen_share, lines) if video is not None else None


def rate(video: Flow | None, lines: Lines = LINES) -> float | None:
    if video is None or lines.expected_bitrate is None:
        return None
    return score.rate(lines.expected_bitrate, video.bitrate, lines)


def metrics_between(before: Reading, now: Reading) -> QualityMetrics:
    """A participant's four live numbers, from two readings in order of time."""
    step = between(to_ms(before.at), before, to_ms(now.at), now)
    flow = speaking(step.audio, step.video)
    rates = [kind.bitrate for kind in (step.audio, step.video) if kind is not None]
    known = [rate for rate in rates if rate is not None]
    return QualityMetrics(
        packet_loss=flow.loss if flow else None,
        jitter=flow.jitter if flow else None,
        rtt=step.rtt,
        bitrate=sum(known) if known else None,
    )
