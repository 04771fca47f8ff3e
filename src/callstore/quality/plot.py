"""The course of a call as a picture: SVG with nothing more than Python, PNG with Pillow."""

import io
from collections.abc import Mapping
from typing import Any

from callstore.quality.chart import course_of
from callstore.quality.drawing import Drawing, Rect, Stroke, Text
from callstore.quality.drawing import svg as write_svg
from callstore.quality.lines import LINES, Lines
from callstore.quality.model import Analytics

_OVER = 2  # drawn this much larger, then scaled down: smooth lines


def svg(
    analytics: Analytics, *, names: Mapping[str, str] | None = None, lines: Lines = LINES
) -> str:
    """An SVG document. `names` by participant id; who has none is the last 6 digits of the id."""
    return write_svg(course_of(analytics, names or {}, lines))


def png(
    analytics: Analytics,
    *,
    names: Mapping[str, str] | None = None,
    lines: Lines = LINES,
    scale: float = 1.5,
) -> bytes:
    """A PNG of 1000 * `scale` px width. Needs the extra `plot` (Pillow)."""
    from PIL import Image, ImageDraw

    drawing = course_of(analytics, names or {}, lines)
    zoom = scale * _OVER
    size = (round(drawing.width * zoom), round(drawing.height * zoom))
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    _paint(draw, drawing, zoom)
    target = (round(drawing.width * scale), round(drawing.height * scale))
    out = io.BytesIO()
    image.resize(target, Image.Resampling.LANCZOS).save(out, "PNG", optimize=True)
    return out.getvalue()


def _paint(draw: Any, drawing: Drawing, zoom: float) -> None:
    from PIL import ImageFont

    fonts: dict[float, Any] = {}
    for shape in drawing.shapes:
        match shape:
            case Rect(x, y, width, height, fill, radius):
                box = [x * zoom, y * zoom, (x + width) * zoom - 1, (y + height) * zoom - 1]
                if box[2] >= box[0] and box[3] >= box[1]:
                    draw.rounded_rectangle(box, radius * zoom, fill=fill)
            case Stroke(points, color, width, dash):
                for part in [points] if dash is None else _dashes(points, dash):
                    path = [(x * zoom, y * zoom) for x, y in part]
                    draw.line(path, fill=color, width=round(width * zoom), joint="curve")
            case Text(x, y, text, size, color, anchor):
                font = fonts.setdefault(size, ImageFont.load_default(size * zoom))
                at = {"start": "lm", "middle": "mm", "end": "rm"}[anchor]
                draw.text((x * zoom, y * zoom), text, fill=color, font=font, anchor=at)


def _dashes(points: Any, dash: tuple[float, float]) -> list[list[tuple[float, float]]]:
    """The dashes of a straight line."""
    (x, y), (x2, y2) = points[0], points[-1]
    length = ((x2 - x) ** 2 + (y2 - y) ** 2) ** 0.5
    found, at = [], 0.0
    while at < length:
        a, b = at / length, min(at + dash[0], length) / length
        found.append([(x + (x2 - x) * a, y + (y2 - y) * a), (x + (x2 - x) * b, y + (y2 - y) * b)])
        at += sum(dash)
    return found
