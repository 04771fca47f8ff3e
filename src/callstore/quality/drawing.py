"""Three shapes and a writer of SVG. Units: px, y downwards."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from msgspec import Struct

Anchor = Literal["start", "middle", "end"]


class Stroke(Struct, frozen=True):
    """A line through points; `dash`: how much is drawn, and how much left out."""

    points: Sequence[tuple[float, float]]
    color: str
    width: float = 1.0
    dash: tuple[float, float] | None = None


class Rect(Struct, frozen=True):
    x: float
    y: float
    width: float
    height: float
    fill: str
    radius: float = 0.0


class Text(Struct, frozen=True):
    """`y` is the middle of the letters' height."""

    x: float
    y: float
    text: str
    size: float = 12.0
    color: str = "#1f2933"
    anchor: Anchor = "start"


Shape = Stroke | Rect | Text


class Drawing(Struct, frozen=True):
    """Shapes in the order in which they cover each other."""

    width: float
    height: float
    shapes: list[Shape]
    title: str = ""


def text_width(text: str, size: float) -> float:
    """About how wide it will be; rather too wide."""
    return size * sum(
        0.32 if c in "iljtfr.,:;|!'() " else 0.86 if c in "mwMW%@" else 0.6 for c in text
    )


def shorten(text: str, size: float, width: float) -> str:
    """The text, or as much of its beginning as has room."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return f"{text.rstrip()}…" if text else ""


def svg(drawing: Drawing) -> str:
    """A standalone SVG document."""
    width, height = _n(drawing.width), _n(drawing.height)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" '
        'font-family="Inter, Helvetica Neue, Helvetica, Arial, sans-serif">'
    )
    title = f"<title>{_clean(drawing.title)}</title>"
    return "\n".join([head, title, *_shapes(drawing.shapes), "</svg>\n"])


def _shapes(shapes: Iterable[Shape]) -> Iterable[str]:
    for shape in shapes:
        match shape:
            case Stroke(points, color, width, dash):
                path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
                dashes = f' stroke-dasharray="{_n(dash[0])} {_n(dash[1])}"' if dash else ""
                yield (
                    f'<polyline points="{path}" fill="none" stroke="{color}" '
                    f'stroke-width="{_n(width)}" stroke-linejoin="round"{dashes}/>'
                )
            case Rect(x, y, width, height, fill, radius):
                round = f' rx="{_n(radius)}"' if radius else ""
                yield (
                    f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" '
                    f'height="{_n(height)}" fill="{fill}"{round}/>'
                )
            case Text(x, y, text, size, color, anchor):
                yield (
                    f'<text x="{_n(x)}" y="{_n(y + size * 0.35)}" font-size="{_n(size)}" '
                    f'fill="{color}" text-anchor={quoteattr(anchor)}>{_clean(text)}</text>'
                )


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return escape(re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text))
