"""Keeps the windows of a long call with many participants small enough to be stored."""

import math
from collections.abc import Iterable, Mapping, Sequence

from callstore.quality import score
from callstore.quality.episodes import to_time
from callstore.quality.lines import LINES, Lines
from callstore.quality.model import KindWindow, ParticipantWindows, Window
from callstore.quality.windows import to_ms

MAX_WINDOWS = 20_000
"""Stored of a call: about 8 MB, half of what a MongoDB document holds."""
_AVERAGED = ("packet_loss", "jitter", "rtt", "delay", "bitrate")


def thinned(
    of: Mapping[str, Sequence[Window]],
    origin: float,
    lines: Lines = LINES,
    *,
    most: int = MAX_WINDOWS,
) -> list[ParticipantWindows]:
    """The windows by participant as they are, or as many beside each other made one as it takes to
    keep about `most`. What was scored was scored before.
    """
    times = max(1, math.ceil(sum(map(len, of.values())) / most))
    width = lines.window_s * times
    return [
        ParticipantWindows(
            participant_id=id,
            width=width,
            windows=list(windows) if times == 1 else _merged(windows, origin, width),
        )
        for id, windows in of.items()
    ]


def _merged(windows: Sequence[Window], origin: float, width: float) -> list[Window]:
    groups: dict[int, list[Window]] = {}
    for window in windows:
        index = int((to_ms(window.start) - origin) // (width * 1000))
        groups.setdefault(index, []).append(window)
    return [_merge(group, origin + n * width * 1000) for n, group in sorted(groups.items())]


def _merge(group: Sequence[Window], start: float) -> Window:
    """Averages by the seconds scored, and the terms of the worst."""
    worst = min(group, key=lambda one: 101 if one.score is None else one.score)
    averages = {name: _mean((getattr(w, name), w.seconds) for w in group) for name in _AVERAGED}
    return Window(
        start=to_time(start),
        seconds=round(math.fsum(one.seconds for one in group), 3),
        score=_mean((one.score, one.seconds) for one in group),
        terms=worst.terms,
        away=round(math.fsum(one.away for one in group), 3),
        audio=_merge_kind([(one.audio, one.seconds) for one in group]),
        video=_merge_kind([(one.video, one.seconds) for one in group]),
        **averages,
    )


def _merge_kind(parts: Sequence[tuple[KindWindow | None, float]]) -> KindWindow | None:
    known = [(part, weight) for part, weight in parts if part is not None]
    if not known:
        return None
    return KindWindow(
        **{
            name: _mean((getattr(part, name), weight) for part, weight in known)
            for name in KindWindow.__struct_fields__
        }
    )


def _mean(items: Iterable[tuple[float | None, float]]) -> float | None:
    known = [(value, weight) for value, weight in items if value is not None and weight]
    return round(score.mean(known), 3) if known else None
