"""What privacy asks of calls, as data."""

from datetime import datetime

from callstore.calls.commands import OnCall
from callstore.calls.model import Party
from callstore.ids import Id
from callstore.privacy.model import EraseMode, EraseRecordings


class PlaceHold(OnCall, frozen=True, kw_only=True):
    """On a call that the hold is on when this is decided: else it is left alone."""

    hold_id: Id

    @property
    def looks_at_holds(self) -> bool:
        return True


class ReleaseHold(OnCall, frozen=True, kw_only=True):
    hold_id: Id


class _Erasing(OnCall, frozen=True, kw_only=True):
    erasure_id: Id
    since: datetime  # when it was asked

    @property
    def counted_in(self) -> Id:
        return self.erasure_id

    @property
    def looks_at_holds(self) -> bool:
        return True


class EraseParty(_Erasing, frozen=True, kw_only=True):
    """Everything of a party in one call, for an erasure that keeps the count of it."""

    party: Party
    mode: EraseMode
    until: datetime | None  # calls that began later are left alone
    recordings: EraseRecordings  # whose files have gone before


class DeleteSamples(_Erasing, frozen=True, kw_only=True):
    """Some samples of a call that is about to be deleted: there may be a million, too many to go
    with it at once."""


class DeleteCall(_Erasing, frozen=True, kw_only=True):
    """All rows of an ended call, for an erasure that keeps the count of them."""
