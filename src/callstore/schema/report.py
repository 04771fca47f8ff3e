"""What `calls.schema` answers."""

from typing import Literal

from callstore.calls.model import Row
from callstore.schema.adoption.model import AdoptionReport
from callstore.schema.model import SchemaStep
from callstore.schema.shape import What

Action = Literal["make", "change", "remove", "leave"]


class Planned(Row, frozen=True, kw_only=True):
    """A difference of the database from this code's schema, and what `up` does about it."""

    what: What
    collection: str
    name: str
    action: Action
    detail: str
    rows: int = 0  # that an index is built over, that rules are held against, or that go
    seconds: float | None = None  # an estimate, of an index


class Built(Row, frozen=True, kw_only=True):
    """An index that was built, over how many rows, and how long it took."""

    collection: str
    index: str
    rows: int
    seconds: float


class Probe(Row, frozen=True, kw_only=True):
    """Something a database must refuse, tried; `detail` is why it was refused, or that it was
    not."""

    collection: str
    name: str
    ok: bool
    detail: str


class SchemaReport(Row, frozen=True, kw_only=True):
    """`version` is the database's (0: new), `code` this code's, `pending` what `up` applies: steps
    that are to come, and what is missing or changed of those that were applied. `foreign` are the
    collections that something else wrote and `up` takes over.

    `changes` is filled by plan, `built` and `lost` by up and down, `probes` by verify, `adoption`
    by plan and up where there is something to take over.
    """

    version: int
    code: int
    applied: list[SchemaStep]
    pending: list[str]
    foreign: list[str] = []
    adoption: AdoptionReport | None = None
    changes: list[Planned] = []
    built: list[Built] = []
    lost: list[str] = []  # queries by the fields of indexes that went, with none in their place
    probes: list[Probe] = []

    @property
    def behind(self) -> bool:
        """Whether `up` has something to do."""
        return bool(self.pending) or any(change.action != "leave" for change in self.changes)
