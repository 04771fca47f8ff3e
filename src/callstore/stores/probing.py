"""Rows that are tried in a transaction that is never committed."""

from collections.abc import Awaitable


class Probed(Exception):
    """Ends the transaction: why the last row was refused, None where it was taken."""

    def __init__(self, refusal: str | None) -> None:
        self.refusal = refusal


async def outcome(trying: Awaitable[object]) -> str | None:
    """What it was Probed as."""
    try:
        await trying
    except Probed as probed:
        return probed.refusal
    raise AssertionError("a probe does not end without telling")
