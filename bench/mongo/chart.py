"""The rates as a drawing: a panel for each part, a bar for each contestant."""

from collections.abc import Sequence

from bench.harness import Figure, shown
from bench.mongo.parts import SHOWN, TITLES
from callstore.quality.drawing import Drawing, Rect, Shape, Text, svg

_WIDTH, _LEFT, _RIGHT = 920.0, 190.0, 510.0
_P50, _P95, _P99, _CPU, _TIMES = 572.0, 634.0, 696.0, 782.0, 896.0  # where columns end
_BAR, _STEP, _HEAD, _GAP = 13.0, 21.0, 26.0, 20.0
_INK, _MUTED = "#1f2933", "#697586"
_PAPER, _EDGE, _TRACK = "#ffffff", "#d3dae1", "#f0f3f6"
_OURS, _RAW, _ODM, _GOAL = "#2764ae", "#5c646b", "#bcc5cd", "#e3b558"
_DARK = (_OURS, _RAW)  # bars that take light letters
_COLORS = {"callstore": _OURS, "raw PyMongo": _RAW, "the same rows in groups": _GOAL}


def drawn(figures: Sequence[Figure]) -> str:
    """An SVG on white paper of its own, so that a dark page does not swallow the letters."""
    shapes: list[Shape] = [
        Text(24, 30, "callstore on MongoDB, and the document's queries beside it", 17, _INK),
        Text(24, 52, "operations a second, 64 callers, one run on one machine", 12, _MUTED),
        Text(_P50, 52, "p50, ms", 11, _MUTED, "end"),
        Text(_P95, 52, "p95, ms", 11, _MUTED, "end"),
        Text(_P99, 52, "p99, ms", 11, _MUTED, "end"),
        Text(_CPU, 52, "client CPU", 11, _MUTED, "end"),
        Text(_TIMES, 52, "callstore against it", 11, _MUTED, "end"),
    ]
    y = 76.0
    for part in (TITLES[part] for part in SHOWN):
        bars = [f for f in figures if f.name.startswith(f"{part}: ") and f.unit == "/s"]
        if bars:
            y = _panel(shapes, part, bars, y)
    shapes.insert(0, Rect(0, 0, _WIDTH, y, _EDGE, 8))
    shapes.insert(1, Rect(1, 1, _WIDTH - 2, y - 2, _PAPER, 7))
    return svg(Drawing(_WIDTH, y, shapes, "Operations a second, by part and contestant"))


def _panel(shapes: list[Shape], part: str, bars: Sequence[Figure], y: float) -> float:
    """Where the next one begins."""
    shapes.append(Text(24, y + 8, part, 13, _INK))
    y += _HEAD
    most = max(bar.value for bar in bars)
    for bar in bars:
        name = bar.name.removeprefix(f"{part}: ")
        middle, color = y + _BAR / 2, _COLORS.get(name, _ODM)
        ink = _INK if name == "callstore" else _MUTED
        length = (_RIGHT - _LEFT) * bar.value / most
        shapes += [
            Text(_LEFT - 10, middle, name, 11.5, ink, "end"),
            Rect(_LEFT, y, _RIGHT - _LEFT, _BAR, _TRACK, 2),
            Rect(_LEFT, y, max(length, 2), _BAR, color, 2),
            _rate(bar.value, length, middle, color),
            *_beside(bar, middle),
        ]
        y += _STEP
    return y + _GAP


def _rate(value: float, length: float, middle: float, color: str) -> Text:
    """In its bar, or behind it where that is short."""
    text = f"{value:,.0f}"
    if length < 60:
        return Text(_LEFT + length + 6, middle, text, 10.5, _INK)
    ink = _PAPER if color in _DARK else _INK
    return Text(_LEFT + length - 6, middle, text, 10.5, ink, "end")


def _beside(bar: Figure, middle: float) -> list[Shape]:
    """What else was seen."""
    told = bar.detail
    found: list[Shape] = [
        Text(_P50, middle, shown(told["p50_ms"]), 11, _MUTED, "end"),
        Text(_P95, middle, shown(told["p95_ms"]), 11, _MUTED, "end"),
        Text(_P99, middle, shown(told["p99_ms"]), 11, _MUTED, "end"),
        Text(_CPU, middle, f"{told['cpu_us']:,.0f} us", 11, _MUTED, "end"),
    ]
    if "callstore_times" in told:
        times = f"{told['callstore_times']:.2f} x"
        found.append(Text(_TIMES, middle, times, 11, _INK, "end"))
    return found
