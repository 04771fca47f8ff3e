"""The terms of a score, and how scores are pooled. Every score is 0-100, 100 is flawless."""

import math
from collections.abc import Iterable

from callstore.quality.emodel import R_DEFAULT, idd, ie_eff
from callstore.quality.lines import LINES, Lines
from callstore.quality.model import QualityLabel


def net(
    loss: float | None,
    rtt: float | None,
    delay: float | None = None,
    jitter: float | None = None,
    lines: Lines = LINES,
) -> float | None:
    """S_net: loss % and ms of RTT and playout delay (else twice the jitter), by the E-model
    (ITU-T G.107). Of what is known; None when nothing is.
    """
    if loss is None and rtt is None and delay is None and jitter is None:
        return None
    if delay is None:
        delay = 2 * jitter if jitter is not None else 0.0
    r = R_DEFAULT - idd(lines.base_delay + (rtt or 0.0) / 2 + delay)
    if loss:
        r -= ie_eff(loss, bpl=lines.bpl, burst_r=lines.burst_r)
    return 100 * (min(max(r, 0.0), R_DEFAULT) / R_DEFAULT)


def freeze(share: float | None, lines: Lines = LINES) -> float | None:
    """S_freeze of the share (0-1) of the time the picture stood still."""
    if share is None:
        return None
    return 100.0 * math.pow(lines.freeze_factor, min(share, 1.0) / lines.freeze_share)


def fps(expected: float | None, actual: float | None, lines: Lines = LINES) -> float | None:
    return _short_of(expected, actual, lines.fps_slope)


def rate(expected: float | None, actual: float | None, lines: Lines = LINES) -> float | None:
    return _short_of(expected, actual, lines.rate_slope)


def weakest(*terms: float | None) -> float | None:
    return min((term for term in terms if term is not None), default=None)


def pool(scored: Iterable[tuple[float, float]], lines: Lines = LINES) -> float | None:
    """0.7 * the weighted mean + 0.3 * the mean of the worst tenth of the weight, where an item
    that lies across the tenth counts in part. `scored` is (value, weight); None without weight.
    """
    items = sorted((value, weight) for value, weight in scored if weight > 0)
    if not items:
        return None
    whole = mean(items)
    left = part = lines.pool_worst * math.fsum(weight for _, weight in items)
    worst: list[tuple[float, float]] = []
    for value, weight in items:
        worst.append((value, min(weight, left)))
        left -= weight
        if left <= 0:
            break
    if part <= 0:
        return whole
    pooled = lines.pool_mean * whole + (1 - lines.pool_mean) * mean(worst)
    return min(max(pooled, items[0][0]), whole)


def mean(items: list[tuple[float, float]]) -> float:
    """The weighted mean of (value, weight), not empty; never outside the values by rounding."""
    total = math.fsum(weight for _, weight in items)
    value = math.fsum(value * weight for value, weight in items) / total
    return min(max(value, min(items)[0]), max(items)[0])


def percentile(items: Iterable[tuple[float, float]], share: float) -> float | None:
    """The least value that `share` of the weight of (value, weight) does not exceed."""
    ordered = sorted((value, weight) for value, weight in items if weight > 0)
    left = share * math.fsum(weight for _, weight in ordered) - 1e-9
    for value, weight in ordered:
        left -= weight
        if left <= 0:
            return value
    return ordered[-1][0] if ordered else None


def label(score: float | None, lines: Lines = LINES) -> QualityLabel | None:
    if score is None:
        return None
    if score >= lines.excellent:
        return "excellent"
    if score >= lines.good:
        return "good"
    if score >= lines.fair:
        return "fair"
    return "poor" if score >= lines.poor else "bad"


def _short_of(expected: float | None, actual: float | None, slope: float) -> float | None:
    if actual is None or not expected:
        return None
    if actual <= 0:
        return 0.0
    return min(max(100.0 - slope * (math.log(expected) - math.log(actual)), 0.0), 100.0)
