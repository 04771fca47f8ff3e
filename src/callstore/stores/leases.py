"""Who does a job that only one may do at a time, and since when the sweep watches. Pure."""

from collections.abc import Callable
from datetime import datetime, timedelta

from callstore.calls.model import replace
from callstore.schema.model import Lease

SWEEP = "sweep"
WATCH = "watch"
LEASE_FOR = timedelta(seconds=60)
WATCH_GAP = timedelta(seconds=120)  # sweeps further apart than this do not watch
AHEAD = timedelta(hours=1)  # further than this, clocks of several machines are not apart

Change = Callable[[Lease | None], Lease | None]
"""From the lease that is there to the one to write; None: nothing is written. One that says
nothing is not kept."""


def take(
    id: str, holder: str, now: datetime, gone: Callable[[str], bool] = lambda _: False
) -> Change:
    """Taken or renewed; not while another holds it, unless `gone` knows that it is no more. Whom
    nobody relieved in time starts to watch anew."""

    def change(old: Lease | None) -> Lease | None:
        token = old.token if old else None
        if old and old.last_run_at and old.last_run_at > now + AHEAD:
            old = None  # by a clock that was wrong: it must not stop sweeps until then
        other = old.holder if old and old.until and old.until > now else None
        if other not in (None, holder) and not gone(str(other)):
            return None
        return Lease(
            id=id,
            holder=holder,
            until=now + LEASE_FOR,
            watching_since=watching_since(old, now) or now,
            last_run_at=now,
            token=token,
        )

    return change


def renew(id: str, holder: str, now: datetime) -> Change:
    """Not once another has taken it, even if it was given back."""
    taking = take(id, holder, now)
    return lambda old: taking(old) if old and old.holder == holder else None


def release(holder: str) -> Change:
    def change(old: Lease | None) -> Lease | None:
        if old is None or old.holder != holder:
            return None
        return replace(old, holder=None, until=None)

    return change


def forget(holder: str) -> Change:
    """Given back, with nothing to remember but how far its work has come."""

    def change(old: Lease | None) -> Lease | None:
        if old is None or old.holder != holder:
            return None
        return replace(old, holder=None, until=None, watching_since=None, last_run_at=None)

    return change


def come_to(holder: str, token: str) -> Change:
    """How far its work has come; not once another has taken it."""
    return lambda old: replace(old, token=token) if old and old.holder == holder else None


def watching_since(sweep: Lease | None, now: datetime) -> datetime | None:
    """Since when sweeps have come regularly; None when the last one is too long ago."""
    if sweep is None or sweep.last_run_at is None or now - sweep.last_run_at > WATCH_GAP:
        return None
    return sweep.watching_since
