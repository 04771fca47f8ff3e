"""SQL of the audit. Row 0 is the chain's own."""

from callstore.schema.papers import AUDIT
from callstore.stores.sqlite.queries import columns

_ENTRY = f"SELECT {columns(AUDIT, 'a')} FROM CallAudit a"
CHAIN = f"{_ENTRY} WHERE a.seq = 0"
ENTRIES = f"{_ENTRY} WHERE a.seq > max(:after, 0) ORDER BY a.seq LIMIT :limit"
_NEWEST = "a.seq > 0 AND a.seq < :below ORDER BY a.seq DESC LIMIT :limit"
NEWEST = f"{_ENTRY} WHERE {_NEWEST}"
NEWEST_OF_PARTY = f"{_ENTRY} WHERE a.partyHash = :party AND {_NEWEST}"
DELETE_OLDEST = "DELETE FROM CallAudit WHERE seq > 0 AND seq <= ?"
