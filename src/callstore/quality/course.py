"""A participant's course through a call: samples -> steps -> windows, and the issues on the way."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from msgspec import Struct, field

from callstore.quality import score, terms
from callstore.quality.episodes import to_time
from callstore.quality.issues import Detector, Finished, Media, close, observe, skip
from callstore.quality.lines import LINES, Lines
from callstore.quality.model import KindWindow, Reading, Terms, Window
from callstore.quality.presence import Presence, Segment
from callstore.quality.windows import (
    Flow,
    Step,
    between,
    cuts,
    in_order,
    is_gap,
    usual_spacing,
)

_NOTHING_ON = Media(audio=False, video=False, camera=False)


class Pane(Struct):
    """What is gathered for one window."""

    seconds: float = 0.0  # covered, with something on
    away: float = 0.0  # without a connection
    audio: Flow | None = None
    video: Flow | None = None
    camera_s: float | None = None  # frames/s * s of cameras
    camera_known: float = 0.0
    rtt_s: float = 0.0  # ms * s
    rtt_known: float = 0.0
    live: bool = False  # connected, or something has come: nothing now is an outage


class Course(Struct):
    """All that is known of a participant. `panes` are by the index of their window."""

    panes: dict[int, Pane] = field(default_factory=dict)
    issues: Finished = []
    samples: int = 0
    sent: int = 0  # bytes of payload
    received: int = 0
    bits: float = 0.0  # received while connected, payload and headers
    bits_known: bool = False
    connected: float = 0.0  # seconds covered by samples


def run(
    samples: Sequence[Reading], presence: Presence | None, origin: float, lines: Lines = LINES
) -> Course:
    """Windows are aligned to `origin`, ms since 1970. Without a presence (a bare trace) a kind is
    on while its packets come, and for a while after.
    """
    timed = in_order(samples)
    usual = usual_spacing([at for at, _ in timed])
    course, steps = Course(samples=len(timed)), list[Step | None]()
    for (start, before), (end, now) in pairwise(timed):
        step = between(start, before, end, now)
        course.sent += step.sent
        course.received += step.received
        steps.append(None if is_gap(end - start, usual, lines) else step)
    segments = _of_trace(steps, lines) if presence is None else presence.segments
    _away(course, presence, origin, lines)
    _walk(course, steps, segments, presence is not None, Detector(origin=origin), lines)
    return course


def _walk(
    course: Course,
    steps: Sequence[Step | None],
    segments: Sequence[Segment],
    known: bool,
    detector: Detector,
    lines: Lines,
) -> None:
    """`known`: the segments are what was on, not guessed from the packets."""
    first, came = 0, 0
    for step in steps:
        if step is None:
            skip(detector)
            continue
        while first < len(segments) and segments[first].end <= step.start:
            first += 1
        media = _NOTHING_ON if known else None
        for segment in segments[first:]:
            if segment.start >= step.end:
                break
            came = segment.seat if _anything(step) else came
            live = segment.connected or came == segment.seat
            _spread(course, step, segment, live, detector.origin, lines)
            if known:
                media = Media(segment.audio, segment.video, segment.camera, connected=live)
        course.issues += observe(detector, step, media, lines)
    course.issues += close(detector, lines)


def _spread(
    course: Course, step: Step, segment: Segment, live: bool, origin: float, lines: Lines
) -> None:
    """Gives each window its share of the step, as far as it lies in the segment."""
    start, end = max(step.start, segment.start), min(step.end, segment.end)
    for index, part in cuts(start, end, origin, lines.window_s * 1000):
        share, seconds = part / (step.end - step.start), part / 1000
        course.connected += seconds
        for flow in (step.audio, step.video):
            if flow is not None and flow.bytes is not None:
                course.bits += 8 * share * flow.bytes
                course.bits_known = True
        if segment.audio or segment.video:
            pane = course.panes.get(index)
            if pane is None:
                pane = course.panes[index] = Pane()
            _fill(pane, step, segment, share, seconds)
            pane.live = pane.live or live


def _fill(pane: Pane, step: Step, segment: Segment, share: float, seconds: float) -> None:
    pane.seconds += seconds
    if segment.audio and step.audio is not None:
        pane.audio = step.audio.add_to(pane.audio, share)
    if segment.video and step.video is not None:
        pane.video = step.video.add_to(pane.video, share)
        if segment.camera and step.video.fps is not None:
            pane.camera_s = (pane.camera_s or 0.0) + step.video.fps * seconds
            pane.camera_known += seconds
    if step.rtt is not None:
        pane.rtt_s += step.rtt * seconds
        pane.rtt_known += seconds


def _anything(step: Step) -> bool:
    return any(flow is not None and flow.received for flow in (step.audio, step.video))


def _away(course: Course, presence: Presence | None, origin: float, lines: Lines) -> None:
    """The time between a lost seat and the next join: it counts, and scores 0."""
    for drop in presence.drops if presence is not None else ():
        for index, part in cuts(drop.at, drop.back or drop.at, origin, lines.window_s * 1000):
            course.panes.setdefault(index, Pane()).away += part / 1000


def _of_trace(steps: Sequence[Step | None], lines: Lines) -> list[Segment]:
    """What was on, guessed from what came."""
    known = [step for step in steps if step is not None]
    audio = _on([step for step in known if step.audio and step.audio.received], lines)
    video = _on([step for step in known if step.video and step.video.received], lines)
    edges = sorted({edge for span in audio + video for edge in span})
    return [
        Segment(start, end, hears, sees, camera=sees, connected=True, seat=1)
        for start, end in pairwise(edges)
        for hears, sees in [(_within(start, audio), _within(start, video))]
    ]


def _on(came: Iterable[Step], lines: Lines) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []
    for step in came:
        until = step.end + lines.trace_on_s * 1000
        if spans and step.start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], until)
        else:
            spans.append((step.start, until))
    return spans


def _within(at: float, spans: Iterable[tuple[float, float]]) -> bool:
    return any(start <= at < end for start, end in spans)


def windows(course: Course, origin: float, lines: Lines = LINES) -> list[Window]:
    """The course's windows with their scores, in order."""
    panes = sorted(course.panes.items())
    expected = score.percentile(
        ((p.camera_s / p.camera_known, p.camera_known) for _, p in panes if p.camera_s is not None),
        lines.fps_percentile,
    )
    return [
        _window(pane, origin + index * lines.window_s * 1000, expected, lines)
        for index, pane in panes
    ]


