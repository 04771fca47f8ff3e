"""What a contestant that follows the document does beside its commands: the document's reads."""

from typing import Any, Protocol

from bench.literal import SampleQueries

MAJORITY = "w=majority"
"""Every contestant writes as durably as callstore does."""

PAGE = 20
LIVE = ["initiated", "ringing", "active"]  # status of a call
PRESENT = ["connecting", "connected"]  # status of a participant
SETTINGS = {"recordingEnabled": False, "transcriptionEnabled": True}

Found = list[tuple[Any, list[Any]]]
"""Calls, as the contestant has them, with their participants."""


class Peer(SampleQueries, Protocol):
    async def get(self, call_id: str) -> Found:
        """A call by its id."""
        ...

    async def history(self, conversation_id: str) -> Found:
        """Sample query 5, its first page; without the initiators' names, which are the host's."""
        ...

    async def current(self, user_id: str) -> Found:
        """Sample query 6, without the conversation's title, which is the host's."""
        ...

    async def live_in(self, conversation_id: str) -> Found:
        """Frequent query 1, with the participants."""
        ...


def mode_with(others: int) -> str:
    """Of a call that somebody joins while `others` are in it, as joinCall has it."""
    return "sfu" if others + 1 >= 3 else "p2p"
