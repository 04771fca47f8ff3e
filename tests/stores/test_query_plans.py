"""Each query of the store goes through the index that is declared for it, and sorts nothing."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.stores.explained import STRUCTURE, searched

from callstore.calls.model import Guest, User
from callstore.schema import tables
from callstore.schema.steps import Fill
from callstore.stores.pages import HistoryQuery, LogQuery
from callstore.stores.parties import ORDERS
from callstore.stores.sqlite import (
    audit_queries,
    ddl,
    erasing_queries,
    expiry_queries,
    leasing,
    parties,
    queries,
    structure_queries,
)
from callstore.validation import EARLIEST

ID = "a" * 24
NOTHING: dict[str, Any] = {
    "limit": 20,
    "cursor": None,
    "offset": 0,
    "outcome": None,
    "type": None,
    "since": None,
    "until": None,
}
CURSOR = (EARLIEST, ID)
NARROWED: dict[str, dict[str, Any]] = {
    "": {},
    " by cursor": {"cursor": CURSOR},
    " since": {"since": EARLIEST},
    " until": {"until": EARLIEST},
    " since, until": {"since": EARLIEST, "until": EARLIEST},
    " since, by cursor": {"since": EARLIEST, "cursor": CURSOR},
}


def history(**asked: Any) -> str:
    plain = {"conversation_id": ID, "party": None, "min_duration": None}
    query = HistoryQuery(**{**NOTHING, **plain, **asked})
    source, bounds, filters = queries.history(query)
    alias = "c" if query.party is None else "e"
    return queries.page(f"{alias}.id", source, [*bounds, *filters], alias)


def log(**asked: Any) -> str:
    plain = {"party": User(ID), "direction": None, "response": None, "unseen": False}
    source, bounds, filters = queries.log(LogQuery(**{**NOTHING, **plain, **asked}))
    return queries.page("e.id", source, [*bounds, *filters], "e")


UNDONE = Fill(  # though there is an index that begins with it
    collection="CallSession",
    where={"conversationId": ID},
    reads=("type",),
    writes=("type",),
    change=dict,
)
BY_PARTY = ["e CallLogEntry_conversation", "c key"]
ROWS = ["p key", "u key"]
DOING = ["c CallSession_ringDeadline", "p key", "u key"]

# Query -> the alias and the index of each table it searches, in the order of the plan.
PLANS: dict[str, tuple[str, list[str]]] = {
    "calls by id": (queries.CALLS_BY_ID, ["c key"]),
    "live calls": (queries.LIVE_CALLS, ["c CallSession_oneLive"]),
    "users of calls": (queries.USERS_OF_CALLS, ["p CallParticipant_user", "u key"]),
    "guests of calls": (queries.GUESTS_OF_CALLS, ["p CallParticipant_guest", "u key"]),
    "entries of parties": (queries.ENTRIES_OF_PARTIES, ["e CallLogEntry_party"]),
    "everyone of calls": (queries.EVERYONE_OF_CALLS, ROWS),
    "entries of calls": (queries.ENTRIES_OF_CALLS, ["e key"]),
    "participants of calls": (queries.PARTICIPANTS_OF_CALLS, ["p key"]),
    "lease": (leasing.LEASE, ["l key"]),
    "delete lease": (leasing.DELETE_LEASE, ["CallLease key"]),
    "call by id": (queries.CALL_BY_ID, ["c key"]),
    "live call": (queries.LIVE_CALL, ["c CallSession_oneLive"]),
    "participants": (queries.PARTICIPANTS, ["p key"]),
    "live rows of a user": (queries.LIVE_ROWS["user"], ["p CallParticipant_userLive"]),
    "live rows of a guest": (queries.LIVE_ROWS["guest"], ["p CallParticipant_guestLive"]),
    "events": (queries.EVENTS, ["v key", "CallSession key"]),
    "samples": (queries.SAMPLES, ["s key", "CallSession key"]),
    "analytics": (queries.ANALYTICS, ["a key", "CallSession key"]),
    "captions of segments": (queries.CAPTIONS_OF_SEGMENTS, ["t key"]),
    "caption": (queries.CAPTION, ["t CallTranscription_id"]),
    "captions": (queries.CAPTIONS, ["t CallTranscription_spoken", "CallSession key"]),
    "found": (queries.FOUND, ["t key"]),
    "recordings": (queries.RECORDINGS, ["r CallRecording_id"]),
    "recordings of a call": (queries.RECORDINGS_OF_CALL, ["r key", "CallSession key"]),
    "recordings of calls": (queries.RECORDINGS_OF_CALLS, ["r key"]),
    "unfinished recordings": (
        queries.UNFINISHED_RECORDINGS,
        ["r CallRecording_underway", *["r CallRecording_processing"] * 2],
    ),
    "was a user there": (queries.WAS_THERE["user"], ["p CallParticipant_user"]),
    "was a guest there": (queries.WAS_THERE["guest"], ["p CallParticipant_guest"]),
    "conversations of": (queries.CONVERSATIONS_OF, ["e CallLogEntry_conversation"]),
    "unseen": (queries.UNSEEN, ["e CallLogEntry_unseen"]),
    "see all": (queries.SEE_ALL, ["e CallLogEntry_unseen"]),
    "see": (queries.SEE, ["e CallLogEntry_party"]),
    "hide all": (queries.HIDE_ALL, ["e CallLogEntry_conversation"]),
    "hide": (queries.HIDE, ["e CallLogEntry_party"]),
    "anyone live": (queries.ANYONE_LIVE, []),
    "overdue": (queries.OVERDUE, DOING),
    "due": (queries.DUE, [*DOING, "c CallSession_ringDeadline", "c CallSession_fewSince"]),
    "unanalysed": (queries.UNANALYSED, ["n CallQualitySample_new", "c key"]),
    "mark a sample": (queries.MARK_SAMPLE, ["CallQualitySample key"]),
    "stamp anew": (queries.STAMP_ANEW, ["CallSession key"]),
    "delete analytics": (queries.DELETE_ANALYTICS, ["CallAnalytics key"]),
    "counted": (queries.COUNTED, ["c key", "p key", "e key", "v key", "v key", "v key"]),
    "unstamped": (expiry_queries.UNSTAMPED, ["c CallSession_horizons"] * 3),
    "count unstamped": (expiry_queries.COUNT_UNSTAMPED, ["c CallSession_horizons"] * 3),
    "pasts": (expiry_queries.PASTS, ["t CallTranscription_spoken", "s key"]),
    "stamp a call": (expiry_queries.STAMP_CALL, ["CallSession key"]),
    "stamp events": (expiry_queries.stamp(tables.EVENT), ["CallEvent key"]),
    "stamp samples again": (expiry_queries.RESTAMP_SAMPLES, ["CallQualitySample key"]),
    "stamp captions": (
        expiry_queries.STAMP_CAPTIONS,
        ["CallTranscription CallTranscription_spoken"],
    ),
    "stamp recordings": (expiry_queries.STAMP_RECORDINGS, ["CallRecording key"]),
    "expired calls": (expiry_queries.EXPIRED_CALLS, ["c CallSession_expiresAt"]),
    "delete a call": (expiry_queries.DELETE_CALL, ["CallSession CallSession_call"]),
    "expired recordings": (expiry_queries.EXPIRED_RECORDINGS, ["r CallRecording_expiresAt"]),
    "count expired recordings": (
        expiry_queries.COUNT_EXPIRED_RECORDINGS,
        ["r CallRecording_expiresAt"],
    ),
    "delete expired samples": (
        expiry_queries.delete_expired(tables.SAMPLE),
        ["CallQualitySample key", "CallQualitySample CallQualitySample_expiresAt"],
    ),
    "delete expired captions": (
        expiry_queries.delete_expired(tables.CAPTION),
        ["CallTranscription key", "CallTranscription CallTranscription_expiresAt"],
    ),
    "count expired events": (
        expiry_queries.count_expired(tables.EVENT, alone=False),
        ["c CallSession_expiresAt", "r key"],
    ),
    "count expired samples": (
        expiry_queries.count_expired(tables.SAMPLE, alone=True),
        ["c CallSession_expiresAt", "r key", "r CallQualitySample_expiresAt", "c CallSession_call"],
    ),
    "count what a hold keeps": (expiry_queries.COUNT_HELD, ["c CallSession_horizons"]),
    "count expired holds": (
        expiry_queries.count_own("CallHold"),
        ["CallHold CallHold_expiresAt"],
    ),
    "count expired receipts": (
        expiry_queries.count_own("CallErasure"),
        ["CallErasure CallErasure_expiresAt"],
    ),
    "a hold": (erasing_queries.HOLD, ["h key"]),
    "holds on": (
        erasing_queries.HOLDS_ON,
        [f"h CallHold_{name}" for name in ("callSessionId", "conversationId", "party")],
    ),
    "holds on a party": (
        erasing_queries.HOLDS_ON_PARTY,
        ["h CallHold_party", "h CallHold_released"],
    ),
    "unsettled holds": (
        erasing_queries.UNSETTLED_HOLDS,
        ["h CallHold_unsettled", "h CallHold_until"],
    ),
    "holds": (erasing_queries.HOLDS, []),
    "forget holds": (erasing_queries.FORGET_HOLDS, ["CallHold CallHold_released"]),
    "an erasure": (erasing_queries.ERASURE, ["e key"]),
    "pending erasures": (erasing_queries.PENDING, ["e CallErasure_pending"]),
    "erasures": (erasing_queries.ERASURES, []),
    "erasures of a party": (erasing_queries.ERASURES_OF, ["e CallErasure_party"]),
    "calls in a conversation": (erasing_queries.CALLS_IN, ["c CallSession_history"]),
    "forget whom events are about": (
        erasing_queries.FORGET_IN_EVENTS["userId"],
        ["CallEvent key"],
    ),
    "forget reasons": (erasing_queries.FORGET_REASONS, ["CallEvent key"]),
    "delete what a participant said": (
        erasing_queries.OF_PARTICIPANT["CallTranscription"],
        ["CallTranscription key"],
    ),
    "delete some samples": (
        erasing_queries.THIN,
        ["CallQualitySample key"] * 3,
    ),
    "delete a participant": (
        erasing_queries.DELETE_ROW["CallParticipant"],
        ["CallParticipant key"],
    ),
    "entries of a party": (parties.ENTRIES, ["e CallLogEntry_party"]),
    "own rows of a user": (parties.OWN_ROWS["user"], ["p CallParticipant_user"]),
    "own rows of a guest": (parties.OWN_ROWS["guest"], ["p CallParticipant_guest"]),
    "forget step": (structure_queries.FORGET_STEP, ["CallSchema key"]),
    "rows to fill, past one": (
        structure_queries.lacking(tables.CALL, UNDONE, first=False),
        ["CallSession key"],
    ),
    "a row to fill": (
        structure_queries.still_lacking(tables.CALL, UNDONE),
        ["CallSession CallSession_call"],
    ),
    "audit: where it ends": (audit_queries.CHAIN, ["a key"]),
    "audit: entries": (audit_queries.ENTRIES, ["a key"]),
    "audit: the newest": (audit_queries.NEWEST, ["a key"]),
    "audit: of a party": (audit_queries.NEWEST_OF_PARTY, ["a CallAudit_party"]),
    "audit: the oldest end": (audit_queries.DELETE_OLDEST, ["CallAudit key"]),
}
for _collection in tables.COLLECTIONS:
    PLANS[f"update {_collection.name}"] = (
        queries.update(_collection, (_collection.fields[-1].name,)),
        [f"{_collection.name} key"],
    )
for _name in ORDERS:
    _collection = tables.BY_NAME[_name]
    _spoken = "r CallTranscription_spoken" if _name == "CallTranscription" else "r key"
    PLANS |= {
        f"{_name} of parts": (parties.rows_of(_collection), ["r key"]),
        f"{_name} of a part": (parties.rows_after(_collection, first=True), [_spoken]),
        f"{_name} of a part, past one": (parties.rows_after(_collection, first=False), [_spoken]),
    }
for _name, _narrowed in NARROWED.items():
    PLANS |= {
        f"history{_name}": (history(**_narrowed), ["c CallSession_history"]),
        f"history with a party{_name}": (history(party=Guest(ID), **_narrowed), BY_PARTY),
        f"history of an outcome{_name}": (
            history(outcome="missed", **_narrowed),
            ["c CallSession_history"],
        ),
        f"log{_name}": (log(**_narrowed), ["e CallLogEntry_log"]),
        f"log of a type{_name}": (log(type="audio", **_narrowed), ["e CallLogEntry_log"]),
        f"log of what is unseen{_name}": (log(unseen=True, **_narrowed), ["e CallLogEntry_unseen"]),
    }

# What is scanned or sorted all the same, and how much that is.
EXCEPTIONS = {
    "anyone live": {"SCAN c USING INDEX CallSession_oneLive": "one row: the first there is"},
    "overdue": {
        "UNION USING TEMP B-TREE": "what is overdue",
        "SCAN c USING INDEX CallSession_oneLive": "the live calls",
    },
    "due": {
        "UNION USING TEMP B-TREE": "what is due",
        "SCAN c USING INDEX CallSession_oneLive": "the live calls",
    },
    "holds": {"SCAN h USING INDEX CallHold_placed": "all that there are"},
    "erasures": {"SCAN e USING INDEX CallErasure_requested": "all that there are"},
    "unanalysed": {
        "SCAN CallQualitySample USING INDEX CallQualitySample_new": "one row, by its limit",
        "SCAN (subquery-1)": "that row",
        "SCAN sampled": "the calls with samples that no analysis has seen",
    },
}
# Read everything, before a database is taken down, or a handful of rows that there are.
WHOLE = {
    *("HAS_TABLE", "SCHEMA", "INDEX_STATEMENTS", "TABLE_STATEMENTS", "WORDS_STATEMENTS"),
    *("RESTATE", "HOLDS_OF_CALLS", "HOLDS_IN_FORCE", "RECORDING"),
}


@pytest.fixture(scope="module")
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as empty:
        for collection in tables.COLLECTIONS:
            empty.execute(ddl.create_table(collection))
            for index in ddl.indexes(collection):
                definition = ddl.create_index(collection, index)
                for statement in ddl.build_index(collection.name, index.name, definition):
                    empty.execute(statement)
        yield empty


class Anything(dict[str, Any]):
    def __missing__(self, name: str) -> int:
        return 0


def plan(db: sqlite3.Connection, query: str) -> list[str]:
    bound: Any = Anything() if re.search(r":[a-z]", query) else [None] * query.count("?")
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", bound)]


@pytest.mark.parametrize("name", PLANS)
def test_a_query_searches_its_indexes(db: sqlite3.Connection, name: str) -> None:
    query, indexes = PLANS[name]
    lines = [line for line in plan(db, query) if not STRUCTURE.match(line)]
    assert [found for line in lines if (found := searched(line))] == indexes
    costly = {line for line in lines if not searched(line)}
    assert costly == set(EXCEPTIONS.get(name, {}))


def test_every_query_is_explained() -> None:
    statement = re.compile(r"\s*(SELECT|UPDATE|DELETE|WITH)\b")
    explained = {query for query, _ in PLANS.values()}
    modules = (
        *(queries, expiry_queries, audit_queries, erasing_queries, parties),
        structure_queries,
    )
    for name, query in [each for module in modules for each in vars(module).items()]:
        if name.isupper() and name[0] != "_" and isinstance(query, str) and statement.match(query):
            assert query in explained or name in WHOLE, name


def test_every_declared_index_serves_a_query(db: sqlite3.Connection) -> None:
    """Or refuses what must not be twice, as the unique ones do."""
    plans = [line for query, _ in PLANS.values() for line in (query, *plan(db, query))]
    used = " ".join(plans)  # of words an index is named where it is searched
    for collection in tables.COLLECTIONS:
        for index in ddl.indexes(collection):
            assert index.unique or re.search(rf"\b{index.name}\b", used), index.name


def test_pages_by_cursor_start_where_the_last_one_ended(db: sqlite3.Connection) -> None:
    for name, (query, _) in PLANS.items():
        if name.endswith("by cursor"):
            assert "(createdAt,id)<(?,?)" in plan(db, query)[0]
