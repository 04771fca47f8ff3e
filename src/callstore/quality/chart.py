"""The layout of the course of a call: quality, network and issues over one axis of time."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from callstore.quality import score
from callstore.quality.drawing import Drawing, Rect, Shape, Stroke, Text, shorten, text_width
from callstore.quality.lines import LINES, Lines
from callstore.quality.model import Analytics, Issue, Severity, TimelineEntry, Window

WIDTH = 1000.0
_LEFT, _RIGHT = 78.0, 858.0
_INK, _MUTED, _GRID, _EDGE = "#1f2933", "#697586", "#e7ebef", "#b8c1cb"
_COLORS = ("#2764ae", "#d9722e", "#2b8f70", "#8b5bab", "#b58b14", "#c24a72", "#3f9ab3", "#6c7278")
_BANDS = ("#e9f5ee", "#f3f8ea", "#fdf8e3", "#fdf0e0", "#fae6e2")  # from excellent to bad
_SEVERITY: dict[Severity, str] = {"minor": "#e2b13c", "major": "#df7a35", "critical": "#bf3a30"}
_MOST = 8  # lines that can be told apart: the worst are shown
_EVENTS = {
    "participant.joined": "{} joined",
    "participant.left": "{} left",
    "participant.failed": "{} failed",
    "participant.lost": "{} lost",
    "mode.switched": "mode switch",
    "call.answered": "answered",
    "call.ended": "ended",
}


class _Span(Struct, frozen=True):
    """The axis of time; ms since 1970."""

    start: float
    end: float

    def x(self, at: float) -> float:
        share = (at - self.start) / (self.end - self.start)
        return _LEFT + (_RIGHT - _LEFT) * min(max(share, 0.0), 1.0)


class _Row(Struct, frozen=True):
    """A participant as drawn."""

    id: str
    name: str
    color: str
    windows: Sequence[Window]
    width: float  # ms of each window
    quality: float | None
    shift: float  # px up or down, so that equal lines lie beside each other


class _Panel(Struct, frozen=True):
    """One value over time. `top` is None where the highest value decides."""

    title: str
    unit: str
    value: Callable[[Window], float | None]
    least: float  # that the axis goes up to
    factor: float = 1.0  # from the value's unit to the axis'


_PANELS = (
    _Panel("Packet loss", "%", lambda window: window.packet_loss, 5),
    _Panel("Round-trip time", "ms", lambda window: window.rtt, 100),
    _Panel("Received", "Mbit/s", lambda window: window.bitrate, 0.1, 1e-6),
)
_QUALITY, _HEIGHT, _GAP = 210.0, 74.0, 40.0


def course_of(analytics: Analytics, names: Mapping[str, str], lines: Lines = LINES) -> Drawing:
    """A drawing 1000 px wide; how high it is depends on the events and issues."""
    rows, span = _rows(analytics, names), _span(analytics)
    shapes: list[Shape] = []
    head = _head(shapes, analytics, lines)
    top = _events(shapes, analytics, names, span, head)
    bottom = top + _QUALITY + len(_PANELS) * (_GAP + _HEIGHT)
    _bands(shapes, top, lines)
    shapes += [
        Rect(_LEFT, _panel_y(top, n), _RIGHT - _LEFT, _HEIGHT, "#f8f9fa")
        for n in range(len(_PANELS))
    ]
    _grid(shapes, analytics, span, top, bottom)
    _quality(shapes, rows, span, top, len(analytics.participant_metrics))
    for n, panel in enumerate(_PANELS):
        _panel(shapes, rows, span, _panel_y(top, n), panel)
    end = _issues(shapes, analytics.network_issues, rows, names, span, bottom + 46) + 24
    shapes.insert(0, Rect(0, 0, WIDTH, end, "#ffffff"))
    return Drawing(WIDTH, end, shapes, f"Course of call {analytics.call_session_id}")


def _panel_y(top: float, n: int) -> float:
    return top + _QUALITY + _GAP + n * (_HEIGHT + _GAP)


def _rows(analytics: Analytics, names: Mapping[str, str]) -> list[_Row]:
    """The participants drawn: all, or the worst of many; each keeps its color."""
    windows = {one.participant_id: one for one in analytics.windows if one.windows}
    scored = [one for one in analytics.participant_metrics if one.participant_id in windows]
    worst = sorted(scored, key=lambda one: 101 if one.avg_quality is None else one.avg_quality)
    kept = {one.participant_id for one in worst[:_MOST]}
    shown = [one for one in scored if one.participant_id in kept]
    return [
        _Row(
            id=one.participant_id,
            name=_name(one.participant_id, names),
            color=_COLORS[n % len(_COLORS)],
            windows=windows[one.participant_id].windows,
            width=windows[one.participant_id].width * 1000,
            quality=one.avg_quality,
            shift=(n - (len(shown) - 1) / 2) * min(1.5, 6 / len(shown)),
        )
        for n, one in enumerate(shown)
    ]


def _name(id: str | None, names: Mapping[str, str]) -> str:
    return names.get(id, id[-6:]) if id else ""


def _span(analytics: Analytics) -> _Span:
    """From the first thing that is known to the last."""
    times = [_ms(entry.timestamp) for entry in analytics.event_timeline]
    for of in analytics.windows:
        if of.windows:
            times.append(_ms(of.windows[0].start))
            times.append(_ms(of.windows[-1].start) + of.width * 1000)
    ends = [e for e in analytics.event_timeline if e.event == "call.ended"]
    start = min(times, default=_ms(analytics.analyzed_at))
    end = _ms(ends[0].timestamp) if ends else max(times, default=start)
    return _Span(start, max(end, start + 1000))


def _ms(at: datetime) -> float:
    return at.timestamp() * 1000


def _head(shapes: list[Shape], analytics: Analytics, lines: Lines) -> float:
    whole = analytics.quality_score
    label = score.label(whole, lines)
    text = "not scored" if whole is None else f"{whole:.0f}  {label}"
    shapes.append(Text(_LEFT, 32, "Call quality", 13, _MUTED))
    shapes.append(Text(_LEFT, 58, text, 26))
    facts = [
        f"call {analytics.call_session_id[-6:]}",
        _count(len(analytics.participant_metrics), "participant"),
        _count(len(analytics.network_issues), "issue"),
    ]
    start = min((e.timestamp for e in analytics.event_timeline), default=None)
    if start is not None:
        facts.insert(0, f"{start:%Y-%m-%d %H:%M} UTC")
    shapes.append(Text(_RIGHT, 58, "   ·   ".join(facts), 12, _MUTED, "end"))
    return 92.0


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _events(
    shapes: list[Shape],
    analytics: Analytics,
    names: Mapping[str, str],
    span: _Span,
    y: float,
) -> float:
    """The events' labels, in as many of three rows as they need; returns where the rows end. A
    label that has no room is left out, its line stays.
    """
    free, placed = [-math.inf] * 3, []
    for entry in _marked(analytics):
        text = _EVENTS[entry.event].format(shorten(_name(entry.participant_id, names), 10.5, 90))
        x, width = span.x(_ms(entry.timestamp)), text_width(text, 10.5)
        left = min(x + 3, WIDTH - 20 - width)
        row = next((n for n, right in enumerate(free) if right + 8 <= left), None)
        if row is not None:
            free[row] = left + width
            placed.append((left, row, text))
    used = sum(right > -math.inf for right in free)
    # The first labels are the lowest: theirs are the shortest lines.
    for left, row, text in placed:
        shapes.append(Text(left, y + (used - 1 - row) * 15, text, 10.5, _MUTED))
    return y + max(used, 1) * 15


def _marked(analytics: Analytics) -> list[TimelineEntry]:
    return [entry for entry in analytics.event_timeline if entry.event in _EVENTS]


def _bands(shapes: list[Shape], top: float, lines: Lines) -> None:
    edges = (100.0, lines.excellent, lines.good, lines.fair, lines.poor, 0.0)
    labels = ("excellent", "good", "fair", "poor", "bad")
    for n, label in enumerate(labels):
        high, low = (_y(edge, 100, top, _QUALITY) for edge in edges[n : n + 2])
        shapes.append(Rect(_LEFT, high, _RIGHT - _LEFT, low - high, _BANDS[n]))
        shapes.append(Text(_LEFT - 10, (high + low) / 2, label, 10.5, _MUTED, "end"))


def _grid(
    shapes: list[Shape], analytics: Analytics, span: _Span, top: float, bottom: float
) -> None:
    """Lines of time through all panels, with their labels under the last, and of the events."""
    step = _step(span)
    at = 0
    while at * 1000 <= span.end - span.start:
        x = span.x(span.start + at * 1000)
        for y, height in _boxes(top):
            shapes.append(Stroke([(x, y), (x, y + height)], _GRID))
        shapes.append(Text(x, bottom + 14, _clock(at), 10.5, _MUTED, "middle"))
        at += step
    drawn = -math.inf
    for entry in _marked(analytics):
        x = span.x(_ms(entry.timestamp))
        if x - drawn < 3:
            continue
        drawn = x
        for y, height in [(top - 6, 6.0), *_boxes(top)]:
            shapes.append(Stroke([(x, y), (x, y + height)], _EDGE, 1, (3, 3)))


def _boxes(top: float) -> list[tuple[float, float]]:
    return [(top, _QUALITY), *((_panel_y(top, n), _HEIGHT) for n in range(len(_PANELS)))]


def _step(span: _Span) -> int:
    """Seconds between two labels: at most a dozen of them."""
    seconds = (span.end - span.start) / 1000
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
    return next((step for step in steps if seconds / step <= 12), 86_400)


def _clock(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _y(value: float, high: float, top: float, height: float) -> float:
    return top + height * (1 - min(max(value / high, 0.0), 1.0))


def _quality(
    shapes: list[Shape], rows: Sequence[_Row], span: _Span, top: float, people: int
) -> None:
    if not rows:
        middle = (_LEFT + _RIGHT) / 2
        text = "no quality reports: nothing to score"
        shapes.append(Text(middle, top + _QUALITY * 0.73, text, 13, _MUTED, "middle"))
    ends = []
    for row in rows:
        last = _curve(shapes, row, span, (top, _QUALITY, 100, 1), lambda w: w.score)
        ends.append((last if last is not None else top + _QUALITY / 2, row))
    labels = _apart([y for y, _ in ends], 15, top + 6, top + _QUALITY - 6)
    for y, (_, row) in zip(labels, ends, strict=True):
        text = shorten(row.name, 11.5, 88)
        value = "?" if row.quality is None else f"{row.quality:.0f}"
        shapes.append(Rect(_RIGHT + 12, y - 3, 6, 6, row.color, 3))
        shapes.append(Text(_RIGHT + 24, y, text, 11.5))
        shapes.append(Text(WIDTH - 12, y, value, 11.5, _MUTED, "end"))
    if len(rows) == _MOST < people:
        text = f"the {len(rows)} worst of {people}"
        shapes.append(Text(_RIGHT + 24, top + _QUALITY + 12, text, 10, _MUTED))


def _apart(wanted: Sequence[float], least: float, top: float, bottom: float) -> list[float]:
    """The places nearest to the wanted ones that are `least` apart, in the wanted order."""
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    placed = [0.0] * len(wanted)
    y = top - least
    for n in order:
        y = placed[n] = max(wanted[n], y + least)
    y = bottom + least
    for n in reversed(order):
        y = placed[n] = min(placed[n], y - least)
    return placed


def _panel(
    shapes: list[Shape], rows: Sequence[_Row], span: _Span, top: float, panel: _Panel
) -> None:
    values = [panel.value(window) for row in rows for window in row.windows]
    highest = max((value * panel.factor for value in values if value is not None), default=0)
    high = _round_up(max(highest, panel.least))
    shapes.append(Text(_LEFT, top - 13, panel.title, 11.5))
    unit_at = _LEFT + text_width(panel.title, 11.5) + 4
    shapes.append(Text(unit_at, top - 13, panel.unit, 10.5, _MUTED))
    for share in (0.0, 0.5, 1.0):
        y = _y(share, 1, top, _HEIGHT)
        shapes.append(Stroke([(_LEFT, y), (_RIGHT, y)], _GRID))
        shapes.append(Text(_LEFT - 10, y, f"{high * share:g}", 10.5, _MUTED, "end"))
    for row in rows:
        box = (top, _HEIGHT, high, panel.factor)
        _curve(shapes, row, span, box, panel.value)


def _round_up(value: float) -> float:
    """To 1, 2, 4, 5 or 10 of its power of ten, so that half of it is a short number too."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(n * power for n in (1, 2, 4, 5, 10) if value <= n * power * 1.0000001)


