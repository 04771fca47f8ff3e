"""Reads that wait together are answered together: half of what one costs is the way there."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from copy import copy
from typing import Generic, TypeVar

from callstore.errors import CallstoreError, StoreUnavailable
from callstore.stores.waiting import turn

Q = TypeVar("Q")
R = TypeVar("R")

MOST = 16  # in a gathering
_AT_ONCE = 2  # readings on their way: client and server have work


Reading = asyncio.Task[Sequence[R | CallstoreError]]


class Gathering(Generic[Q, R]):
    """`read` answers several queries in their order. Whoever asks while fewer than two are on
    their way is not kept waiting; whoever does meanwhile goes with the next ones, and what several
    ask alike is read once for all of them. Who waits `patience` seconds to go is told Busy."""

    def __init__(
        self,
        read: Callable[[Sequence[Q]], Awaitable[Sequence[R | CallstoreError]]],
        patience: float,
    ) -> None:
        self._read = read
        self._patience = patience
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._asked: dict[Q, int] = {}  # of those that wait to go: which answer is its own
        self._answers: Reading[R] | None = None
        self._readings: set[Reading[R]] = set()

    async def ask(self, query: Q) -> R:
        full = len(self._asked) == MOST and query not in self._asked
        if self._answers is None or self._answers.done() or full:
            self._begin()
        answers = self._answers
        assert answers is not None
        number = self._asked.setdefault(query, len(self._asked))
        answer: R | CallstoreError
        try:
            answer = (await asyncio.shield(answers))[number]
        except CallstoreError as error:
            answer = error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling() or not answers.cancelled():
                raise
            answer = StoreUnavailable("the read was cancelled")
        if isinstance(answer, CallstoreError):
            raise copy(answer) from answer.__cause__  # each caller raises its own
        return answer

    def _begin(self) -> None:
        self._asked = {}
        # In a context of its own: a deadline of one caller's is not the others'.
        reading = Context().run(asyncio.create_task, self._go(self._asked))
        self._readings.add(reading)
        reading.add_done_callback(self._over)
        self._answers = reading

    def _over(self, reading: "Reading[R]") -> None:
        self._readings.discard(reading)
        if not reading.cancelled():
            reading.exception()  # seen: its callers may have given up

    async def _go(self, asked: dict[Q, int]) -> Sequence[R | CallstoreError]:
        deadline = asyncio.get_running_loop().time() + self._patience
        await asyncio.sleep(0)  # an eager task, too, is asked something before it goes
        async with turn(self._slots, deadline):
            if asked is self._asked:
                self._answers = None  # who comes now is too late
            return await self._read([*asked])

    async def close(self) -> None:
        """Ends what nobody may wait for any more."""
        for reading in self._readings:
            reading.cancel()
        if self._readings:
            await asyncio.wait(self._readings, timeout=1)
