"""The steps a database goes through, oldest first. A step that has shipped never changes."""

from datetime import datetime

from msgspec import Struct

from callstore.schema.model import SchemaStep


class Step(Struct, frozen=True, kw_only=True):
    """`oldest_code`: the oldest schema version whose code can still use the database after it."""

    id: int
    name: str
    oldest_code: int
    creates: tuple[str, ...]

    def applied(self, at: datetime) -> SchemaStep:
        return SchemaStep(id=self.id, name=self.name, applied_at=at, oldest_code=self.oldest_code)


STEPS: tuple[Step, ...] = (
    Step(
        id=1,
        name="calls, their log and their quality",
        oldest_code=1,
        creates=(
            "CallSchema",
            "CallLease",
            "CallSession",
            "CallParticipant",
            "CallPulse",
            "CallLogEntry",
            "CallEvent",
            "CallQualitySample",
            "CallAnalytics",
        ),
    ),
)
CURRENT = STEPS[-1].id
