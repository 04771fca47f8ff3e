"""What pages a store is asked for."""

from msgspec import Struct

from callstore.calls.model import CallType, Count, Direction, Outcome, Party, Response
from callstore.calls.pages import Place
from callstore.captions.model import Caption
from callstore.ids import Id
from callstore.validation import Cursor, Limit, Offset, Query, Time

EXAMINED = 1000
"""How many entries a filtered page looks at before it is returned short."""


class HistoryQuery(Struct, frozen=True, kw_only=True):
    """A page of a conversation's calls, newest first, below `cursor`."""

    conversation_id: Id
    limit: Limit
    cursor: Cursor | None
    offset: Offset
    outcome: Outcome | None
    type: CallType | None
    since: Time | None
    until: Time | None
    party: Party | None
    min_duration: Count | None


class LogQuery(Struct, frozen=True, kw_only=True):
    """A page of a party's log, newest first, below `cursor`."""

    party: Party
    limit: Limit
    cursor: Cursor | None
    offset: Offset
    direction: Direction | None
    response: Response | None
    outcome: Outcome | None
    type: CallType | None
    since: Time | None
    until: Time | None
    unseen: bool


class CaptionsQuery(Struct, frozen=True, kw_only=True):
    """A page of a call's captions in the order of speaking, past `cursor`."""

    call_id: Id
    final: bool  # only those
    cursor: Cursor | None
    limit: Limit


class SearchQuery(Struct, frozen=True, kw_only=True):
    """A page of final captions that have all that is asked for, the latest first, below `cursor`:
    of a call, a conversation, or the calls that a party was in."""

    query: Query
    call_id: Id | None
    conversation_id: Id | None
    party: Party | None
    cursor: Cursor | None
    limit: Limit


def page_of(found: list[Caption], limit: int) -> tuple[list[Caption], Place | None]:
    """Of one more than a page has, where there are so many: the page, and where the next begins."""
    page = found[:limit]
    return page, (page[-1].timestamp, page[-1].id) if len(found) > limit else None
