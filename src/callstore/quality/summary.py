"""What is said of a participant, and of a call, in the end."""

from collections.abc import Iterable, Sequence

from callstore.calls.model import MOST, Row
from callstore.quality import score, terms
from callstore.quality.course import Course, Pane, windows
from callstore.quality.episodes import issue
from callstore.quality.lines import LINES, Lines
from callstore.quality.model import CallMetrics, Issue, KindMetrics, ParticipantMetrics, Window
from callstore.quality.windows import Flow


class Summary(Row, frozen=True, kw_only=True):
    """A participant's metrics, and the windows that they are pooled from."""

    metrics: ParticipantMetrics
    windows: list[Window]


def summarise(
    id: str,
    course: Course,
    origin: float,
    lines: Lines = LINES,
    *,
    issues: Sequence[Issue] = (),
) -> Summary:
    """`issues` are those that samples do not tell."""
    found = windows(course, origin, lines)
    scored = [(one.score, one.seconds) for one in found if one.score is not None]
    seconds = sum(weight for _, weight in scored)
    quality = _round(score.pool(scored, lines)) if seconds >= lines.enough_s else None
    panes = [pane for _, pane in sorted(course.panes.items())]
    spoken = _total(terms.speaking(pane.audio, pane.video) for pane in panes)
    return Summary(
        metrics=ParticipantMetrics(
            participant_id=id,
            avg_quality=quality,
            label=score.label(quality, lines),
            avg_packet_loss=_round(spoken.loss) if spoken else None,
            avg_jitter=_round(spoken.jitter) if spoken else None,
            avg_rtt=_avg_rtt(panes),
            avg_bitrate=_round(course.bits / course.connected) if course.bits_known else None,
            audio=_kind(_total(pane.audio for pane in panes)),
            video=_kind(_total(pane.video for pane in panes)),
            data_sent=min(course.sent, MOST),
            data_received=min(course.received, MOST),
            samples=course.samples,
            scored_seconds=round(seconds, 3),
            issues=in_time([*(issue(e, type, id) for type, e in course.issues), *issues]),
        ),
        windows=found,
    )


def call_score(of: Sequence[ParticipantMetrics], lines: Lines = LINES) -> float | None:
    """Pooled over the participants, by the seconds that were scored of each."""
    scored = [(one.avg_quality, one.scored_seconds) for one in of if one.avg_quality is not None]
    return _round(score.pool(scored, lines))


def call_metrics(of: Sequence[ParticipantMetrics]) -> CallMetrics | None:
    """The participants' averages, by the seconds that were scored of each."""
    if not any(one.scored_seconds for one in of):
        return None
    return CallMetrics(
        avg_packet_loss=_mean((one.avg_packet_loss, one.scored_seconds) for one in of),
        avg_jitter=_mean((one.avg_jitter, one.scored_seconds) for one in of),
        avg_rtt=_mean((one.avg_rtt, one.scored_seconds) for one in of),
        avg_bitrate=_mean((one.avg_bitrate, one.scored_seconds) for one in of),
    )


def in_time(issues: Iterable[Issue]) -> list[Issue]:
    return sorted(issues, key=lambda one: (one.timestamp, one.participant_id, one.type))


def _avg_rtt(panes: Sequence[Pane]) -> float | None:
    known = sum(pane.rtt_known for pane in panes)
    return _round(sum(pane.rtt_s for pane in panes) / known) if known else None


def _total(flows: Iterable[Flow | None]) -> Flow | None:
    total: Flow | None = None
    for flow in flows:
        total = flow.add_to(total) if flow is not None else total
    return total


def _kind(flow: Flow | None) -> KindMetrics | None:
    if flow is None:
        return None
    share = flow.frozen_share
    return KindMetrics(
        avg_packet_loss=_round(flow.loss),
        avg_jitter=_round(flow.jitter),
        avg_delay=_round(flow.delay),
        avg_bitrate=_round(flow.bitrate),
        avg_fps=_round(flow.fps),
        concealed=_round(flow.concealment),
        frozen=_round(100 * share) if share is not None else None,
    )


def _mean(items: Iterable[tuple[float | None, float]]) -> float | None:
    known = [(value, weight) for value, weight in items if value is not None and weight]
    return _round(score.mean(known)) if known else None


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
