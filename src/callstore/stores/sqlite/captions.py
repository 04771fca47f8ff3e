"""A call's captions, and the search for them."""

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from callstore.calls.model import Party
from callstore.calls.pages import Place
from callstore.captions.model import Caption
from callstore.captions.words import Term
from callstore.ids import LAST, NOBODY
from callstore.stores.pages import EXAMINED, CaptionsQuery, SearchQuery, page_of
from callstore.stores.sqlite import ddl, queries
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
    place = " OR ".join(f'"{place}"' for place in places)
    bound: dict[str, Any] = {"match": f"({place}) AND {words}", "below": _END}
    if query.cursor is not None:
        bound["below"] = (ms(query.cursor[0]) + 1) << 20
    found = _latest_first(map(_CAPTIONS.decode, db.execute(queries.FOUND, bound)), query.cursor)
    if query.party is None:
        return page_of([*itertools.islice(found, query.limit + 1)], query.limit)
    return _heard(db, found, query, query.party)


def _latest_first(rows: Iterable[Caption], cursor: Place | None) -> Iterator[Caption]:
    """Rows of a millisecond are numbered as they came: they belong in the order of their ids."""
    for at, same in itertools.groupby(rows, lambda caption: caption.timestamp):
        below = cursor[1] if cursor and cursor[0] == at else LAST
        some = [each for each in same if each.id < below]
        yield from sorted(some, key=lambda caption: caption.id, reverse=True)


def _heard(
    db: sqlite3.Connection, found: Iterable[Caption], query: SearchQuery, party: Party
) -> tuple[list[Caption], Place | None]:
    """Those of calls that the party was in; it looks at no more than EXAMINED."""

    @cache
    def was_there(conversation: str, call: str) -> bool:
        key = (conversation, call, party.id)
        return db.execute(queries.WAS_THERE[party.kind], key).fetchone() is not None

    heard: list[Caption] = []
    for number, caption in enumerate(found, 1):
        if was_there(caption.conversation_id, caption.call_session_id):
            heard.append(caption)
        if len(heard) > query.limit:
            break
        if number == EXAMINED:
            return heard, (caption.timestamp, caption.id)
    return page_of(heard, query.limit)


def _places(db: sqlite3.Connection, query: SearchQuery) -> list[str]:
    """What the captions that are searched have as a word of their own."""
    if query.call_id is not None:
        return [f"{ddl.OF_CALL}{query.call_id}"]
    conversations = [query.conversation_id]
    if query.party is not None:
        conversations = [id for (id,) in db.execute(queries.CONVERSATIONS_OF, (query.party.ref,))]
    return [f"{ddl.OF_CONVERSATION}{id}" for id in conversations]


def _asked(term: Term) -> str:
    return f'"{term.word}"{" *" if term.prefix else ""}'
