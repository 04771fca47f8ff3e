"""The issues of one participant, found sample by sample.

The same code runs while the call is live, its small state kept between reports, and over all
samples when the call has ended.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

from callstore.quality import score, terms
from callstore.quality.episodes import Episode, Seen, end, follow, issue, judge
from callstore.quality.lines import LINES, Lines
from callstore.quality.model import Issue, IssueType, Reading
from callstore.quality.windows import Flow, Step, between, cuts, is_gap, to_ms, usual_spacing


class Media(Struct, frozen=True):
    """What others have on for a participant at a moment."""

    audio: bool
    video: bool  # a camera or a screen
    camera: bool  # cameras only
    connected: bool = False  # so that silence is an outage though nothing has come yet


Finished = list[tuple[IssueType, Episode]]


class Freezes(Struct, array_like=True):
    """The picture in the window that is under way; ms."""

    index: int
    shown: float = 0.0
    frozen: float = 0.0
    count: float = 0.0
    longest: float = 0.0  # without a frame


class Detector(Struct, omit_defaults=True):
    """The state. `origin` is the ms since 1970 that windows are aligned to."""

    origin: float
    episodes: dict[IssueType, Episode] = field(default_factory=dict)
    at: float | None = None  # of the last sample
    before: Reading | None = None  # the last sample, while live
    times: list[float] = []  # of the last samples, while live
    audio_came: float | None = None  # the last packets of a kind
    video_came: float | None = None
    silent_since: float | None = None
    still_since: float | None = None  # no frame since
    freezes: Freezes | None = None
    highest: int = 0  # frame height sent
    streams: tuple[str, ...] = ()  # of the video sent
    sending_since: float = 0.0


def detect(
    state: Any,
    reading: Reading,
    *,
    participant_id: str,
    origin: float | None = None,
    media: Media | None = None,
    lines: Lines = LINES,
) -> tuple[Any, list[Issue]]:
    """One report of a live call: (state, reading) -> (state, the issues now open). `state` is None
    at first, then what the last report gave, plain JSON. `origin` is the call's startedAt in ms;
    without `media` a kind is on while its packets come. A report that is not newer changes nothing.
    """
    at = to_ms(reading.at)
    if state is None:
        detector = Detector(origin=float(at) if origin is None else origin)
    else:
        detector = msgspec.convert(state, Detector)
    if detector.at is None or at > detector.at:
        _take(detector, at, reading, media, lines)
    return msgspec.to_builtins(detector), open_issues(detector, participant_id, lines)


def open_issues(detector: Detector, participant_id: str, lines: Lines = LINES) -> list[Issue]:
    """Those open now; what was not judged for long is not known to be."""
    since = (detector.at or 0.0) - lines.gap_always_s * 1000
    return [
        issue(episode, type, participant_id)
        for type, episode in detector.episodes.items()
        if episode.open and episode.recent[-1].at >= since
    ]


def close(detector: Detector, lines: Lines = LINES) -> Finished:
    """The series is over: what is left of it."""
    finished = [*_judge_freezes(detector, None, lines)]
    for type, episode in detector.episodes.items():
        end(episode, lines.of_type(type))
        if episode.since is not None:
            finished.append((type, episode))
    return finished


def observe(detector: Detector, step: Step, media: Media | None, lines: Lines = LINES) -> Finished:
    """One step, not a gap. Returns the episodes that newer ones of their type have replaced."""
    audio, video, camera = _on(detector, step, media, lines)
    finished: Finished = []
    for type, value in _values(step, audio, video, camera, lines):
        level, clear = judge(value, lines.of_type(type))
        if level or type in detector.episodes:
            _follow(detector, finished, type, Seen(step.end, level, clear, value), lines)
    _bitrate(detector, finished, step, video, lines)
    _limited(detector, finished, step, lines)
    _media_gap(detector, finished, step, (audio, video), lines)
    finished += _freeze(detector, step, video, camera, lines)
    detector.at = step.end
    return finished


def skip(detector: Detector) -> None:
    """A gap between samples: nothing is known of it."""
    detector.silent_since = detector.still_since = None


def _take(
    detector: Detector, at: float, reading: Reading, media: Media | None, lines: Lines
) -> None:
    if detector.before is not None and detector.at is not None:
        usual = usual_spacing(detector.times)
        if is_gap(at - detector.at, usual or at - detector.at, lines):
            skip(detector)
        else:
            observe(detector, between(detector.at, detector.before, at, reading), media, lines)
    kept = {name: getattr(reading, name) for name in Reading.__struct_fields__}
    detector.at, detector.before = at, Reading(**kept)
    detector.times = [*detector.times[-5:], float(at)]


def _on(
    detector: Detector, step: Step, media: Media | None, lines: Lines
) -> tuple[Flow | None, Flow | None, bool]:
    """The flows of the kinds that are on, and whether there is a camera."""
    if step.audio is not None and step.audio.received:
        detector.audio_came = step.end
    if step.video is not None and step.video.received:
        detector.video_came = step.end
    came = detector.audio_came is not None or detector.video_came is not None
    if not came and not (media is not None and media.connected):
        return None, None, False
    if media is not None:
        audio = step.audio if media.audio else None
        return audio, step.video if media.video else None, media.camera
    since = step.end - lines.trace_on_s * 1000
    audio = step.audio if detector.audio_came and detector.audio_came >= since else None
    video = step.video if detector.video_came and detector.video_came >= since else None
    return audio, video, True


def _values(
    step: Step, audio: Flow | None, video: Flow | None, camera: bool, lines: Lines
) -> Iterator[tuple[IssueType, float]]:
    flow = terms.speaking(audio, video)
    if flow is None:
        return
    if flow.loss is not None and flow.expected >= lines.few_packets:
        yield "high_packet_loss", flow.loss
    if step.rtt is not None:
        yield "high_rtt", step.rtt
    if flow.jitter is not None:
        yield "high_jitter", flow.jitter
    if audio is not None and audio.concealment is not None:
        yield "audio_concealment", audio.concealment
    if video is not None and camera and video.fps is not None:
        yield "low_fps", video.fps
    worth = score.weakest(
        terms.network(audio, video, step.rtt, lines),
        terms.freezing(video, lines),
        terms.rate(video, lines),
    )
    if worth is not None:
        yield "low_quality", worth


def _follow(
    detector: Detector,
    finished: Finished,
    type: IssueType,
    seen: Seen,
    lines: Lines,
    began: float | None = None,
) -> None:
    episode = detector.episodes.setdefault(type, Episode())
    before = follow(episode, lines.of_type(type), seen, lines, began)
    if before is not None:
        finished.append((type, before))
    if episode.over(seen.at, lines):
        del detector.episodes[type]
        if episode.since is not None:
            finished.append((type, episode))


def _bitrate(
    detector: Detector, finished: Finished, step: Step, video: Flow | None, lines: Lines
) -> None:
    expected = lines.expected_bitrate
    if not expected or video is None or video.bitrate is None:
        return
    level, clear = judge(video.bitrate / expected, lines.bitrate)
    if video.bitrate < lines.bitrate_floor and expected >= lines.bitrate_floor_from:
        level, clear = max(level, 2), False
    _follow(detector, finished, "low_bitrate", Seen(step.end, level, clear, video.bitrate), lines)


def _limited(detector: Detector, finished: Finished, step: Step, lines: Lines) -> None:
    """The encoder of the own video says that the bandwidth limits it."""
    video = step.now.video
    if video is None or video.quality_limitation_reason is None:
        return
    if not set(detector.streams) & set(video.sent_streams):
        detector.sending_since = step.start
    detector.streams = video.sent_streams
    height = video.frame_height_sent or 0
    detector.highest = max(detector.highest, height)
    if step.end - detector.sending_since <= lines.ramp_s * 1000:
        return
    reason = video.quality_limitation_reason
    value = 0.25 if reason == "cpu" else 0.0  # neither over the line nor clear
    if reason == "bandwidth":
        value = detector.highest / height if height else 1.0
    level, clear = judge(value, lines.limited)
    seen = Seen(step.end, level, clear, value)
    _follow(detector, finished, "bandwidth_limited", seen, lines)


def _media_gap(
    detector: Detector,
    finished: Finished,
    step: Step,
    on: tuple[Flow | None, Flow | None],
    lines: Lines,
) -> None:
    known = [flow.bytes for flow in on if flow is not None and flow.bytes is not None]
    if not known or any(known):
        detector.silent_since = None
        if "media_gap" in detector.episodes:
            _follow(detector, finished, "media_gap", Seen(step.end, 0, True, 0.0), lines)
        return
    if detector.silent_since is None:
        detector.silent_since = step.start
    line, since = lines.media_gap, detector.silent_since
    value = step.end - since
    level = (value >= line.minor) + (value >= line.major) + (value >= line.critical)
    if level:
        seen = Seen(step.end, level, False, value)
        _follow(detector, finished, "media_gap", seen, lines, since)


def _freeze(
    detector: Detector, step: Step, video: Flow | None, camera: bool, lines: Lines
) -> Finished:
    """Spreads what stood still over the windows, and judges those that are full."""
    if video is None or video.frozen is None:
        detector.still_since = None
        return []
    if video.frames != 0 or not camera:  # a screen may well stand still
        detector.still_since = None
    elif detector.still_since is None:
        detector.still_since = step.start
    still = step.end - detector.still_since if detector.still_since is not None else 0.0
    each = video.frozen / video.freezes if video.freezes else 0.0
    finished: Finished = []
    for index, part in cuts(step.start, step.end, detector.origin, lines.window_s * 1000):
        if detector.freezes is None or detector.freezes.index != index:
            finished += _judge_freezes(detector, index, lines)
        window, share = detector.freezes, part / (step.end - step.start)
        if window is not None:
            window.shown += part
            window.frozen += video.frozen * share
            window.count += (video.freezes or 0.0) * share
            window.longest = max(window.longest, still, each)
    return finished


def _judge_freezes(detector: Detector, next: int | None, lines: Lines) -> Finished:
    """Judges the window under way and begins the next one."""
    window, line = detector.freezes, lines.freeze
    detector.freezes = Freezes(next) if next is not None else None
    finished: Finished = []
    if window is not None and window.shown:
        share = min(100 * window.frozen / window.shown, 100.0)
        minor = window.count > 0 and window.frozen / window.count > line.minor
        level = 1 if minor else 0
        level = 2 if share > line.major else level
        level = 3 if window.longest > line.critical else level
        at = detector.origin + window.index * lines.window_s * 1000
        clear = not level and share < line.clear
        _follow(detector, finished, "video_freeze", Seen(at, level, clear, share), lines)
    return finished
