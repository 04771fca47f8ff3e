"""What is kept of holds, erasures and privileged acts. One Struct is one row."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta

from callstore.calls.model import Label, Party, Row, party_from_ref
from callstore.ids import Id

PartyRef = Annotated[str, Meta(pattern="^[ug]:[0-9a-f]{24}$")]
Digest = Annotated[str, Meta(min_length=64, max_length=64, pattern="^[0-9a-f]{64}$")]
"""A SHA-256, or a MAC by it, as hex digits."""

EraseMode = Literal["anonymise", "delete"]
EraseRecordings = Literal["requested", "participated", "keep"]
Counts = dict[str, dict[str, int]]
"""collection -> field, or "rows" -> how many."""
Kept = tuple[str, str, str]
"""(collection, id, why): what was kept."""

Action = Literal[
    "audit.expired",
    "captions.delete",
    "hold.place",
    "hold.release",
    "privacy.delete_conversation",
    "privacy.erase",
    "privacy.export",
    "recordings.delete",
    "recordings.open",
    "recordings.url",
    "retention.run",
    "schema.down",
    "schema.up",
]


class Hold(Row, frozen=True, kw_only=True):
    """Why something may not be deleted: a call, all calls of a conversation, or all that a party
    has a row or a log entry in; exactly one of them, and none where the party was erased since."""

    id: Id
    call_session_id: Id | None = None
    conversation_id: Id | None = None
    party: PartyRef | None = None
    reason: Label | None  # null once anonymised
    placed_by: Label | None = None
    placed_at: datetime
    until: datetime | None = None  # then the sweep releases it
    released_by: Label | None = None
    released_at: datetime | None = None
    settled: bool = False  # every call says whether it is under it
    anonymized_at: datetime | None = None
    expires_at: datetime | None = None  # once released

    @property
    def of_party(self) -> Party | None:
        return None if self.party is None else party_from_ref(self.party)


class Lately(Row, frozen=True, kw_only=True):
    """A party's row of a call, or (null) a call, that went on, or had only just ended, when it was
    erased: what was on its way then may come after."""

    conversation_id: Id
    call_session_id: Id
    participant_id: Id | None
    at: datetime


class Erasure(Row, frozen=True, kw_only=True):
    """What was asked to go, and what became of it: of a party, or of a conversation. It keeps the
    party only until it is done."""

    id: Id
    party: PartyRef | None = None
    party_hash: Digest | None = None
    conversation_id: Id | None = None
    mode: EraseMode
    recordings: EraseRecordings
    status: Literal["pending", "done"]
    counts: Counts = {}
    kept: list[Kept] = []
    holds: list[Id] = []  # that hinder it, where nothing else does
    lately: list[Lately] = []
    requested_by: Label | None = None
    requested_at: datetime
    done_at: datetime | None = None
    expires_at: datetime | None = None  # once done

    @property
    def of_party(self) -> Party | None:
        return None if self.party is None else party_from_ref(self.party)


class Receipt(Row, frozen=True, kw_only=True):
    """What an erasure has deleted, and what it could not; pseudonymous: `party_hash` is a MAC of
    the party by a key that is derived from the secret. `id` is null for a dry run."""

    id: Id | None
    party_hash: Digest | None  # null for a conversation
    conversation_id: Id | None
    mode: EraseMode
    recordings: EraseRecordings
    status: Literal["pending", "done"]
    counts: Counts
    kept: list[Kept]
    requested_by: Label | None
    requested_at: datetime
    done_at: datetime | None


class AuditEntry(Row, frozen=True, kw_only=True):
    """A privileged act: who did what. Append-only; `seq` is 1, 2, 3 … and each entry carries the
    hash of the one before. Row 0 is the chain's own: `previous` is the hash of the last entry that
    was removed, `hash` that of the newest, `data` says which are there: {first, last}."""

    id: Id
    seq: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    at: datetime
    action: Annotated[str, Meta(min_length=1, max_length=64)]
    by: Label | None
    party_hash: Digest | None
    data: dict[str, Any] | None  # never a party's id
    previous: Digest
    hash: Digest
    expires_at: datetime | None
