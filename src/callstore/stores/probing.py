"""Rows that are tried in a transaction that is never committed."""

from collections.abc import Awaitable

from callstore.errors import StoreError
from callstore.stores.protocol import Unwritable


class Probed(Exception):
    """Ends the transaction: why the last row was refused, None where it was taken."""

    def __init__(self, refusal: str | None) -> None:
        self.refusal = refusal


async def outcome(trying: Awaitable[object]) -> str | None:
    """What it was Probed as. StoreError where a row before the last one was refused."""
    try:
        await trying
    except Probed as probed:
        return probed.refusal
    except Unwritable as error:
        raise StoreError(f"the database refused this: {error}") from error
    raise AssertionError("a probe does not end without telling")
