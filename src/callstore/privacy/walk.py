"""The calls of a conversation or a party, some at a time."""

from collections.abc import AsyncIterator

from callstore.calls.model import Party
from callstore.calls.pages import Place
from callstore.stores.protocol import Store

PAGE = 50
"""Calls at once: few enough that nobody waits for long."""
Key = tuple[str, str]
"""A call's conversation, and its id."""


async def calls_of(store: Store, party: Party) -> AsyncIterator[list[Key]]:
    """That the party has a log entry of. Entries may go on the way."""
    after = None
    while True:
        entries, after = await store.parties.entries(party, after, PAGE)
        if entries:
            yield [(entry.conversation_id, entry.call_session_id) for entry in entries]
        if after is None:
            return


async def calls_in(store: Store, conversation_id: str) -> AsyncIterator[list[Place]]:
    """When each began, and its id; the oldest first. They may go on the way."""
    place: Place | None = None
    while True:
        places = await store.papers.calls_in(conversation_id, place, PAGE)
        if places:
            yield places
        if len(places) < PAGE:
            return
        place = places[-1]
