"""Names for ids: they are the host's, and come by a callback."""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from callstore.calls.model import Call, replace

Describe = Callable[[list[str]], dict[str, Any] | Awaitable[dict[str, Any]]]
"""Names for ids: given "u:…", "g:…" and "c:…" (conversation) refs, whatever the host shows."""


async def named(describe: Describe | None, calls: list[Call]) -> list[Call]:
    """The calls with the host's names for everyone in them, where it gives names."""
    if describe is None or not calls:
        return calls
    refs = [_refs(call) for call in calls]
    names = await names_of(describe, set().union(*refs))
    return [
        replace(call, names={ref: names[ref] for ref in own if ref in names})
        for call, own in zip(calls, refs, strict=True)
    ]


async def names_of(describe: Describe | None, refs: Iterable[str]) -> dict[str, Any]:
    """What the host says of these; empty where nobody can be asked."""
    if describe is None:
        return {}
    names = describe(sorted(refs))
    if inspect.isawaitable(names):
        names = await names
    return names or {}


def _refs(call: Call) -> set[str]:
    people = (row.party for row in call.participants or ())
    parties = [call.initiator, call.ended_by_party, *people]
    return {f"c:{call.conversation_id}", *(party.ref for party in parties if party)}