def _curve(
    shapes: list[Shape],
    row: _Row,
    span: _Span,
    box: tuple[float, float, float, float],
    value: Callable[[Window], float | None],
) -> float | None:
    """A step for each window, or a point where they are many, broken where nothing is known;
    returns where it ends.
    """
    top, height, high, factor = box
    steps = span.x(span.start + row.width) - _LEFT >= 5
    width = 1.75 if steps else 1.1
    run: list[tuple[float, float]] = []
    until = last = None
    for window in row.windows:
        start = _ms(window.start)
        found = value(window)
        if run and (found is None or start != until):
            shapes.append(_stroke(run, row.color, width))
            run = []
        if found is None:
            continue
        until = start + row.width
        last = _y(found * factor, high, top, height) + row.shift
        left, right = span.x(start), span.x(until)
        run += [(left, last), (right, last)] if steps else [((left + right) / 2, last)]
    if run:
        shapes.append(_stroke(run, row.color, width))
    return last


def _stroke(run: Sequence[tuple[float, float]], color: str, width: float) -> Stroke:
    """The run; a lone point becomes a dash that can be seen."""
    if len(run) == 1:
        ((x, y),) = run
        return Stroke([(x - 1, y), (x + 1, y)], color, width)
    return Stroke(run, color, width)


