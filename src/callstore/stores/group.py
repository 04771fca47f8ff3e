"""The group commit: commands that wait together are decided and committed together.

A command waits in `Group.submit`. A runner takes what waits (at most 256), hands it to the store
as one `Batch`, and answers when the store has committed. The queue never waits to fill: a command
that finds it empty is committed at once, and while as many groups are on their way as the store
bears, the next one gathers. No two on their way are of the same call, so that none is in another's
way, and of one call commands are decided in the order in which they were asked for.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Sequence
from contextvars import Context
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
        self._runners: set[asyncio.Task[None]] = set()
        self._underway: set[str] = set()  # what the groups on their way are of,
        self._count = 0  # and their commands

    async def submit(self, command: Command) -> Any:
        """The command's answer, once it is committed; its refusal as one of callstore.errors.

        A caller that is cancelled while its command is on the way does not stop it.
        """
        loop = asyncio.get_running_loop()
        asked = Asked(
            command=command, answer=loop.create_future(), deadline=loop.time() + self._deadline
        )
        self._waiting.append(asked)
        if self._underway.isdisjoint(self._places(command)):  # else that group's runner takes it
            self._begin()
        return await asked.answer

    def _begin(self) -> None:
        if len(self._runners) < self._store.at_once:
            # In a context of its own: a deadline of one caller's is not the others'.
            runner = Context().run(asyncio.create_task, self._run())
            self._runners.add(runner)
            runner.add_done_callback(self._runners.discard)  # should it never begin

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
        while self._runners:
            await asyncio.wait(self._runners)

    async def _run(self) -> None:
        try:
            while group := self._take():
                places = {place for asked in group for place in self._places(asked.command)}
                self._underway |= places
                self._count += len(group)
                try:
                    await self._commit(group)
                finally:
                    self._underway -= places
                    self._count -= len(group)
                await asyncio.sleep(0)  # whoever was answered may ask again, and be in the next one
        finally:
            self._runners.discard(asyncio.current_task())

    def _take(self) -> list[Asked]:
        """The next group: what has waited longest, of any calls that are not on their way; so many
        that each runner has its share, and what else is of the same calls. On a cluster, of one
        conversation: its rows are on one shard."""
        total = len(self._waiting) + self._count
        share = 1 if self._store.sharded else math.ceil(total / self._store.at_once)
        taken: list[Asked] = []
        left: list[Asked] = []
        of, blocked = set[str](), {*self._underway}
        while self._waiting and len(taken) < MOST and (len(taken) < share or len(left) < MOST):
            asked = self._waiting.popleft()
            if asked.answer.done():  # its caller was cancelled
                continue
            places = self._places(asked.command)
            mates = places[:1] if self._store.sharded else places
            wanted = len(taken) < share or not of.isdisjoint(mates)
            if wanted and blocked.isdisjoint(places):
                taken.append(asked)
                of.update(places)
            else:  # and what was asked of the same call behind it
                left.append(asked)
                blocked.update(places)
        self._waiting.extendleft(reversed(left))
        if taken and self._waiting:
            self._begin()
        return taken

    def _places(self, command: Command) -> list[str]:
        """The conversation, unless nobody has looked it up yet, the call, and what else is
        written with it."""
        if isinstance(command, Start):
            return [command.conversation_id, *filter(None, [command.call_id])]
        assert isinstance(command, OnCall)
        conversation = self._store.conversation_of(command.call_id)
        return [*filter(None, [conversation, command.call_id, command.counted_in])]

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
