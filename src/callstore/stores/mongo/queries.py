"""MongoDB's filters and pipelines, each named for what it finds. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from callstore.calls.lifecycle.turn import State, Want
from callstore.calls.model import OUTCOMES_BY_REASON, Call, Outcome, Party
from callstore.calls.pages import Place
from callstore.schema import tables
from callstore.stores.mongo.codec import oid
from callstore.stores.mongo.ddl import ANY
from callstore.stores.pages import HistoryQuery, LogQuery
from callstore.stores.protocol import Scope

Filter = dict[str, Any]
Pipeline = list[dict[str, Any]]

NEWEST_FIRST = [("createdAt", -1), ("_id", -1)]

# -- loading what a batch needs


def calls_by_id(ids: Iterable[str], conversations: Iterable[str] = ()) -> Filter:
    """With the conversations, where they are known: that is what a cluster shards by."""
    where = {"_id": {"$in": [oid(id) for id in ids]}}
    known = {oid(id) for id in conversations}
    return {"conversationId": {"$in": [*known]}, **where} if known else where


def call_by_id(id: str, conversation: str | None) -> Filter:
    return {"_id": oid(id), **({"conversationId": oid(conversation)} if conversation else {})}


def live_calls(conversations: Iterable[str]) -> Filter:
    return {"conversationId": {"$in": [oid(id) for id in conversations]}, "live": True}


def of_calls(calls: Iterable[Call]) -> Filter:
    """All rows of these calls."""
    return of_keys((oid(call.conversation_id), oid(call.id)) for call in calls)


def of_keys(keys: Iterable[tuple[Any, Any]]) -> Filter:
    """All rows of the calls of these (conversation, id)."""
    listed = [*keys]
    return {
        "conversationId": {"$in": [*{conversation for conversation, _ in listed}]},
        "callSessionId": {"$in": [*{call for _, call in listed}]},
    }


def holds_on(scope: Scope) -> Filter:
    """Holds in force on any of these."""
    on = {
        "callSessionId": [oid(id) for id in scope.calls],
        "conversationId": [oid(id) for id in scope.conversations],
        "party": [*scope.parties],
    }
    return {"$or": [{name: {"$in": ids}, "releasedAt": None} for name, ids in on.items() if ids]}


PARTY_FIELDS = {"user": "userId", "guest": "anonymousUserId"}


def people_of(wants: Sequence[Want]) -> Filter | None:
    """The participants that are wanted, and a few more."""
    some = [want for want in wants if want.parties and not want.everyone]
    parties = {party for want in some for party in want.parties}
    filters = [_all_of(wants)]
    for kind, field in PARTY_FIELDS.items():
        if ids := [oid(party.id) for party in parties if party.kind == kind]:
            filters.append({**of_calls(want.call for want in some), field: {"$in": ids}})
    return _any_of(filters)


def entries_of(wants: Sequence[Want], states: Mapping[str, State]) -> Filter | None:
    """The log entries that are wanted beside what is loaded, and a few more."""
    some = [(want.call.id, want.entries(states[want.call.id])) for want in wants]
    calls = [oid(id) for id, parties in some if parties]
    theirs = {
        "party": {"$in": [*{party.ref for _, parties in some for party in parties}]},
        "callSessionId": {"$in": calls},
    }
    return _any_of([_all_of(wants), theirs if calls else None])


def _all_of(wants: Iterable[Want]) -> Filter | None:
    whole = [want.call for want in wants if want.everyone]
    return of_calls(whole) if whole else None


def _any_of(filters: Iterable[Filter | None]) -> Filter | None:
    given = [each for each in filters if each]
    return {"$or": given} if len(given) > 1 else next(iter(given), None)


def captions_of_segments(keys: Iterable[tuple[str, str, str, str]]) -> Filter:
    """(conversation, call, participant, segment) each."""
    spoken: dict[tuple[str, str, str], list[str]] = {}
    for *of, segment in keys:
        spoken.setdefault((of[0], of[1], of[2]), []).append(segment)
    return {
        "$or": [
            {**of_call(oid(conversation), oid(call)), **of_speaker(participant, segments)}
            for (conversation, call, participant), segments in spoken.items()
        ]
    }


def of_speaker(participant: str, segments: list[str]) -> Filter:
    return {"participantId": oid(participant), "segmentId": {"$in": segments}}


# -- reading by key


def beyond(names: tuple[str, str], values: tuple[Any, Any], way: str) -> Filter:
    """Rows past these values in the order of the two fields, `way` being $gt or $lt; $gte and $lte
    take in the values themselves."""
    (first, second), (one, other), past = names, values, way[:3]
    either = [{first: {past: one}}, {first: one, second: {way: other}}]
    # The bound beside $or is what seeks: without it all that is on this side is examined.
    return {first: {f"{past}e": one}, "$or": either}


def of_call(conversation_id: Any, call_id: Any) -> Filter:
    return {"conversationId": conversation_id, "callSessionId": call_id}


SAME_CONVERSATION = {"$match": {"$expr": {"$eq": ["$conversationId", "$$conversation"]}}}


def _joined(collection: str, *, by: str, to: str, as_: str) -> dict[str, Any]:
    """With the conversation, by which a cluster shards."""
    return {
        "$lookup": {
            "from": collection,
            "localField": by,
            "foreignField": to,
            "let": {"conversation": "$conversationId"},
            "pipeline": [SAME_CONVERSATION],
            "as": as_,
        }
    }


def with_participants(first: Pipeline) -> Pipeline:
    """Calls with their participants, in one round trip."""
    return [
        *first,
        _joined("CallParticipant", by="_id", to="callSessionId", as_="participants"),
    ]


def live_rows(party: Party) -> Filter:
    return {PARTY_FIELDS[party.kind]: oid(party.id), "leftAt": None}


def current_call(party: Party) -> Pipeline:
    """The live call that the party joined last; a party is live in a few at most."""
    return [
        {"$match": live_rows(party)},
        {"$set": {"joined": {"$last": "$stints.joinedAt"}}},
        {"$sort": {"joined": -1, "_id": -1}},
        _joined("CallSession", by="callSessionId", to="_id", as_="call"),
        {"$unwind": "$call"},  # of a row whose call is gone there is none
        {"$limit": 1},
        {"$replaceWith": "$call"},
    ]


# -- pages

UNSEEN = {"direction": "incoming", "response": "missed", "seenAt": None, "hiddenAt": None}
"""As LogEntry.unseen, and as its index has it."""


def outcome(name: Outcome) -> Filter:
    """What documents match whose derived outcome is `name`."""
    if name == "ongoing":
        return {"endedAt": None}
    if name == "answered":
        return {"endedAt": {"$ne": None}, "startedAt": {"$ne": None}}
    reasons = [reason for reason, what in OUTCOMES_BY_REASON.items() if what == name]
    unknown = [None] if OUTCOMES_BY_REASON["normal"] == name else []
    return {
        "endedAt": {"$ne": None},
        "startedAt": None,
        "endReason": {"$in": [*reasons, *unknown]},
    }


def history(query: HistoryQuery) -> tuple[Filter, list[Filter]]:
    """(what bounds a page, what only filters it); of a party's log entries where one is given."""
    bounds: Filter = {"conversationId": oid(query.conversation_id)}
    if query.party is not None:
        bounds = {"party": query.party.ref, **bounds}
    filters: list[Filter] = []
    if query.outcome is not None:
        filters.append(outcome(query.outcome))
    if query.type is not None:
        filters.append({"type": query.type})
    if query.min_duration is not None:
        by_entry = query.party is not None
        least = query.min_duration
        filters.append(_lasted(least) if by_entry else {"duration": {"$gte": least}})
    return bounds, filters


