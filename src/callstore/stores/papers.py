"""What a store is asked for of holds and erasures."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from callstore.calls.model import Party
from callstore.calls.pages import Place
from callstore.privacy.model import Counts, Erasure, Hold, Lately
from callstore.recordings.model import Recording

HoldChange = Callable[[Hold | None], Hold | None]
ErasureChange = Callable[[Erasure | None], Erasure | None]
"""From the row that is there to the one to write; None: nothing is written."""


class Papers(Protocol):
    """Each method raises as those of a Store do."""

    @property
    def lags(self) -> bool:
        """Whether what was on its way may be committed after what it was decided on has gone."""
        ...

    async def change_hold(self, id: str, change: HoldChange) -> Hold | None:
        """Atomically reads the hold, asks `change`, writes what it gives."""

    async def hold(self, id: str) -> Hold | None: ...

    async def holds(self) -> list[Hold]:
        """All, the latest first."""
        ...

    async def holds_on(self, party: Party) -> list[Hold]:
        """Those that name the party, released ones too; examines just those."""
        ...

    async def unsettled_holds(self, now: datetime) -> list[Hold]:
        """Of which not every call knows yet, and those whose time is over. Examines just those."""
        ...

    async def forget_holds(self, erasure_id: str, party: Party, at: datetime) -> None:
        """Released holds on the party no longer say whom they were on, or why. The erasure counts
        them, in the same transaction."""

    async def change_erasure(self, id: str, change: ErasureChange) -> Erasure | None:
        """As `change_hold`."""

    async def erasure(self, id: str) -> Erasure | None: ...

    async def pending_erasures(self) -> list[Erasure]:
        """Examines just those."""
        ...

    async def erasures(self, party_hash: str | None) -> list[Erasure]:
        """Of a party, else all; the latest first."""
        ...

    async def calls_in(self, conversation_id: str, after: Place | None, limit: int) -> list[Place]:
        """The next calls of a conversation, the oldest first, behind `after`: when each began, and
        its id."""
        ...

    async def recordings_of_calls(self, calls: Sequence[tuple[str, str]]) -> list[Recording]:
        """All of these: (conversation, id) each."""
        ...

    async def erase_late(self, erasure_id: str, rows: Sequence[Lately]) -> Counts:
        """Deletes captions, samples and pulses that came after their participant, or anything that
        came after its call, was erased. In the same transaction the erasure counts what that was,
        and no longer lists these."""
        ...

    async def scrub(self) -> bool:
        """Nothing of what was deleted, for whatever reason, can be read in the store's own files
        afterwards, its index of words among them; False where somebody still reads what was there
        before. In short transactions."""
        ...
