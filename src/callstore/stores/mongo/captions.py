"""A call's captions, and the search for them."""

from collections.abc import Sequence
from typing import Any

from callstore.calls.model import Party
from callstore.calls.pages import Place
from callstore.captions.model import Caption
from callstore.captions.words import Term
from callstore.stores.mongo import queries
from callstore.stores.mongo.codec import CODECS, Document, oid, utc
from callstore.stores.mongo.connection import Database
from callstore.stores.mongo.engine import Session
from callstore.stores.mongo.queries import Filter
from callstore.stores.mongo.rows import fetch
from callstore.stores.pages import EXAMINED, CaptionsQuery, SearchQuery, page_of

_CAPTIONS = CODECS["CallTranscription"]
_ENOUGH = 1000  # of a word: whether it is rarer than another counts no more
_TOGETHER = 100  # conversations that are looked through together, and captions that are looked at


async def caption(db: Database, caption_id: str, session: Session) -> Caption | None:
    found = await db["CallTranscription"].find_one({"_id": oid(caption_id)}, session=session)
    return _CAPTIONS.decode(found) if found else None


async def captions_page(
    db: Database, of_call: Filter, query: CaptionsQuery, session: Session
) -> tuple[list[Caption], Place | None]:
    where = queries.both(of_call, queries.past_place(query.cursor), _final(query.final))
    return page_of(await _spoken(db, where, query.limit + 1, session), query.limit)


async def captions(db: Database, of_call: Filter, session: Session) -> list[Caption]:
    return await _spoken(db, queries.both(of_call, _final(True)), 0, session)


def _final(only: bool) -> Filter:
    return {"isFinal": True} if only else {}


async def _spoken(db: Database, where: Filter, limit: int, session: Session) -> list[Caption]:
    found = db["CallTranscription"].find(where, session=session, hint="CallTranscription_spoken")
    rows = await found.sort([("timestamp", 1), ("_id", 1)]).limit(limit).to_list()
    return [_CAPTIONS.decode(row) for row in rows]


async def search(
    db: Database, place: Filter, query: SearchQuery, session: Session
) -> tuple[list[Caption], Place | None]:
    """`place` is the call's or conversation's; of a party's all conversations are looked through,
    and what was said in calls that it was not in is passed over, EXAMINED at most."""
    if query.party is not None:
        return await _search_of_party(db, query, query.party, session)
    looking = _Looking(db, session, [place], await _rarest_first(db, place, query.query, session))
    found = await looking.for_(query.cursor, query.limit + 1, None)
    return page_of([*map(_CAPTIONS.decode, found)], query.limit)


async def _search_of_party(
    db: Database, query: SearchQuery, party: Party, session: Session
) -> tuple[list[Caption], Place | None]:
    conversations = await db["CallLogEntry"].distinct(
        "conversationId", {"party": party.ref}, session=session
    )
    if not conversations:
        return [], None
    terms = await _rarest_first(
        db, {"conversationId": {"$in": conversations}}, query.query, session
    )
    # So few at once that MongoDB merges what their indexes give, and sorts nothing.
    some = (conversations[n : n + _TOGETHER] for n in range(0, len(conversations), _TOGETHER))
    looking = _Looking(db, session, [{"conversationId": {"$in": each}} for each in some], terms)
    heard: list[Document] = []
    cursor, looked_at, more = query.cursor, 0, True
    while more and len(heard) <= query.limit and looked_at < EXAMINED:
        found = await looking.for_(cursor, _TOGETHER, _OF_CALL)
        there = await _calls_with(db, party, found, session)
        heard += [each for each in found if each["callSessionId"] in there]
        looked_at += len(found)
        more = len(found) == _TOGETHER
        cursor = _place(found[-1]) if found else cursor
    page = heard[: query.limit]
    if len(heard) > query.limit:
        cursor = _place(page[-1])
    elif not more:
        cursor = None
    return await _whole(db, page, session), cursor


class _Looking:
    """The search for some words in some places, the latest first."""

    def __init__(
        self, db: Database, session: Session, places: Sequence[Filter], terms: Sequence[Term]
    ) -> None:
        self._db, self._session, self._places = db, session, places
        # Only the first word bounds what is looked at.
        self._asked: list[Filter] = [{"words": _asked(term)} for term in terms]

    async def for_(
        self, cursor: Place | None, limit: int, fields: Document | None
    ) -> list[Document]:
        found: list[Document] = []
        for place in self._places:
            in_a_call = "callSessionId" in place
            rows = self._db["CallTranscription"].find(
                queries.both(place, *self._asked, queries.below_place(cursor)),
                fields,
                session=self._session,
                hint=f"CallTranscription_{'spoken' if in_a_call else 'words'}",
            )
            found += await rows.sort([("timestamp", -1), ("_id", -1)]).limit(limit).to_list()
        if len(self._places) > 1:
            found.sort(key=lambda row: (row["timestamp"], row["_id"]), reverse=True)
        return found[:limit]


_OF_CALL = {"conversationId": 1, "callSessionId": 1, "timestamp": 1}


def _place(row: Document) -> Place:
    return utc(row["timestamp"]), str(row["_id"])


async def _calls_with(
    db: Database, party: Party, found: Sequence[Document], session: Session
) -> set[Any]:
    """Of the calls of these those that the party was in."""
    where = {
        **queries.of_keys((row["conversationId"], row["callSessionId"]) for row in found),
        queries.PARTY_FIELDS[party.kind]: oid(party.id),
    }
    rows = db["CallParticipant"].find(where, {"callSessionId": 1}, session=session)
    return {row["callSessionId"] for row in await rows.to_list()}


async def _whole(db: Database, rows: Sequence[Document], session: Session) -> list[Caption]:
    """In the order of these."""
    where = {
        "conversationId": {"$in": [*{row["conversationId"] for row in rows}]},
        "_id": {"$in": [row["_id"] for row in rows]},
    }
    found = await fetch(db, "CallTranscription", where, session, hint="_id_")
    by_id = {row["_id"]: _CAPTIONS.decode(row) for row in found}
    return [by_id[row["_id"]] for row in rows]


async def _rarest_first(
    db: Database, place: Filter, terms: Sequence[Term], session: Session
) -> list[Term]:
    if len(terms) == 1 or "callSessionId" in place:
        return [*terms]
    counts: dict[Term, int] = {}
    for term in terms:
        counts[term] = await db["CallTranscription"].count_documents(
            {**place, "words": _asked(term)},
            session=session,
            limit=_ENOUGH,
            hint="CallTranscription_words",
        )
    # What begins so comes in no order of time.
    return sorted(terms, key=lambda term: (term.prefix, counts[term]))


def _asked(term: Term) -> Any:
    return {"$regex": f"^{term.word}"} if term.prefix else term.word
