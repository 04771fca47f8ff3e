"""Every SQL statement of the store. `:name` and `?` are bound; nothing of a caller's is pasted in.

Keys of many rows come as one JSON array, so that a batch needs one statement a table.
"""

from collections.abc import Iterable
from functools import cache

from callstore.calls.model import OUTCOMES_BY_REASON, Outcome
from callstore.schema import tables
from callstore.schema.declaration import Collection
from callstore.stores.pages import HistoryQuery, LogQuery
from callstore.stores.sqlite import ddl


def columns(collection: Collection, alias: str) -> str:
    return ", ".join(f"{alias}.{field.name}" for field in collection.fields)


_CALL = columns(tables.CALL, "c")
_PARTICIPANT = columns(tables.PARTICIPANT, "p")
_PULSE = columns(tables.PULSE, "u")
_ENTRY = columns(tables.LOG_ENTRY, "e")

BEGIN = "BEGIN IMMEDIATE"

# -- loading what a batch needs

CALLS_BY_ID = f"SELECT {_CALL} FROM CallSession c WHERE c.id IN (SELECT value FROM json_each(?))"
LIVE_CALLS = f"""
SELECT {_CALL} FROM CallSession c
WHERE c.conversationId IN (SELECT value FROM json_each(?)) AND c.live = 1"""

_WITH_PULSE = """
LEFT JOIN CallPulse u ON u.conversationId = p.conversationId
  AND u.callSessionId = p.callSessionId AND u.id = p.id"""

# Keys: [[conversation, call, party id], …]
USERS_OF_CALLS = f"""
SELECT {_PARTICIPANT}, {_PULSE} FROM json_each(?) k
CROSS JOIN CallParticipant p ON p.conversationId = k.value ->> 0
  AND p.callSessionId = k.value ->> 1 AND p.userId = k.value ->> 2 {_WITH_PULSE}"""
GUESTS_OF_CALLS = USERS_OF_CALLS.replace("p.userId = k", "p.anonymousUserId = k")

# Keys: [[party ref, call], …]
ENTRIES_OF_PARTIES = f"""
SELECT {_ENTRY} FROM json_each(?) k
CROSS JOIN CallLogEntry e ON e.party = k.value ->> 0 AND e.callSessionId = k.value ->> 1"""

# Keys: [[conversation, call, participant, segment], …]
CAPTIONS_OF_SEGMENTS = f"""
SELECT {columns(tables.CAPTION, "t")} FROM json_each(?) k
CROSS JOIN CallTranscription t ON t.conversationId = k.value ->> 0
  AND t.callSessionId = k.value ->> 1 AND t.participantId = k.value ->> 2
  AND t.segmentId = k.value ->> 3"""

# Keys: [[conversation, call], …]
EVERYONE_OF_CALLS = f"""
SELECT {_PARTICIPANT}, {_PULSE} FROM json_each(?) k
CROSS JOIN CallParticipant p ON p.conversationId = k.value ->> 0
  AND p.callSessionId = k.value ->> 1 {_WITH_PULSE}"""
ENTRIES_OF_CALLS = f"""
SELECT {_ENTRY} FROM json_each(?) k
CROSS JOIN CallLogEntry e ON e.conversationId = k.value ->> 0 AND e.callSessionId = k.value ->> 1"""
RECORDINGS_OF_CALLS = f"""
SELECT {columns(tables.RECORDING, "r")} FROM json_each(?) k
CROSS JOIN CallRecording r ON r.conversationId = k.value ->> 0
  AND r.callSessionId = k.value ->> 1"""
PARTICIPANTS_OF_CALLS = f"""
SELECT {_PARTICIPANT} FROM json_each(?) k
CROSS JOIN CallParticipant p ON p.conversationId = k.value ->> 0
  AND p.callSessionId = k.value ->> 1"""

# -- writing


@cache
def insert(collection: Collection) -> str:
    names = [field.name for field in collection.fields]
    marks = [f"?{number}" for number in range(1, len(names) + 1)]
    if collection.numbered:
        marks.append(_number(collection, marks[names.index(collection.numbered)]))
        names.append(ddl.NUMBER)
    return f"INSERT INTO {collection.name} ({', '.join(names)}) VALUES ({', '.join(marks)})"


def _number(collection: Collection, at: str) -> str:
    """The next one of a millisecond's, of which each has 2^20."""
    return (
        f"(SELECT coalesce(max({ddl.NUMBER}) + 1, {at} << 20) FROM {collection.name}"
        f" WHERE {ddl.NUMBER} BETWEEN {at} << 20 AND ({at} << 20) + 1048575)"
    )