def newest(query: HistoryQuery, number: int) -> Pipeline:
    """A page that nothing filters, and one call more; of which one of several each is, it says."""
    bounds, _ = history(query)
    return [
        {"$match": both(bounds, span(query))},
        {"$sort": dict(NEWEST_FIRST)},
        {"$limit": query.limit + 1},
        {"$set": {"asked": {"$literal": number}}},
    ]


def _lasted(seconds: int) -> Filter:
    """Of a log entry: that its call lasted so long; 0 where nobody answered."""
    talked = {"$subtract": ["$endedAt", "$startedAt"]}
    return {
        "endedAt": {"$ne": None},
        "$expr": {"$gte": [{"$ifNull": [talked, 0]}, {"$multiply": [seconds, 1000]}]},
    }


def log(query: LogQuery) -> tuple[Filter, list[Filter]]:
    bounds: Filter = {"party": query.party.ref, **(UNSEEN if query.unseen else {"hiddenAt": None})}
    given = [n for n in ("direction", "response", "type") if getattr(query, n) is not None]
    filters: list[Filter] = [{name: getattr(query, name)} for name in given]
    if query.outcome is not None:
        filters.append(outcome(query.outcome))
    return bounds, filters


def span(query: HistoryQuery | LogQuery) -> Filter:
    """From `since` to `until`, or to the cursor."""
    between: dict[str, datetime] = {}
    if query.since is not None:
        between["$gte"] = query.since
    cursor, until = query.cursor, query.until
    if cursor is not None and (until is None or cursor[0] <= until):
        below = beyond(("createdAt", "_id"), (cursor[0], oid(cursor[1])), "$lt")
        return {**below, "createdAt": {**between, **below["createdAt"]}}
    if until is not None:
        between["$lte"] = until
    return {"createdAt": between} if between else {}


