"""A call's captions, and the search for them."""

from collections.abc import Sequence
from typing import Any

from callstore.captions.model import Caption
from callstore.captions.words import Term
from callstore.stores.mongo import queries
from callstore.stores.mongo.codec import CODECS, Document, oid
from callstore.stores.mongo.connection import Database
from callstore.stores.mongo.engine import Session
from callstore.stores.mongo.queries import Filter
from callstore.stores.protocol import EXAMINED, CaptionsQuery, Place, SearchQuery, page_of

_CAPTIONS = CODECS["CallTranscription"]
_ENOUGH = 1000  # of a word: whether it is rarer than another counts no more
_TOGETHER = 100  # looked up together: of those that are found, who was in their calls


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
    if query.party is None:
        found = await _found(db, place, query, query.cursor, query.limit + 1, session)
        return page_of(found, query.limit)
    conversations = await db["CallLogEntry"].distinct(
        "conversationId", {"party": query.party.ref}, session=session
    )
    place = {"conversationId": {"$in": conversations}}
    heard: list[Caption] = []
    cursor, looked_at = query.cursor, 0
    while len(heard) <= query.limit and looked_at < EXAMINED:
        some = await _found(db, place, query, cursor, _TOGETHER, session)
        there = await _calls_with(db, query, some, session)
        heard += [each for each in some if each.call_session_id in there]
        looked_at += len(some)
        if len(some) < _TOGETHER:
            return page_of(heard, query.limit)
        cursor = some[-1].timestamp, some[-1].id
    return page_of(heard, query.limit) if len(heard) > query.limit else (heard, cursor)


async def _calls_with(
    db: Database, query: SearchQuery, found: Sequence[Caption], session: Session
) -> set[str]:
    assert query.party is not None
    where = {
        "conversationId": {"$in": [*{oid(each.conversation_id) for each in found}]},
        "callSessionId": {"$in": [*{oid(each.call_session_id) for each in found}]},
        queries.PARTY_FIELDS[query.party.kind]: oid(query.party.id),
    }
    rows = db["CallParticipant"].find(where, {"callSessionId": 1}, session=session)
    return {str(row["callSessionId"]) for row in await rows.to_list()}


async def _found(
    db: Database,
    place: Filter,
    query: SearchQuery,
    cursor: Place | None,
    limit: int,
    session: Session,
) -> list[Caption]:
    rows = db["CallTranscription"]
    if "callSessionId" in place:
        terms, hint = query.query, "CallTranscription_spoken"
    else:
        terms, hint = (
            await _rarest_first(db, place, query.query, session),
            "CallTranscription_words",
        )
    asked: list[Document] = [{"words": _asked(term)} for term in terms]
    # Only the first word bounds what is looked at.
    where = queries.both(place, *asked, queries.below_place(cursor))
    found = rows.find(where, session=session, hint=hint)
    latest = await found.sort([("timestamp", -1), ("_id", -1)]).limit(limit).to_list()
    return [_CAPTIONS.decode(row) for row in latest]


async def _rarest_first(
    db: Database, place: Filter, terms: Sequence[Term], session: Session
) -> list[Term]:
    if len(terms) == 1:
        return [*terms]
    counts: dict[Term, Any] = {}
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