def _issues(
    shapes: list[Shape],
    issues: Sequence[Issue],
    rows: Sequence[_Row],
    names: Mapping[str, str],
    span: _Span,
    y: float,
) -> float:
    """A lane for each participant and type that has any; returns where they end."""
    shapes.append(Text(_LEFT, y, "Issues", 11.5))
    x = _LEFT + 60.0
    for severity, color in _SEVERITY.items():
        shapes.append(Rect(x, y - 4, 14, 8, color, 2))
        shapes.append(Text(x + 20, y, severity, 10.5, _MUTED))
        x += 78
    y += 20
    if not issues:
        shapes.append(Text(_LEFT, y, "none", 10.5, _MUTED))
    lanes, hidden = _lanes(issues, rows)
    colors = {row.id: row.color for row in rows}
    before = ""
    for (id, type), of in lanes.items():
        if id != before:
            y += 6 if before else 0
            name = shorten(_name(id, names), 10.5, _LEFT - 24)
            shapes.append(Text(_LEFT - 10, y, name, 10.5, colors.get(id, _MUTED), "end"))
            before = id
        shapes.append(Rect(_LEFT, y - 6, _RIGHT - _LEFT, 12, "#f4f6f7", 2))
        for issue in of:
            start = span.x(_ms(issue.timestamp))
            end = span.x(_ms(issue.ended_at or issue.timestamp))
            width = max(end - start, 4)
            shapes.append(Rect(start, y - 6, width, 12, _SEVERITY[issue.severity], 2))
        shapes.append(Text(_RIGHT + 14, y, type.replace("_", " "), 10.5, _MUTED))
        y += 16
    if hidden:
        shapes.append(Text(_LEFT, y + 2, f"and {_count(hidden, 'issue')} of others", 10.5, _MUTED))
        y += 16
    return y


def _lanes(
    issues: Sequence[Issue], rows: Sequence[_Row]
) -> tuple[dict[tuple[str, str], list[Issue]], int]:
    """Issues by participant and type, of those who are drawn first, and how many have no room."""
    drawn = {row.id for row in rows}
    people = sorted(
        {issue.participant_id for issue in issues}, key=lambda id: (id not in drawn, id)
    )
    lanes: dict[tuple[str, str], list[Issue]] = {}
    for issue in sorted(issues, key=lambda issue: (issue.participant_id, issue.type)):
        if issue.participant_id in people[:_MOST]:
            lanes.setdefault((issue.participant_id, issue.type), []).append(issue)
    return lanes, len(issues) - sum(map(len, lanes.values()))
