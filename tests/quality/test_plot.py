"""The plot: well-formed, everything in its place, whatever the call was."""

import itertools
import struct
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from tests.quality.builders import ANA, BRUNO, Events, Series, analysed, together

from callstore.quality import plot
from callstore.quality.chart import course_of
from callstore.quality.drawing import Rect, Stroke, Text, text_width
from callstore.quality.model import Analytics

SVG = "{http://www.w3.org/2000/svg}"


def eventful() -> Analytics:
    events = Events().join(0, ANA).join(5, BRUNO).tell("mode.switched", 20)
    events.tell("participant.lost", 40, BRUNO).join(50, BRUNO).tell("call.ended", 90)
    ana = Series(ANA, start=5).run(40).run(20, loss=12, rtt=600).run(25)
    bruno = Series(BRUNO, start=5).run(35).pause(10).run(40, fps=8)
    return analysed(ana.samples + bruno.samples, events, end=90)


def crowd(count: int) -> Analytics:
    ids = [f"{n:024x}" for n in range(1, count + 1)]
    samples = [
        sample
        for n, id in enumerate(ids)
        for sample in Series(id, every=10).run(300, loss=n % 30, rtt=100 + 40 * n).samples
    ]
    events = Events()
    for n, id in enumerate(ids):
        events.join(n * 0.1, id)
    return analysed(samples, events.tell("call.ended", 300), end=300)


CALLS: dict[str, Callable[[], Analytics]] = {
    "eventful": eventful,
    "empty": lambda: analysed([], Events()),
    "silent": lambda: analysed([], together(ANA, BRUNO, end=60)),
    "short": lambda: analysed(Series().run(3).samples, together(ANA, BRUNO, end=3), end=3),
    "long": lambda: analysed(
        Series(every=10).run(20_000).samples, together(ANA, BRUNO, end=20_000), end=20_000
    ),
    "crowd": lambda: crowd(30),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_svg_is_well_formed_and_nothing_lies_outside(name: str) -> None:
    root = ElementTree.fromstring(plot.svg(CALLS[name]()))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    assert root.tag == f"{SVG}svg"
    assert width == 1000
    for text in root.iter(f"{SVG}text"):
        size, x = float(text.get("font-size", 0)), float(text.get("x", 0))
        wide = text_width(text.text or "", size)
        left = {"start": x, "middle": x - wide / 2, "end": x - wide}[text.get("text-anchor", "")]
        assert 0 <= left <= width + 1 - wide, text.text
        assert size <= float(text.get("y", 0)) <= height
    for line in root.iter(f"{SVG}polyline"):
        points = [tuple(map(float, one.split(","))) for one in line.get("points", "").split()]
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)


@pytest.mark.parametrize("name", CALLS)
def test_no_two_labels_overlap(name: str) -> None:
    texts = [shape for shape in course_of(CALLS[name](), {}).shapes if isinstance(shape, Text)]
    boxes = [_box(text) for text in texts]
    for (one, box), (other, beside) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        apart = box[2] <= beside[0] or beside[2] <= box[0]
        apart = apart or box[3] <= beside[1] or beside[3] <= box[1]
        assert apart, (one, other)


def _box(text: Text) -> tuple[float, float, float, float]:
    wide = text_width(text.text, text.size)
    left = {"start": text.x, "middle": text.x - wide / 2, "end": text.x - wide}[text.anchor]
    return left, text.y - text.size * 0.45, left + wide, text.y + text.size * 0.45


def test_names_and_events_are_told() -> None:
    text = plot.svg(eventful(), names={ANA: "Ana <&> \x00", BRUNO: "Bruno"})
    assert "Ana &lt;&amp;&gt;" in text
    assert "\x00" not in text
    assert "Bruno lost" in text
    assert "mode switch" in text
    assert "high packet loss" in text
    assert "reconnection" in text
    assert ANA[-6:] in plot.svg(eventful())


def test_a_crowd_shows_the_worst() -> None:
    text = plot.svg(crowd(30))
    assert "the 8 worst of 30" in text
    ElementTree.fromstring(text)


def test_the_same_analysis_gives_the_same_picture() -> None:
    assert plot.svg(eventful()) == plot.svg(eventful())


def test_a_png_of_the_asked_size() -> None:
    drawing = course_of(eventful(), {})
    png = plot.png(eventful(), scale=0.5)
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == (500, round(drawing.height / 2))
    assert {type(shape) for shape in drawing.shapes} == {Stroke, Rect, Text}