@cache
def update(collection: Collection, changed: tuple[str, ...]) -> str:
    """Bound: the changed values, the key, the guard's value as it was read."""
    guard = collection.guard
    sets = [f"{name} = ?" for name in changed]
    if collection.numbered in changed:
        at = f"?{changed.index(collection.numbered) + 1}"
        sets.append(f"{ddl.NUMBER} = {_number(collection, at)}")
    where = " AND ".join(f"{name} = ?" for name in (*collection.key, *((guard,) if guard else ())))
    return f"UPDATE {collection.name} SET {', '.join(sets)} WHERE {where}"


# -- reading by key

CALL_BY_ID = f"SELECT {_CALL} FROM CallSession c WHERE c.id = ?"
LIVE_CALL = f"SELECT {_CALL} FROM CallSession c WHERE c.conversationId = ? AND c.live = 1"
PARTICIPANTS = f"""
SELECT {_PARTICIPANT} FROM CallParticipant p
WHERE p.conversationId = ? AND p.callSessionId = ?"""

_LIVE_ROWS = f"SELECT {_PARTICIPANT} FROM CallParticipant p WHERE p.userId = ? AND p.leftAt IS NULL"
LIVE_ROWS = {"user": _LIVE_ROWS, "guest": _LIVE_ROWS.replace("p.userId", "p.anonymousUserId")}

_IN_CALL = """
WHERE {0}.conversationId = (SELECT conversationId FROM CallSession WHERE id = :call)
  AND {0}.callSessionId = :call"""
EVENTS = f"""
SELECT {columns(tables.EVENT, "v")} FROM CallEvent v {_IN_CALL.format("v")}
  AND v.seq > :after ORDER BY v.seq LIMIT :limit"""
SAMPLES = f"""
SELECT {columns(tables.SAMPLE, "s")} FROM CallQualitySample s {_IN_CALL.format("s")}
ORDER BY s.participantId, s.at, s.id"""
ANALYTICS = f"""
SELECT {columns(tables.ANALYTICS, "a")} FROM CallAnalytics a {_IN_CALL.format("a")}"""

_CAPTION = columns(tables.CAPTION, "t")
CAPTION = f"SELECT {_CAPTION} FROM CallTranscription t WHERE t.id = ?"
CAPTIONS = f"""
SELECT {_CAPTION} FROM CallTranscription t {_IN_CALL.format("t")}
  AND (t.timestamp, t.id) > (:after_at, :after_id) AND t.isFinal >= :final
ORDER BY t.timestamp, t.id LIMIT :limit"""

RECORDING = f"SELECT {columns(tables.RECORDING, 'r')} FROM CallRecording r"
RECORDINGS = f"{RECORDING} WHERE r.id IN (SELECT value FROM json_each(:ids))"
RECORDINGS_OF_CALL = f"{RECORDING} {_IN_CALL.format('r')}"
_WAITS = f"{RECORDING} WHERE r.status = 'processing' AND r.underway IS NULL AND r.stoppedAt"
UNFINISHED_RECORDINGS = f"""
{RECORDING} WHERE r.underway IS NOT NULL
UNION ALL {_WAITS} <= :before
UNION ALL {_WAITS} IS NULL AND r.createdAt <= :before"""

# The latest first, but for those of the same millisecond.
FOUND = f"""
SELECT {_CAPTION} FROM CallTranscription_words w
CROSS JOIN CallTranscription t ON t.number = w.rowid
WHERE w.CallTranscription_words MATCH :match AND w.rowid < :below ORDER BY w.rowid DESC"""
_WAS_THERE = """
SELECT 1 FROM CallParticipant p
WHERE p.conversationId = ? AND p.callSessionId = ? AND p.userId = ?"""
WAS_THERE = {
    "user": _WAS_THERE,
    "guest": _WAS_THERE.replace("p.userId", "p.anonymousUserId"),
}
CONVERSATIONS_OF = "SELECT DISTINCT e.conversationId FROM CallLogEntry e WHERE e.party = ?"

# -- pages

# As LogEntry.unseen, and as its index has it.
_UNSEEN = (
    "e.direction = 'incoming' AND e.response = 'missed' AND e.seenAt IS NULL AND e.hiddenAt IS NULL"
)


def outcome(name: Outcome, alias: str) -> str:
    """The condition under which a row's derived outcome is `name`."""
    if name == "ongoing":
        return f"{alias}.endedAt IS NULL"
    if name == "answered":
        return f"{alias}.endedAt IS NOT NULL AND {alias}.startedAt IS NOT NULL"
    reasons = [f"'{reason}'" for reason, what in OUTCOMES_BY_REASON.items() if what == name]
    return (
        f"{alias}.endedAt IS NOT NULL AND {alias}.startedAt IS NULL"
        f" AND coalesce({alias}.endReason, 'normal') IN ({', '.join(reasons)})"
    )


