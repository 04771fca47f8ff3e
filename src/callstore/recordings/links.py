"""Links of callstore's own, for storage that cannot sign any. Pure.

A link names one recording and when it ends, and carries a MAC (HMAC-SHA256, RFC 2104) of both, by
a key that is derived from the secret for this purpose alone.
"""

import hmac
import re
from datetime import datetime, timedelta

from callstore.errors import Forbidden
from callstore.times import EPOCH, to_ms

_LINK = re.compile(r"/recordings/([0-9a-f]{24})\?expires=([0-9]{1,15})&token=([0-9a-f]{64})\Z")


def link(base: str, recording_id: str, expires_at: datetime, key: bytes) -> str:
    expires = to_ms(expires_at)
    token = _token(recording_id, expires, key)
    return f"{base}/recordings/{recording_id}?expires={expires}&token={token}"


def linked(url: str, now: datetime, key: bytes) -> str:
    """The id of the recording that a link gives; Forbidden if it gives none, or no longer."""
    parts = _LINK.search(url)
    if parts is None:
        raise Forbidden("this is no link to a recording")
    id, expires, token = parts[1], int(parts[2]), parts[3]
    if not hmac.compare_digest(token, _token(id, expires, key)):
        raise Forbidden("the link was not made here, or changed since")
    if now >= EPOCH + timedelta(milliseconds=expires):
        raise Forbidden("the link has expired")
    return id


def _token(recording_id: str, expires: int, key: bytes) -> str:
    return hmac.digest(key, f"{recording_id} {expires}".encode(), "sha256").hex()
