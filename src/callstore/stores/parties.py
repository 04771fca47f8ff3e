"""What a store is asked about one party: what is kept of it, page by page."""

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from callstore.calls.model import Call, LogEntry, Participant, Party
from callstore.ids import Id


class Part(Struct, frozen=True, kw_only=True):
    """A party's part in a call: where its rows are. Without a participant where it never joined."""

    conversation_id: Id
    call_session_id: Id
    participant_id: Id | None = None


ORDERS: dict[str, tuple[str, ...]] = {
    "CallRecording": ("id",),
    "CallEvent": ("seq",),
    "CallTranscription": ("timestamp", "id"),
    "CallQualitySample": ("at", "id"),
    "CallAnalytics": ("id",),
}
"""In which order the rows of a call are read, by their attributes."""

OF_PARTICIPANT = ("CallTranscription", "CallQualitySample")
"""Whose rows are a participant's; those of the others are a call's."""


class PartyStore(Protocol):
    """Reads, each in one snapshot and by an index. What is deleted meanwhile is not there."""

    async def entries(
        self, party: Party, after: str | None, limit: int
    ) -> tuple[list[LogEntry], str | None]:
        """The party's log entries, hidden ones too, by their calls' ids, which begin with the time:
        those past `after`, and what to ask the next ones with (None: there are none). Examines
        `limit` entries."""
        ...

    async def around(
        self, party: Party, entries: Sequence[LogEntry]
    ) -> tuple[dict[str, Call], dict[str, Participant]]:
        """The calls of these entries, without their participants, and the party's own rows in
        them, by call id. Two queries."""
        ...

    async def rows(self, collection: str, parts: Sequence[Part], limit: int) -> list[Any]:
        """Rows of these parts in no order, `limit` at most. A collection of a participant's needs
        parts with one. One query."""
        ...

    async def rows_after(
        self, collection: str, part: Part, after: Any | None, limit: int
    ) -> list[Any]:
        """The next rows of one part in their order, past the row `after`. One query; of captions it
        examines those of others between them."""
        ...
