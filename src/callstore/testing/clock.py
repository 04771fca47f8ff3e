"""A clock that stands still until it is told otherwise."""

from datetime import UTC, datetime, timedelta
from threading import Lock

from callstore.times import cut


class FakeClock:
    """Called, it gives an aware UTC datetime in whole milliseconds.

    It starts at the real now, because a database expires rows by real time (MongoDB's TTL), and it
    may be set back, as clocks of real machines are. Any thread may read or move it.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = Lock()
        self._now = _whole(datetime.now(UTC) if start is None else start)

    def __call__(self) -> datetime:
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> datetime:
        """Move by seconds, backwards if they are negative; gives the new time."""
        return self.tick(timedelta(seconds=seconds))

    def tick(self, step: timedelta) -> datetime:
        """Move by a timedelta, which may be negative; gives the new time."""
        with self._lock:
            self._now = _whole(self._now + step)
            return self._now

    def set(self, now: datetime) -> datetime:
        """Stand at `now`, earlier or later; gives the new time."""
        with self._lock:
            self._now = _whole(now)
            return self._now


def _whole(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError("a clock needs an aware datetime")
    return cut(time.astimezone(UTC))
