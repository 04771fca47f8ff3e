"""SQL of retention: when rows go, written into them, and their going."""

from functools import cache

from callstore.schema import tables
from callstore.schema.declaration import Collection
from callstore.stores.sqlite.queries import RECORDING, columns
from callstore.times import LATEST, to_ms

_ENDED = f"""
SELECT {columns(tables.CALL, "c")} FROM CallSession c
WHERE c.live = 0 AND c.endedAt <= :before AND c.horizons"""
UNSTAMPED = f"""
SELECT * FROM ({_ENDED} IS NULL UNION ALL {_ENDED} < :horizons UNION ALL {_ENDED} > :horizons)
LIMIT :limit"""
_COUNT_ENDED = "SELECT count(*) FROM CallSession c WHERE c.live = 0 AND c.horizons"
COUNT_UNSTAMPED = f"""
SELECT ({_COUNT_ENDED} IS NULL) + ({_COUNT_ENDED} < :horizons) + ({_COUNT_ENDED} > :horizons)"""
# Keys: [[conversation, call], …]
PASTS = """
SELECT (SELECT max(t.createdAt) FROM CallTranscription t
    WHERE t.conversationId = k.value ->> 0 AND t.callSessionId = k.value ->> 1),
  EXISTS (SELECT 1 FROM CallQualitySample s
    WHERE s.conversationId = k.value ->> 0 AND s.callSessionId = k.value ->> 1)
FROM json_each(?) k"""
STAMP_CALL = "UPDATE CallSession SET expiresAt = ?, horizons = ? WHERE id = ?"


@cache
def stamp(collection: Collection) -> str:
    return f"""
UPDATE {collection.name} SET expiresAt = :value
WHERE conversationId = :conversation AND callSessionId = :call AND expiresAt IS NOT :value"""


RESTAMP_SAMPLES = f"{stamp(tables.SAMPLE)} AND analysed = 1"
# The value is a span.
_LATEST = to_ms(LATEST)
STAMP_CAPTIONS = f"""
UPDATE CallTranscription SET expiresAt = min(createdAt + :value, {_LATEST})
WHERE conversationId = :conversation AND callSessionId = :call"""
STAMP_RECORDINGS = f"""
UPDATE CallRecording SET expiresAt = CASE WHEN status IN ('processing', 'available')
  THEN min(coalesce(stoppedAt, createdAt) + :value, {_LATEST}) END
WHERE conversationId = :conversation AND callSessionId = :call"""
_OVER = "c.expiresAt <= :now AND c.horizons = :horizons"
EXPIRED_CALLS = f"""
SELECT c.conversationId, c.id FROM CallSession c
WHERE {_OVER} ORDER BY c.expiresAt LIMIT :limit"""
DELETE_CALL = "DELETE FROM CallSession WHERE conversationId = ? AND id = ?"
EXPIRED_RECORDINGS = f"""
{RECORDING} WHERE r.expiresAt <= :now AND r.status = 'available' AND r.underway IS NULL
LIMIT :limit"""
COUNT_EXPIRED_RECORDINGS = """
SELECT count(*) FROM CallRecording r
WHERE r.expiresAt <= :now AND r.status = 'available' AND r.underway IS NULL"""


COUNT_HELD = """
SELECT count(*) FROM CallSession c
WHERE c.live = 0 AND c.horizons = :horizons AND c.expiresAt IS NULL AND c.holds <> '[]'
  AND c.endedAt <= :before"""


def count_own(collection: str) -> str:
    return f"SELECT count(*) FROM {collection} WHERE expiresAt <= :now"


@cache
def delete_expired(collection: Collection) -> str:
    key = ", ".join(collection.key)
    return f"""
DELETE FROM {collection.name} WHERE ({key}) IN (
  SELECT {key} FROM {collection.name} WHERE expiresAt <= :now LIMIT :limit)"""


@cache
def count_expired(collection: Collection, *, alone: bool) -> str:
    """Of calls whose time has come; and, `alone`, those whose own has."""
    if collection is tables.CALL:
        return f"SELECT count(*) FROM CallSession c WHERE {_OVER}"
    name = collection.name
    of_calls = f"""
(SELECT count(*) FROM CallSession c CROSS JOIN {name} r ON r.conversationId = c.conversationId
  AND r.callSessionId = c.id WHERE {_OVER})"""
    own = f"""
(SELECT count(*) FROM {name} r WHERE r.expiresAt <= :now AND NOT EXISTS (SELECT 1
  FROM CallSession c WHERE c.conversationId = r.conversationId AND c.id = r.callSessionId
    AND {_OVER}))"""
    return f"SELECT {of_calls} + {own}" if alone else f"SELECT {of_calls}"
