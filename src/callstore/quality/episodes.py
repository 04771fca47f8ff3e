"""Episodes with hysteresis: one trouble is one issue, however its values hop around a line."""

from copy import copy
from datetime import datetime

from msgspec import Struct

from callstore.quality.lines import LINES, Line, Lines
from callstore.quality.model import Issue, IssueType, Severity
from callstore.times import from_ms

SEVERITIES: tuple[Severity, ...] = ("minor", "major", "critical")


class Seen(Struct, array_like=True, gc=False):
    """One judged value. `level` is how many lines it passes, 0-3."""

    at: float
    level: int
    clear: bool
    value: float


class Episode(Struct, omit_defaults=True):
    """The state of one type of issue. `since` without `until` is open; with it, it is closed but
    may still go on.
    """

    recent: list[Seen] = []
    since: float | None = None
    until: float | None = None
    cleared: float | None = None  # the first sample of the clear run that goes on
    troubled: float = 0.0  # the last sample that was not clear
    level: int = 0
    worst: float = 0.0
    samples: int = 0

    @property
    def open(self) -> bool:
        return self.since is not None and self.until is None

    def over(self, at: float, lines: Lines) -> bool:
        """Whether it cannot go on any more, nor has anything begun that may open."""
        if self.recent or self.open:
            return False
        return self.until is None or at - self.until > lines.reopen_s * 1000


def judge(value: float, line: Line) -> tuple[int, bool]:
    """How many of the lines it passes, and whether it is clear."""
    if line.below:
        clear = value >= line.clear
        return (value < line.minor) + (value < line.major) + (value < line.critical), clear
    clear = value <= line.clear
    return (value > line.minor) + (value > line.major) + (value > line.critical), clear


def follow(
    episode: Episode, line: Line, now: Seen, lines: Lines = LINES, began: float | None = None
) -> Episode | None:
    """Takes one more value into the episode. Returns the one before, where a new one begins, at
    the first value over or at `began`.
    """
    recent = episode.recent
    if recent and now.at - recent[-1].at > lines.gap_always_s * 1000:
        end(episode, line)
    recent.append(now)
    if len(recent) > line.of:
        del recent[0]
    if episode.since is not None and episode.until is None:
        _go_on(episode, line, now)
        return None
    over = [one for one in recent if one.level]
    if not over:
        recent.clear()  # a state that is smaller and tells the same
    if not now.level or len(over) < line.need:
        return None
    return _open(episode, line, over, over[0].at if began is None else began, lines)


def end(episode: Episode, line: Line) -> None:
    """No more values: what is open ends with the last one."""
    if episode.open:
        episode.until = episode.recent[-1].at + line.tail_s * 1000
    episode.recent = []


def issue(episode: Episode, type: IssueType, participant_id: str) -> Issue:
    """The entry of an episode that has opened."""
    until = episode.until
    return Issue(
        timestamp=to_time(episode.since or 0.0),
        ended_at=None if until is None else to_time(until),
        type=type,
        severity=SEVERITIES[max(episode.level, 1) - 1],
        participant_id=participant_id,
        worst=round(episode.worst, 3),
        samples=episode.samples,
    )


def to_time(at: float) -> datetime:
    return from_ms(round(at))


def _go_on(episode: Episode, line: Line, now: Seen) -> None:
    if now.clear:
        episode.cleared = now.at if episode.cleared is None else episode.cleared
        recent = episode.recent
        if now.at - episode.troubled < line.hold_s * 1000 or len(recent) < line.of:
            return
        if all(one.clear for one in recent):
            episode.until = episode.cleared
        return
    episode.cleared, episode.troubled = None, now.at
    if now.level:
        _add(episode, line, [now])


def _open(
    episode: Episode, line: Line, over: list[Seen], first: float, lines: Lines
) -> Episode | None:
    """A new episode, or the last one goes on."""
    before = None
    if episode.until is None or first - episode.until > lines.reopen_s * 1000:
        if episode.until is not None:
            before = copy(episode)
        episode.since, episode.level, episode.samples = first, 0, 0
        episode.worst = over[0].value
    episode.until = episode.cleared = None
    episode.troubled = over[-1].at
    _add(episode, line, over)
    return before


def _add(episode: Episode, line: Line, over: list[Seen]) -> None:
    episode.samples += len(over)
    worst = [episode.worst, *(one.value for one in over)]
    episode.worst = min(worst) if line.below else max(worst)
    levels = sorted((one.level for one in episode.recent), reverse=True)
    if len(levels) >= line.need:
        episode.level = max(episode.level, levels[line.need - 1])
