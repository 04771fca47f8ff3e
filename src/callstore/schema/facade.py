"""`calls.schema`: which schema a database is at, and how it gets to this code's."""

from collections.abc import Callable
from datetime import datetime

from callstore.calls.model import Row
from callstore.errors import SchemaMismatch
from callstore.schema.model import SchemaStep
from callstore.schema.steps import CURRENT, STEPS
from callstore.stores.protocol import Store


class SchemaReport(Row, frozen=True, kw_only=True):
    """`version` is the database's (0: empty), `code` this code's, `pending` what `up` applies."""

    version: int
    code: int
    applied: list[SchemaStep]
    pending: list[str]


class Schema:
    def __init__(self, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def status(self) -> SchemaReport:
        applied = await self._store.schema()
        version = applied[-1].id if applied else 0
        missing = await self._store.missing_indexes() if version else []
        return SchemaReport(
            version=version,
            code=CURRENT,
            applied=applied,
            pending=[
                *(f"step {step.id}: {step.name}" for step in STEPS if step.id > version),
                *(f"index {name}" for name in missing),
            ],
        )

    async def up(self) -> SchemaReport:
        """Applies what is missing, whole or not at all; SchemaMismatch for what is past this
        code."""
        status = await self.status()
        _check_usable(status.applied)
        if not status.pending:
            return status
        await self._store.migrate(STEPS, self._clock)
        await self._store.build_indexes()
        return await self.status()


def _check_usable(applied: list[SchemaStep]) -> None:
    """SchemaMismatch for a database that has moved past this code."""
    oldest = max((step.oldest_code for step in applied), default=0)
    if oldest > CURRENT:
        raise SchemaMismatch(
            f"the database is at schema {applied[-1].id} and needs code of schema {oldest} or"
            f" later; this code is of schema {CURRENT}: install a newer callstore"
        )
