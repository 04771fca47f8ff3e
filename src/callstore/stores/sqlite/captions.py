"""A call's captions, and the search for them."""

import itertools
import sqlite3
from typing import Any

from callstore.captions.model import Caption
from callstore.captions.words import Term
from callstore.ids import LAST, NOBODY
from callstore.stores.protocol import CaptionsQuery, Place, SearchQuery, page_of
from callstore.stores.sqlite import queries
from callstore.stores.sqlite.codec import CODECS, ms
from callstore.times import EPOCH

_CAPTIONS = CODECS["CallTranscription"]
_FIRST: Place = (EPOCH, NOBODY)
_END = 2**63 - 1  # no row has this number


def captions_page(
    db: sqlite3.Connection, query: CaptionsQuery
) -> tuple[list[Caption], Place | None]:
    return page_of(captions(db, query.call_id, query, query.limit + 1), query.limit)


def captions(
    db: sqlite3.Connection, call_id: str, query: CaptionsQuery | None = None, limit: int = -1
) -> list[Caption]:
    at, id = (query and query.cursor) or _FIRST
    final = query is None or query.final
    bound = {"call": call_id, "after_at": ms(at), "after_id": id, "final": final, "limit": limit}
    return [_CAPTIONS.decode(row) for row in db.execute(queries.CAPTIONS, bound)]


def caption(db: sqlite3.Connection, caption_id: str) -> Caption | None:
    row = db.execute(queries.CAPTION, (caption_id,)).fetchone()
    return _CAPTIONS.decode(row) if row else None


def search(db: sqlite3.Connection, query: SearchQuery) -> tuple[list[Caption], Place | None]:
    places = _places(db, query)
    if not places:
        return [], None
    words = " AND ".join(_asked(term) for term in query.query)
    place = " OR ".join(f'".{id}"' for id in places)
    party = query.party
    bound: dict[str, Any] = {"match": f"({place}) AND {words}", "below": _END}
    if query.cursor is not None:
        bound["below"] = (ms(query.cursor[0]) + 1) << 20
    if party is not None:
        bound["party"] = party.id
    asking = queries.FOUND.format(queries.OF_PARTY[party.kind] if party else "")
    found: list[Caption] = []
    rows = map(_CAPTIONS.decode, db.execute(asking, bound))
    # Rows of a millisecond are numbered as they came: they belong in the order of their ids.
    for at, same in itertools.groupby(rows, lambda caption: caption.timestamp):
        below = query.cursor[1] if query.cursor and query.cursor[0] == at else LAST
        some = [each for each in same if each.id < below]
        found += sorted(some, key=lambda caption: caption.id, reverse=True)
        if len(found) > query.limit:
            break
    return page_of(found, query.limit)


def _places(db: sqlite3.Connection, query: SearchQuery) -> list[str]:
    """What the captions that are searched have as a word of their own."""
    if query.party is not None:
        return [id for (id,) in db.execute(queries.CONVERSATIONS_OF, (query.party.ref,))]
    return [id for id in (query.call_id, query.conversation_id) if id is not None]


def _asked(term: Term) -> str:
    return f'"{term.word}"{" *" if term.prefix else ""}'
