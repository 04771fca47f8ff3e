"""Times: aware UTC datetimes in whole milliseconds, and as numbers, ms since 1970."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""No time that is kept is later."""
_MS = timedelta(milliseconds=1)


def cut(moment: datetime) -> datetime:
    """`moment` without what is finer than a millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def to_ms(moment: datetime) -> int:
    return (moment - EPOCH) // _MS


def from_ms(ms: int) -> datetime:
    """Exact from 1970 to 2200: a float of seconds has the microseconds until then."""
    return datetime.fromtimestamp(ms / 1000, UTC)
