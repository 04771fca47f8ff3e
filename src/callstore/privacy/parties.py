"""A party without its id. Pure."""

import hmac

from callstore.calls.model import Party

PURPOSE = "hashes of parties"
"""What the key is derived for."""


def party_hash(party: Party, key: bytes) -> str:
    """The same for the same party, and of no use to who has not the key: HMAC-SHA256 (RFC 2104)."""
    return hmac.digest(key, party.ref.encode(), "sha256").hex()
