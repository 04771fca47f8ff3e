"""The E-model: how a conversation over a line is rated. ITU-T G.107 (narrowband, R up to 93.2) and
G.107.2 (fullband, R up to 148). Delays ms, loss %.
"""

import math

from callstore.calls.model import Row

R_DEFAULT = 93.206
"""R of G.107's default line: the best a narrowband call gets."""
R_FULLBAND = 148.0


class Path(Row, frozen=True, kw_only=True):
    """The parameters of G.107 table 3, at their defaults: a line with nothing wrong."""

    slr: float = 8  # send, receive and sidetone loudness ratings, dB
    rlr: float = 2
    stmr: float = 15
    ds: float = 3  # D-values of the telephones
    dr: float = 3
    telr: float = 65  # talker echo loudness rating
    wepl: float = 110  # weighted echo path loss
    t: float = 0  # mean one-way delay of the echo path
    tr: float = 0  # round-trip delay in a four-wire loop
    ta: float = 0  # absolute one-way delay
    qdu: float = 1  # quantization distortion units
    ie: float = 0  # equipment impairment
    bpl: float = 4.3  # robustness to loss
    ppl: float = 0  # packet loss, %
    burst_r: float = 1
    nc: float = -70  # circuit noise, dBm0p
    nfor: float = -64  # noise floor of the receiver
    ps: float = 35  # room noise of the sender and the receiver, dB(A)
    pr: float = 35
    advantage: float = 0


def rating(path: Path) -> float:
    """R = Ro - Is - Id - Ie_eff + A (G.107 clause 7.1)."""
    noise = _noise(path)
    ro = 15 - 1.5 * (path.slr + noise)
    impairment = ie_eff(path.ppl, ie=path.ie, bpl=path.bpl, burst_r=path.burst_r)
    return (
        ro - _simultaneous(path, ro, noise) - _delay(path, ro, noise) - impairment + path.advantage
    )


def fullband_rating(ta: float, ppl: float, *, ie: float = 0, bpl: float = 20) -> float:
    """R = 148 - Idd - Ie_eff (G.107.2): the delay curve of G.107, stretched to its scale."""
    return R_FULLBAND - fullband_idd(ta) - fullband_ie_eff(ppl, ie=ie, bpl=bpl)


def fullband_idd(ta: float) -> float:
    return R_FULLBAND / 100 * idd(ta)


def fullband_ie_eff(ppl: float, *, ie: float, bpl: float) -> float:
    return ie + (132 - ie) * _lossy(ppl, bpl, 1)


def idd(ta: float) -> float:
    """Impairment by absolute delay (G.107 clause 7.4, equations 7-27 and 7-28)."""
    if ta <= 100:
        return 0.0
    x = math.log2(ta / 100)
    return 25 * (_bend(x, 6) - 3 * _bend(x / 3, 6) + 2)


def ie_eff(ppl: float, *, ie: float = 0, bpl: float, burst_r: float = 1) -> float:
    """Impairment by coding and loss (G.107 clause 7.5, equation 7-29)."""
    return ie + (95 - ie) * _lossy(ppl, bpl, burst_r)


def mos(r: float) -> float:
    """MOS-CQE of R (G.107 Annex B, to the letter: it dips to 0.989 at R 3). R is clamped: outside
    0..100 the cubic is not monotone.
    """
    r = min(max(r, 0.0), 100.0)
    return 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6


def fullband_mos(r: float) -> float:
    return mos(r / R_FULLBAND * 100)


def good_or_better(r: float) -> float:
    """% of people who find it good or better (G.107 Annex B)."""
    return 100 * _normal((r - 60) / 16)


def poor_or_worse(r: float) -> float:
    """% of people who find it poor or worse (G.107 Annex B)."""
    return 100 * _normal((45 - r) / 16)


def _bend(x: float, n: int) -> float:
    """The curve that the recommendation bends everywhere: 1, then x."""
    return math.pow(1 + x**n, 1 / n)


def _power(db: float) -> float:
    return math.pow(10, db / 10)


def _normal(x: float) -> float:
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def _lossy(ppl: float, bpl: float, burst_r: float) -> float:
    return ppl / (ppl / burst_r + bpl) if ppl else 0.0


def _noise(p: Path) -> float:
    """No: all noise, at the 0 dBr point (clause 7.2)."""
    nos = p.ps - p.slr - p.ds - 100 + 0.004 * (p.ps - p.slr - p.rlr - p.ds - 14) ** 2
    pre = p.pr + 10 * math.log10(1 + _power(10 - p.stmr - p.dr))
    nor = p.rlr - 121 + pre + 0.008 * (pre - 35) ** 2
    nfo = p.nfor + p.rlr
    return 10 * math.log10(sum(_power(n) for n in (p.nc, nos, nor, nfo)))


def _simultaneous(p: Path, ro: float, noise: float) -> float:
    """Is: what comes with the voice - loudness, sidetone, quantization (clause 7.3)."""
    x = p.slr + p.rlr + 0.2 * (64 + noise - p.rlr)
    loudness = 20 * (_bend(x / 8, 8) - x / 8)
    q = 37 - 15 * math.log10(p.qdu)
    g = 1.07 + 0.258 * q + 0.0602 * q**2
    y, z = (ro - 100) / 15 + 46 / 8.4 - g / 9, 46 / 30 - g / 40
    return loudness + _sidetone(p) + 15 * math.log10(1 + _power(10 * y) + _power(10 * z))


def _sidetone(p: Path) -> float:
    echo = math.exp(-p.t / 4) * _power(-p.telr)
    s = -10 * math.log10(_power(-p.stmr) + echo)
    return (
        12 * _bend((s - 13) / 6, 8)
        - 28 * _bend((s + 1) / 19.4, 35)
        - 13 * _bend((s - 3) / 33, 13)
        + 29
    )


def _delay(p: Path, ro: float, noise: float) -> float:
    """Id: talker echo, listener echo, absolute delay (clause 7.4)."""
    terv = p.telr - 40 * math.log10((1 + p.t / 10) / (1 + p.t / 150)) + 6 * math.exp(-0.3 * p.t**2)
    talker = -1.5 * (noise - p.rlr) - (80 + 2.5 * (terv - 14))
    talker = (talker / 2 + math.sqrt(talker**2 / 4 + 100) - 1) * (1 - math.exp(-p.t))
    listener = ro - 10.5 * (p.wepl + 7) * math.pow(p.tr + 1, -0.25)
    listener = listener / 2 + math.sqrt(listener**2 / 4 + 169)
    return talker + listener + idd(p.ta)
