"""Ids: MongoDB ObjectIds, as 24 hex digits in lower case, made by the caller's process."""

import itertools
import os
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

Id = Annotated[str, Meta(pattern="^[0-9a-f]{24}$")]

NOBODY = "0" * 24
"""Stands where a required reference pointed at someone who was erased."""
LAST = "g"
"""Sorts behind every id."""

_HEX = re.compile(r"[0-9a-fA-F]{24}")


def parse_id(value: object) -> str:
    """The id in lower case; ValueError unless it is 24 hex digits and not all zeros."""
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise ValueError("must be an id of 24 hex digits")
    if value == NOBODY:
        raise ValueError("must not be 24 zeros")
    return value.lower()


def made_at(id: str) -> datetime:
    """When the id was made, to the second: the first 4 bytes of an ObjectId."""
    return datetime.fromtimestamp(int(id[:8], 16), UTC)


def id_maker() -> Callable[[], str]:
    """A maker of ids that are unique across threads, processes and machines, in rough time order:
    4 bytes of time, 5 random bytes of this process, 3 bytes of a counter (the ObjectId layout).
    """
    counter = itertools.count(secrets.randbelow(1 << 24))
    process, machine = os.getpid(), secrets.token_hex(5)

    def new_id() -> str:
        nonlocal process, machine
        if os.getpid() != process:  # a fork must not go on with its parent's random bytes
            process, machine = os.getpid(), secrets.token_hex(5)
        return f"{int(time.time()):08x}{machine}{next(counter) & 0xFFFFFF:06x}"

    return new_id