def _window(pane: Pane, start: float, expected_fps: float | None, lines: Lines) -> Window:
    rtt = pane.rtt_s / pane.rtt_known if pane.rtt_known else None
    fps = pane.camera_s / pane.camera_known if pane.camera_s is not None else None
    found = Terms(
        net=_round(terms.network(pane.audio, pane.video, rtt, lines)),
        freeze=_round(terms.freezing(pane.video, lines)),
        fps=_round(score.fps(expected_fps, fps, lines)),
        rate=_round(terms.rate(pane.video, lines)),
    )
    worth = score.weakest(found.net, found.freeze, found.fps, found.rate)
    if not pane.live and terms.silent(pane.audio, pane.video):
        found, worth = Terms(), None  # not there yet
    parts = [(worth, pane.seconds)] if worth is not None and pane.seconds else []
    parts += [(0.0, pane.away)] if pane.away else []
    flow = terms.speaking(pane.audio, pane.video)
    bits = [f.bytes * 8 for f in (pane.audio, pane.video) if f is not None and f.bytes is not None]
    return Window(
        start=to_time(start),
        seconds=round(sum(seconds for _, seconds in parts) or pane.seconds, 3),
        score=_round(score.mean(parts)) if parts else None,
        terms=found,
        away=round(pane.away, 3),
        packet_loss=_round(flow.loss) if flow else None,
        jitter=_round(flow.jitter) if flow else None,
        rtt=_round(rtt),
        delay=_round(flow.delay) if flow else None,
        bitrate=_round(sum(bits) / pane.seconds) if bits and pane.seconds else None,
        audio=_kind_window(pane.audio),
        video=_kind_window(pane.video),
    )


def _kind_window(flow: Flow | None) -> KindWindow | None:
    if flow is None:
        return None
    share = flow.frozen_share
    return KindWindow(
        packet_loss=_round(flow.loss),
        jitter=_round(flow.jitter),
        delay=_round(flow.delay),
        bitrate=_round(flow.bitrate),
        concealed=_round(flow.concealment),
        fps=_round(flow.fps),
        frozen=_round(100 * share) if share is not None else None,
    )


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
