"""What privacy asks of calls, as data."""

from collections.abc import Sequence
from datetime import datetime

from callstore.calls.commands import OnCall
from callstore.calls.model import Party
from callstore.ids import Id
from callstore.privacy.model import EraseMode


class PlaceHold(OnCall, frozen=True, kw_only=True):
    hold_id: Id


class ReleaseHold(OnCall, frozen=True, kw_only=True):
    hold_id: Id


class EraseParty(OnCall, frozen=True, kw_only=True):
    """Everything of a party in one call, for an erasure that keeps the count of it."""

    party: Party
    mode: EraseMode
    erasure_id: Id
    since: datetime  # of the erasure
    recordings: Sequence[str] = ()  # whose files have gone for it

    @property
    def looks_at_holds(self) -> bool:
        return True


class DeleteCall(OnCall, frozen=True, kw_only=True):
    """All rows of an ended call, for an erasure that keeps the count of them."""

    erasure_id: Id
    since: datetime

    @property
    def looks_at_holds(self) -> bool:
        return True
