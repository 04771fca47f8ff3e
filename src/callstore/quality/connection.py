"""The issues that are events: connections that were lost, and that were lost again and again."""

from collections.abc import Sequence

from callstore.quality.episodes import SEVERITIES, to_time
from callstore.quality.lines import LINES, Lines
from callstore.quality.model import Issue
from callstore.quality.presence import Drop


def connection_issues(
    drops: Sequence[Drop], participant_id: str, ended: float | None, lines: Lines = LINES
) -> list[Issue]:
    """Of a participant's drops in order; `ended` is the call's end, ms since 1970."""
    found = [_reconnection(drop, participant_id, ended, lines) for drop in drops]
    return found + _unstable([drop.at for drop in drops], participant_id, lines)


def _reconnection(drop: Drop, participant_id: str, ended: float | None, lines: Lines) -> Issue:
    """From the drop until the party is connected again; who never joins again has failed."""
    until = drop.connected or drop.back
    level = 3
    if until is not None:
        away = until - drop.at
        level = 1 + (away >= lines.reconnection.major) + (away >= lines.reconnection.critical)
    end = until if until is not None else ended
    return Issue(
        timestamp=to_time(drop.at),
        ended_at=None if end is None else to_time(end),
        type="reconnection",
        severity=SEVERITIES[level - 1],
        participant_id=participant_id,
        worst=(end if end is not None else drop.at) - drop.at,
        samples=1,
    )


def _unstable(times: Sequence[float], participant_id: str, lines: Lines) -> list[Issue]:
    """Runs of drops with less than the quiet time between them."""
    runs: list[list[float]] = []
    for at in times:
        if runs and at - runs[-1][-1] <= lines.unstable_quiet_s * 1000:
            runs[-1].append(at)
        else:
            runs.append([at])
    found = [(run, _level(run, lines)) for run in runs]
    return [
        Issue(
            timestamp=to_time(run[0]),
            ended_at=to_time(run[-1]),
            type="unstable_connection",
            severity=SEVERITIES[level - 1],
            participant_id=participant_id,
            worst=float(max(_within(run, at, 60) for at in run)),
            samples=len(run),
        )
        for run, level in found
        if level
    ]


def _level(run: Sequence[float], lines: Lines) -> int:
    """The highest line that any stretch of the run passes."""
    passed = [
        level
        for level, (count, seconds) in enumerate(lines.unstable, 1)
        if any(_within(run, at, seconds) >= count for at in run)
    ]
    return max(passed, default=0)


def _within(run: Sequence[float], start: float, seconds: float) -> int:
    return sum(start <= at <= start + seconds * 1000 for at in run)
