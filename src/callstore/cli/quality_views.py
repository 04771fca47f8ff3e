"""Scores, windows and issues, for people."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.text import Text

from callstore import Call
from callstore.cli.grid import NOTHING, Grid
from callstore.cli.output import (
    STYLES,
    clock,
    duration,
    number,
    plain,
    quality,
    show,
    some,
    who,
    word,
)
from callstore.quality.model import (
    Analytics,
    Issue,
    IssueType,
    ParticipantMetrics,
    TraceParticipant,
    TraceScore,
    Window,
)
from callstore.quality.score import label

UNITS: dict[IssueType, tuple[float, str]] = {
    "high_packet_loss": (1, "%"),
    "high_rtt": (1, "ms"),
    "high_jitter": (1, "ms"),
    "low_bitrate": (1000, "kbit/s"),
    "video_freeze": (1, "% frozen"),
    "low_fps": (1, "frames/s"),
    "audio_concealment": (1, "%"),
    "low_quality": (1, "points"),
    "bandwidth_limited": (1, "times lower"),
    "media_gap": (1000, "s"),
    "reconnection": (1000, "s"),
    "unstable_connection": (1, "drops/min"),
}
BAR = 10


def trace(file: str, score: TraceScore) -> None:
    """The scores of a bare trace."""
    name = "stdin" if file == "-" else plain(file)
    show(Text.assemble((name, "bold"), "  ", quality(score.quality_score, score.label)))
    if not score.participants:
        show("no reports in it", "")
        return
    table = _averages("peer")
    for one in score.participants:
        table.add_row(plain(one.peer), *_average_cells(one))
    show("", table)
    found = sorted((i for one in score.participants for i in one.issues), key=lambda i: i.timestamp)
    start = min((w.start for one in score.participants for w in one.windows), default=None)
    if found and start:
        names = {one.peer: plain(one.peer) for one in score.participants}
        show("", issues(found, names, start))
    show("")


def course(call: Call, analytics: Analytics, plot: str | None) -> None:
    """The analysis of a call, window by window."""
    names = {row.id: str(who(row.party)) for row in call.participants or []}
    start = call.created_at
    score = analytics.quality_score
    title = Text.assemble(("call ", "dim"), (call.id, "bold"), "  ", quality(score, label(score)))
    table = _averages("party")
    for one in analytics.participant_metrics:
        table.add_row(names.get(one.participant_id, one.participant_id), *_average_cells(one))
    show(title, "", table)
    for of in analytics.windows:
        if of.windows:
            name = names.get(of.participant_id, of.participant_id)
            show("", _windows(f"{name}, windows of {duration(of.width)}", of.windows, start))
    if analytics.network_issues:
        show("", issues(analytics.network_issues, names, start))
    if plot:
        show("", f"drawn to {plot}")


def _averages(first: str) -> Grid:
    return Grid(
        first, "quality", "scored>", "loss %>", "jitter ms>", "RTT ms>", "kbit/s>", "issues>"
    )


def _average_cells(one: TraceParticipant | ParticipantMetrics) -> list[str | Text]:
    return [
        quality(one.avg_quality, one.label),
        duration(one.scored_seconds),
        number(one.avg_packet_loss, 2),
        number(one.avg_jitter),
        number(one.avg_rtt),
        _kbit(one.avg_bitrate),
        str(len(one.issues)) if one.issues else NOTHING,
    ]


def _kbit(bits: float | None) -> str | Text:
    return number(None if bits is None else bits / 1000, 0)


def _windows(title: str, windows: Sequence[Window], start: datetime) -> Grid:
    """The term that a score is the least of stands out."""
    table = Grid(
        "at>", "score>", "", "net>", "freeze>", "fps>", "rate>",
        "loss %>", "jitter>", "RTT>", "delay>", "kbit/s>", "frames/s>", "away>",
        title=title,
        sparse=("net", "freeze", "fps", "rate", "jitter", "RTT", "delay", "frames/s", "away"),
        optional=("delay", "frames/s", "jitter"),
    )  # fmt: skip
    for one in windows:
        terms = (one.terms.net, one.terms.freeze, one.terms.fps, one.terms.rate)
        least = min((term for term in terms if term is not None), default=None)
        table.add_row(
            clock((one.start - start).total_seconds()),
            number(one.score),
            _bar(one.score),
            *(_term(term, least) for term in terms),
            number(one.packet_loss, 2),
            number(one.jitter),
            number(one.rtt),
            number(one.delay),
            _kbit(one.bitrate),
            number(one.video.fps if one.video else None),
            duration(one.away or None),
        )
    return table


def _term(term: float | None, least: float | None) -> str | Text:
    if term is None or term != least or term >= 100:
        return number(term)
    return Text(f"{term:.1f}", style="bold")


def _bar(score: float | None) -> Text:
    if score is None:
        return Text("")
    filled = round(score / 100 * BAR)
    bar = Text("█" * filled, style=STYLES.get(label(score) or "", ""))
    return bar.append("░" * (BAR - filled), style="dim")


def issues(found: Sequence[Issue], names: Mapping[str, str], start: datetime) -> Grid:
    """`names` by participant; times are counted from `start`."""
    table = Grid(
        "at>", "for>", "issue", "severity", "worst>", "", "party", title=some(len(found), "issue")
    )
    for one in found:
        scale, unit = UNITS[one.type]
        end = one.ended_at or one.timestamp
        table.add_row(
            clock((one.timestamp - start).total_seconds()),
            duration((end - one.timestamp).total_seconds()) if one.ended_at else Text("on", "dim"),
            one.type.replace("_", " "),
            word(one.severity),
            number(None if one.worst is None else one.worst / scale),
            unit,
            names.get(one.participant_id, plain(one.participant_id)),
        )
    return table
