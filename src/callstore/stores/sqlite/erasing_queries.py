"""SQL of holds and erasures."""

from callstore.schema import papers, tables
from callstore.stores.sqlite.queries import columns

_HOLD = f"SELECT {columns(papers.HOLD, 'h')} FROM CallHold h"
HOLD = f"{_HOLD} WHERE h.id = ?"
HOLDS = f"{_HOLD} ORDER BY h.placedAt DESC, h.id DESC"
_ON = f"{_HOLD} WHERE h.releasedAt IS NULL AND h."
HOLDS_ON = f"""
{_ON}callSessionId IN (SELECT value FROM json_each(:calls))
UNION ALL {_ON}conversationId IN (SELECT value FROM json_each(:conversations))
UNION ALL {_ON}party IN (SELECT value FROM json_each(:parties))"""
HOLDS_ON_PARTY = f"""
{_HOLD} WHERE h.party = :party AND h.releasedAt IS NULL
UNION ALL {_HOLD} WHERE h.party = :party AND h.releasedAt IS NOT NULL"""
UNSETTLED_HOLDS = f"""
{_HOLD} WHERE h.settled = 0
UNION ALL {_HOLD} WHERE h.settled = 1 AND h.releasedAt IS NULL AND h.until <= :now"""
FORGET_HOLDS = """
UPDATE CallHold SET party = NULL, reason = NULL, anonymizedAt = :at
WHERE party = :party AND releasedAt IS NOT NULL AND settled = 1"""

_ERASURE = f"SELECT {columns(papers.ERASURE, 'e')} FROM CallErasure e"
ERASURE = f"{_ERASURE} WHERE e.id = ?"
PENDING = f"{_ERASURE} WHERE e.status = 'pending'"
_LATEST_FIRST = "ORDER BY e.requestedAt DESC, e.id DESC"
ERASURES = f"{_ERASURE} {_LATEST_FIRST}"
ERASURES_OF = f"{_ERASURE} WHERE e.partyHash = ? {_LATEST_FIRST}"

CALLS_IN = """
SELECT c.createdAt, c.id FROM CallSession c
WHERE c.conversationId = ? AND (c.createdAt, c.id) > (?, ?)
ORDER BY c.createdAt, c.id LIMIT ?"""

# Of one call: what is bound as :conversation, :call
_OF_CALL = "WHERE conversationId = :conversation AND callSessionId = :call"
OF_PARTICIPANT = {
    each.name: f"DELETE FROM {each.name} {_OF_CALL} AND participantId = :participant"
    for each in (tables.CAPTION, tables.SAMPLE, tables.PULSE)
}
_KEY = ", ".join(tables.SAMPLE.key)
THIN = f"""
DELETE FROM CallQualitySample {_OF_CALL} AND ({_KEY}) IN (
  SELECT {_KEY} FROM CallQualitySample {_OF_CALL} LIMIT :limit)"""
DELETE_ROW = {
    each.name: f"DELETE FROM {each.name} {_OF_CALL} AND id = :id"
    for each in (tables.PARTICIPANT, tables.LOG_ENTRY)
}
FORGET_IN_EVENTS = {
    name: f"UPDATE CallEvent SET {name} = NULL {_OF_CALL} AND {name} = :who"
    for name in ("userId", "anonymousUserId", "actor")
}
FORGET_REASONS = f"""
UPDATE CallEvent SET data = json_remove(data, '$.reason') {_OF_CALL}
  AND type = 'recording.failed' AND data ->> 'reason' IS NOT NULL
  AND data ->> 'recordingId' IN (SELECT value FROM json_each(:recordings))"""

MERGE = """
INSERT INTO CallTranscription_words (CallTranscription_words, rank) VALUES ('merge', ?)"""
