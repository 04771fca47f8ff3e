"""What a store is asked for of the audit: a chain of entries by seq, of which row 0 says where it
begins and ends. Stores know no rules of it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from callstore.privacy.chain import Written
from callstore.privacy.model import AuditEntry

Decide = Callable[[AuditEntry | None, Sequence[AuditEntry]], Written | None]
"""Of row 0 (None: a new database) and the oldest entries: what to write, None for nothing. May be
asked again after a conflict."""


class AuditStore(Protocol):
    """Each method raises as those of a Store do."""

    async def change(self, decide: Decide, *, oldest: int = 0) -> Written | None:
        """Reads row 0 and so many of the oldest entries, asks `decide`, and writes what it gives:
        what is `gone` is deleted, the entry inserted, row 0 written over; in one transaction. As
        each writes row 0 and a seq is there once, writers of any number of processes follow one
        another; Busy where that takes longer than the command deadline."""
        ...

    async def entries(self, after: int, limit: int) -> tuple[AuditEntry | None, list[AuditEntry]]:
        """Row 0, and the next `limit` entries by seq above `after`, in one snapshot."""
        ...

    async def newest(
        self, below: int | None, limit: int, party_hash: str | None = None
    ) -> list[AuditEntry]:
        """The `limit` newest entries with a seq below this one (None: of all), newest first; of one
        party by an index. Examines those."""
        ...
