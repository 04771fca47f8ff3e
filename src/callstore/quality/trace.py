"""Scoring bare traces: JSON lines of `{"t": ms, "peer": name, "report": […]}`, without a call."""

from collections.abc import Iterable
from datetime import timedelta

import msgspec
from msgspec import Struct

from callstore.errors import Invalid
from callstore.quality import score
from callstore.quality.course import run
from callstore.quality.lines import LINES, Lines, version
from callstore.quality.model import ParticipantMetrics, Reading, TraceParticipant, TraceScore
from callstore.quality.report import read
from callstore.quality.summary import Summary, call_score, summarise
from callstore.quality.windows import to_ms
from callstore.times import EPOCH


class TraceLine(Struct):
    """A line; other fields of it are ignored."""

    t: float  # ms since 1970
    peer: str
    report: msgspec.Raw


def score_trace(trace: Iterable[bytes | str], lines: Lines = LINES) -> TraceScore:
    """The score of each peer and of the call. Raises Invalid, naming `/line/report/entry/field`."""
    peers: dict[str, list[Reading]] = {}
    for number, text in enumerate(trace):
        if text.strip():
            peer, reading = read_line(text, number)
            peers.setdefault(peer, []).append(reading)
    origin = float(min((to_ms(one.at) for of in peers.values() for one in of), default=0))
    found = [
        summarise(peer, run(peers[peer], None, origin, lines), origin, lines)
        for peer in sorted(peers)
    ]
    whole = call_score([one.metrics for one in found], lines)
    return TraceScore(
        quality_score=whole,
        label=score.label(whole, lines),
        participants=[_participant(one) for one in found],
        scorer_version=version(lines),
    )


def read_line(text: bytes | str, number: int = 0) -> tuple[str, Reading]:
    """A line's peer and what is kept of its report."""
    try:
        line = msgspec.json.decode(text, type=TraceLine)
        at = EPOCH + timedelta(milliseconds=line.t)
        return line.peer, read(bytes(line.report), now=at, at=at)
    except Invalid as error:
        raise Invalid([(f"/{number}{at}", message) for at, message in error.errors]) from None
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise Invalid.field(f"/{number}", f"is not a line of a trace: {error}") from None


def _participant(one: Summary) -> TraceParticipant:
    shared = [
        f for f in ParticipantMetrics.__struct_fields__ if f in TraceParticipant.__struct_fields__
    ]
    return TraceParticipant(
        peer=one.metrics.participant_id,
        windows=one.windows,
        **{name: getattr(one.metrics, name) for name in shared},
    )
