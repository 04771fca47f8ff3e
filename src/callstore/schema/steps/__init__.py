"""The steps a database has gone through, oldest first.

A new database is made from the declaration in `tables` and counts as having gone through all of
them; what a step does to an older one stands with each store, and never changes once it shipped.
"""

from datetime import datetime

from msgspec import Struct

from callstore.schema.model import SchemaStep


class Step(Struct, frozen=True, kw_only=True):
    """`oldest_code`: the oldest schema version whose code can still use the database after it."""

    id: int
    name: str
    oldest_code: int

    def applied(self, at: datetime) -> SchemaStep:
        return SchemaStep(id=self.id, name=self.name, applied_at=at, oldest_code=self.oldest_code)


STEPS: tuple[Step, ...] = (
    Step(
        id=1,
        name="calls, their log and their quality",
        oldest_code=1,
    ),
)
CURRENT = STEPS[-1].id
