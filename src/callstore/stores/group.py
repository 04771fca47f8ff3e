"""The group commit: commands that wait together are decided and committed together.

A command waits in `Group.submit`. The runner takes what waits (at most 256), hands it to the store
as one `Batch`, and answers when the store has committed. The queue never waits to fill: a command
that finds it empty is committed at once, and while one group is on its way the next one gathers.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from copy import copy
from typing import Any

from callstore.calls.commands import Command, OnCall, Start
from callstore.errors import Busy, CallstoreError, StoreError
from callstore.stores.batch import Asked, CommandBatch, Rules
from callstore.stores.protocol import Store, Unwritable, WriteConflict
from callstore.stores.waiting import back_off

MOST = 256  # commands in a group
_log = logging.getLogger("callstore")


class Group:
    def __init__(self, store: Store, rules: Rules, *, deadline: float) -> None:
        self._store = store
        self._rules = rules
        self._deadline = deadline
        self._waiting: deque[Asked] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def submit(self, command: Command) -> Any:
        """The command's answer, once it is committed; its refusal as one of callstore.errors.

        A caller that is cancelled while its command is on the way does not stop it.
        """
        loop = asyncio.get_running_loop()
        asked = Asked(
            command=command, answer=loop.create_future(), deadline=loop.time() + self._deadline
        )
        self._waiting.append(asked)
        if self._runner is None:
            self._runner = loop.create_task(self._run())
        return await asked.answer

    async def rehearse(self, commands: Sequence[Command]) -> list[Any]:
        """What each would answer, one after the other, refusals among it; nothing is kept."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._deadline
        group = [
            Asked(command=command, answer=loop.create_future(), deadline=deadline)
            for command in commands
        ]
        tries = 0
        while True:
            try:
                batch = CommandBatch(group, self._rules)
                await self._store.transact(batch, deadline - loop.time(), rehearsal=True)
                break
            except WriteConflict:
                tries += 1
                await back_off(tries)
                if loop.time() >= deadline:
                    raise Busy("others kept the store busy until the deadline") from None
            except Unwritable as error:
                raise StoreError(f"the store could not write this: {error}") from error
        return [asked.outcome for asked in group]

    async def drain(self) -> None:
        """Waits until nothing waits."""
        while self._runner is not None:
            await asyncio.wait([self._runner])

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._commit(self._take())
        finally:
            self._runner = None

    def _take(self) -> list[Asked]:
        """The next group: what has waited longest, of any calls. On a cluster, of the conversation
        of the first: its rows are on one shard."""
        if self._store.sharded:
            taken = self._take_of(self._place(self._waiting[0].command))
        else:
            taken = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        return [asked for asked in taken if not asked.answer.done()]

    def _take_of(self, place: str) -> list[Asked]:
        taken: list[Asked] = []
        left: deque[Asked] = deque()
        for asked in self._waiting:
            mine = len(taken) < MOST and self._place(asked.command) == place
            (taken if mine else left).append(asked)
        self._waiting = left
        return taken

    def _place(self, command: Command) -> str:
        """The conversation, or the call where nobody has looked up its conversation yet."""
        if isinstance(command, Start):
            return command.conversation_id
        assert isinstance(command, OnCall)
        return self._store.conversation_of(command.call_id) or command.call_id

    async def _commit(self, group: list[Asked]) -> None:
        """Commits `group` and answers; halves it on conflicts until the commands' deadline."""
        tries = 0
        while group := _in_time(group):
            left = min(asked.deadline for asked in group) - asyncio.get_running_loop().time()
            try:
                await self._store.transact(CommandBatch(group, self._rules), left)
            except WriteConflict:
                tries += 1
                await back_off(tries)
                half = len(group) // 2
                await self._commit(group[:half])
                group = group[half:]
            except Busy:
                continue  # until the earliest deadline; the others have time left
            except CallstoreError as error:
                return _refuse(group, error)
            except Exception as error:  # noqa: BLE001 - a row that cannot be written: whose?
                return await self._one_by_one(group, error)
            else:
                return _answer(group)
        return None

    async def _one_by_one(self, group: list[Asked], error: Exception) -> None:
        """What fails alone gets its error; the others are not harmed by it."""
        if len(group) > 1:
            for asked in group:
                await self._commit([asked])
        else:
            if not isinstance(error, Unwritable):
                _log.error("a command could not be decided", exc_info=error)
            refusal = StoreError(f"the store could not write this: {error}")
            refusal.__cause__ = error
            _refuse(group, refusal)


def _in_time(group: list[Asked]) -> list[Asked]:
    now = asyncio.get_running_loop().time()
    late = [asked for asked in group if asked.deadline <= now]
    _refuse(late, Busy("others kept the store busy until the command's deadline"))
    return [asked for asked in group if asked.deadline > now]


def _refuse(group: list[Asked], error: CallstoreError) -> None:
    for asked in group:
        asked.outcome = copy(error)  # each caller raises its own
        asked.outcome.__cause__ = error.__cause__
    _answer(group)


def _answer(group: list[Asked]) -> None:
    for asked in group:
        if asked.answer.done():  # cancelled meanwhile
            continue
        if isinstance(asked.outcome, Exception):
            asked.answer.set_exception(asked.outcome)
        else:
            asked.answer.set_result(asked.outcome)