def history(query: HistoryQuery) -> tuple[str, list[str], list[str]]:
    """(what to select from, the conditions that bound a page, those that only filter it)."""
    if query.party is None:
        source, alias = "CallSession c", "c"
        bounds = ["c.conversationId = :conversation_id"]
    else:
        source, alias = "CallLogEntry e CROSS JOIN CallSession c ON c.id = e.callSessionId", "e"
        bounds = ["e.party = :party", "e.conversationId = :conversation_id"]
    filters = []
    if query.outcome is not None:
        filters.append(outcome(query.outcome, "c"))
    if query.type is not None:
        filters.append("c.type = :type")
    if query.min_duration is not None:
        filters.append("c.duration >= :min_duration")
    return source, bounds + _span(query, alias), filters


def log(query: LogQuery) -> tuple[str, list[str], list[str]]:
    bounds = ["e.party = :party", _UNSEEN if query.unseen else "e.hiddenAt IS NULL"]
    given = [n for n in ("direction", "response", "type") if getattr(query, n) is not None]
    filters = [f"e.{name} = :{name}" for name in given]
    if query.outcome is not None:
        filters.append(outcome(query.outcome, "e"))
    return "CallLogEntry e", bounds + _span(query, "e"), filters


def _span(query: HistoryQuery | LogQuery, alias: str) -> list[str]:
    spans = []
    if query.since is not None:
        spans.append(f"{alias}.createdAt >= :since")
    if query.cursor is not None and (query.until is None or query.cursor[0] <= query.until):
        spans.append(f"({alias}.createdAt, {alias}.id) < (:after_at, :after_id)")
    elif query.until is not None:
        spans.append(f"{alias}.createdAt <= :until")
    return spans


def page(what: str, source: str, where: Iterable[str], alias: str) -> str:
    return (
        f"SELECT {what} FROM {source} WHERE {' AND '.join(where)}"
        f" ORDER BY {alias}.createdAt DESC, {alias}.id DESC LIMIT :limit OFFSET :offset"
    )


CALL_COLUMNS, ENTRY_COLUMNS = _CALL, _ENTRY

# -- a party's log

UNSEEN = f"SELECT count(*) FROM CallLogEntry e WHERE e.party = ? AND {_UNSEEN}"
SEE_ALL = f"UPDATE CallLogEntry AS e SET seenAt = :at WHERE e.party = :party AND {_UNSEEN}"
SEE = """
UPDATE CallLogEntry AS e SET seenAt = :at WHERE e.party = :party AND e.seenAt IS NULL
  AND e.callSessionId IN (SELECT value FROM json_each(:calls))"""
HIDE_ALL = """
UPDATE CallLogEntry AS e SET hiddenAt = :at
WHERE e.party = :party AND e.hiddenAt IS NULL"""
HIDE = f"{HIDE_ALL} AND e.callSessionId IN (SELECT value FROM json_each(:calls))"

# -- sweeping

# The walk over live calls and their people; a sweep costs what is live, not what is kept.
ANYONE_LIVE = "SELECT EXISTS (SELECT 1 FROM CallSession c WHERE c.live = 1)"
OVERDUE = """
SELECT c.id FROM CallSession c
WHERE c.live = 1 AND c.ringDeadline <= :now AND c.startedAt IS NULL
UNION
SELECT c.id FROM CallSession c
CROSS JOIN CallParticipant p ON p.conversationId = c.conversationId AND p.callSessionId = c.id
LEFT JOIN CallPulse u ON u.conversationId = c.conversationId AND u.callSessionId = c.id
  AND u.id = p.id
WHERE c.live = 1 AND p.leftAt IS NULL AND coalesce(u.seenAt, 0) <= :silent_before
  AND p.joinedAt <= :silent_before
  AND unixepoch(json_extract(p.stints, '$[#-1].joinedAt')) * 1000 <= :silent_before"""
DUE = f"""{OVERDUE}
UNION
SELECT c.id FROM CallSession c WHERE c.live = 1 AND c.ringDeadline <= :now
UNION
SELECT c.id FROM CallSession c WHERE c.live = 1 AND c.mode = 'sfu' AND c.fewSince <= :few_before
UNION
SELECT c.id FROM CallSession c WHERE c.live = 1 AND c.lastEventAt > :now"""

