"""Pages of a history, a log, and whatever else comes in pages."""

from datetime import datetime
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True, kw_only=True):
    """`next` is the cursor of the page that follows, None on the last one. A filtered page may be
    short, even empty, and still have a next."""

    items: list[T]
    next: str | None


Place = tuple[datetime, str]
"""Where the next page begins: the (createdAt, id) of the last row of this one."""
