"""Reads that wait together are answered together: half of what one costs is the way there."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from copy import copy
from typing import Generic, TypeVar

from callstore.errors import CallstoreError

Q = TypeVar("Q")
R = TypeVar("R")

MOST = 16  # in a gathering
_AT_ONCE = 2  # gatherings on their way: client and server have work


class Gathering(Generic[Q, R]):
    """`read` answers several queries in their order. Whoever asks while nothing is on its way is
    not kept waiting; whoever does meanwhile goes with the next ones, and what several ask alike is
    read once for all of them."""

    def __init__(self, read: Callable[[Sequence[Q]], Awaitable[list[R]]]) -> None:
        self._read = read
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._asked: dict[Q, int] = {}  # of those that wait to go: which answer is its own
        self._answers: asyncio.Task[list[R]] | None = None

    async def ask(self, query: Q) -> R:
        if self._answers is None or len(self._asked) == MOST:
            self._asked = {}
            # In a context of its own: a deadline of one caller's is not the others'.
            self._answers = asyncio.create_task(self._go(self._asked), context=Context())
        answers = self._answers
        number = self._asked.setdefault(query, len(self._asked))
        try:
            return (await asyncio.shield(answers))[number]
        except CallstoreError as error:
            raise copy(error) from error.__cause__  # each caller raises its own

    async def _go(self, asked: dict[Q, int]) -> list[R]:
        async with self._slots:
            if asked is self._asked:
                self._answers = None  # who comes now is too late
            return await self._read([*asked])