# Steps from call to call through the partial index, past all samples of the same call.
UNANALYSED = """
WITH RECURSIVE sampled (key) AS (
  SELECT * FROM (SELECT conversationId || callSessionId FROM CallQualitySample
    WHERE analysed = 0 ORDER BY conversationId, callSessionId LIMIT 1)
  UNION ALL
  SELECT (SELECT n.conversationId || n.callSessionId FROM CallQualitySample n
    WHERE n.analysed = 0
      AND (n.conversationId, n.callSessionId) > (substr(key, 1, 24), substr(key, 25))
    ORDER BY n.conversationId, n.callSessionId LIMIT 1)
  FROM sampled WHERE key IS NOT NULL)
SELECT c.id FROM sampled JOIN CallSession c ON c.id = substr(key, 25) WHERE c.live = 0"""
STAMP_ANEW = """
UPDATE CallSession SET horizons = NULL, updatedAt = max(updatedAt, :at) WHERE id = :call"""
MARK_SAMPLE = f"""
UPDATE CallQualitySample SET analysed = 1
WHERE {" AND ".join(f"{name} = ?" for name in tables.SAMPLE.key)}"""

# -- examining

CHILDREN = tuple(c for c in tables.COLLECTIONS if c.of_call)
# In the order of `Counted`.
COUNTED = """
SELECT c.id, c.liveCount, c.joinedCount, c.peakParticipants, c.modeSwitchCount, c.eventCount,
  c.erasedCount, count(p.id), count(p.answeredAt),
  count(CASE WHEN p.leftAt IS NULL AND p.answeredAt IS NOT NULL THEN 1 END),
  (SELECT count(*) FROM CallLogEntry e WHERE e.conversationId = c.conversationId
    AND e.callSessionId = c.id),
  (SELECT count(*) FROM CallEvent v WHERE v.conversationId = c.conversationId
    AND v.callSessionId = c.id),
  coalesce((SELECT max(v.seq) FROM CallEvent v WHERE v.conversationId = c.conversationId
    AND v.callSessionId = c.id), 0),
  (SELECT count(*) FROM CallEvent v WHERE v.conversationId = c.conversationId
    AND v.callSessionId = c.id AND v.type = 'mode.switched')
FROM CallSession c LEFT JOIN CallParticipant p
  ON p.conversationId = c.conversationId AND p.callSessionId = c.id
WHERE c.id > :after GROUP BY c.id ORDER BY c.id LIMIT :limit"""


@cache
def calls_of(collection: Collection) -> str:
    """The next calls by key that have rows here, and whether each is there itself."""
    return f"""
SELECT k.*, EXISTS (SELECT 1 FROM CallSession c
  WHERE c.conversationId = k.conversationId AND c.id = k.callSessionId)
FROM (SELECT o.conversationId, o.callSessionId, count(*) FROM {collection.name} o
  WHERE (o.conversationId, o.callSessionId) > (:conversation, :call)
  GROUP BY o.conversationId, o.callSessionId
  ORDER BY o.conversationId, o.callSessionId LIMIT :limit) k"""


@cache
def delete_of_call(collection: Collection) -> str:
    return f"DELETE FROM {collection.name} WHERE conversationId = ? AND callSessionId = ?"


# -- moving


@cache
def next_rows(collection: Collection, *, first: bool) -> str:
    """Bound: the key of the last row, unless these are the first; how many."""
    key, names = ", ".join(collection.key), columns(collection, "r")
    past = "" if first else f"WHERE {past_key(collection)}"
    return f"SELECT {names} FROM {collection.name} r {past} ORDER BY {key} LIMIT ?"


def past_key(collection: Collection) -> str:
    """What rows behind a key match. Bound: that key."""
    return f"({', '.join(collection.key)}) > ({', '.join('?' * len(collection.key))})"


@cache
def keyed(collection: Collection) -> str:
    """Bound: a list of keys as JSON."""
    on = " AND ".join(f"r.{name} = k.value ->> {i}" for i, name in enumerate(collection.key))
    names = columns(collection, "r")
    return f"SELECT {names} FROM json_each(?) k CROSS JOIN {collection.name} r ON {on}"


@cache
def put(collection: Collection) -> str:
    """Inserts a row, or writes it over the one of its key."""
    names = [*(f.name for f in collection.fields), *([ddl.NUMBER] if collection.numbered else [])]
    sets = ", ".join(f"{name} = excluded.{name}" for name in names)
    key = ", ".join(collection.key)
    return f"{insert(collection)} ON CONFLICT ({key}) DO UPDATE SET {sets}"


@cache
def delete(collection: Collection) -> str:
    where = " AND ".join(f"{name} = ?" for name in collection.key)
    return f"DELETE FROM {collection.name} WHERE {where}"


DELETE_ANALYTICS = """
DELETE FROM CallAnalytics WHERE conversationId = :conversation AND callSessionId = :call"""
