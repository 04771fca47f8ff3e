"""What callstore keeps of itself: leases, and the schema steps a database has gone through."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from callstore.calls.model import Row

MOST_TOKEN = 8192  # characters


class Lease(Row, frozen=True, kw_only=True):
    """Who does a job that only one may do at a time; `id` names the job.

    The sweep's also remembers when it last ran and since when it has run regularly; the watcher's
    how far it has come.
    """

    id: str
    holder: str | None
    until: datetime | None
    watching_since: datetime | None
    last_run_at: datetime | None
    token: Annotated[str, Meta(max_length=MOST_TOKEN)] | None = None  # from where to go on

    @property
    def empty(self) -> bool:
        return self.holder is None and self.last_run_at is None and self.token is None


class SchemaStep(Row, frozen=True, kw_only=True):
    """A step that was applied. `oldest_code` is the oldest schema version whose code may still
    use a database that has gone through it."""

    id: int
    name: str
    applied_at: datetime
    oldest_code: int