def past_place(cursor: Place | None) -> Filter:
    """Captions behind this one, in the order of speaking."""
    return _beside(cursor, "$gt")


def below_place(cursor: Place | None) -> Filter:
    """Captions before this one."""
    return _beside(cursor, "$lt")


def _beside(cursor: Place | None, way: str) -> Filter:
    if cursor is None:
        return {}
    return beyond(("timestamp", "_id"), (cursor[0], oid(cursor[1])), way)


def down_to(at: datetime, id: Any) -> Filter:
    """Entries no older than this one."""
    return beyond(("createdAt", "_id"), (at, id), "$gte")


# -- sweeping


def rung_out(now: datetime) -> Filter:
    return {"live": True, "ringDeadline": {**ANY["time"], "$lte": now}}


UNDERWAY: Filter = {"underway": ANY["text"]}


def expired_recordings(now: datetime) -> Filter:
    return {"expiresAt": {**ANY["time"], "$lte": now}, "status": "available", "underway": None}


def held(horizons: str, ended_before: datetime) -> Filter:
    """Ended calls whose time had come, were they not under a hold."""
    stamped = {"live": False, "horizons": horizons, "expiresAt": None}
    return {**stamped, "holds.0": {"$exists": True}, "endedAt": {"$lte": ended_before}}


def without_file(since: datetime) -> Filter:
    before = {"$lte": since}
    ended = [{"stoppedAt": before}, {"stoppedAt": None, "createdAt": before}]
    return {"status": "processing", "underway": None, "$or": ended}


def few(before: datetime) -> Filter:
    return {"live": True, "mode": "sfu", "fewSince": {**ANY["time"], "$lte": before}}


def ahead(now: datetime) -> Filter:
    return {"live": True, "lastEventAt": {"$gt": now}}


def live_before(kind: str, joined: datetime) -> Filter:
    """Live rows of one kind of party, of who came before `joined`."""
    return {PARTY_FIELDS[kind]: ANY["id"], "leftAt": None, "joinedAt": {"$lte": joined}}


STAY = {"callSessionId": 1, "joined": {"$last": "$stints.joinedAt"}}

NEW_SAMPLES: Pipeline = [
    {"$match": {"analysed": False}},
    {"$group": {"_id": {"conversation": "$conversationId", "call": "$callSessionId"}}},
]


def both(*filters: Mapping[str, Any]) -> Filter:
    """All of them: what they say of the same field must not overwrite one another."""
    given = [dict(each) for each in filters if each]
    return {"$and": given} if len(given) > 1 else dict(*given)


# -- examining

CHILDREN = tuple(c for c in tables.COLLECTIONS if c.of_call)
OF_CALL = ("conversationId", "callSessionId")
KEY = {"_id": 0, **dict.fromkeys(OF_CALL, 1)}
BY_KEY = [(name, 1) for name in OF_CALL]


def past(key: tuple[Any, Any]) -> Filter:
    """Rows of calls after this one."""
    return beyond(OF_CALL, key, "$gt")


def up_to(key: tuple[Any, Any]) -> Filter:
    """Rows of calls before this one, and its own."""
    return beyond(OF_CALL, key, "$lte")
