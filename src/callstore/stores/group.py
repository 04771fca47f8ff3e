"""The group commit: commands that wait together are decided and committed together.

A command waits in `Group.submit`. The runner takes what waits (at most 256), hands it to the store
as one `Batch`, and answers when the store has committed. The queue never waits to fill: a command
that finds it empty is committed at once, and while one group is on its way the next one gathers.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from callstore.calls import lifecycle
from callstore.calls.commands import Command, Expire, OnCall, Start
from callstore.calls.lifecycle import asking
from callstore.calls.lifecycle.turn import Context, State, Transition, Want
from callstore.calls.model import Call, in_order_of_joining, replace
from callstore.errors import Busy, CallstoreError, NotFound, StoreError
from callstore.schema.model import Lease
from callstore.stores.leases import SWEEP, watching_since
from callstore.stores.protocol import Changed, Store, Unwritable, WriteConflict
from callstore.stores.waiting import back_off
from callstore.validation import cut

MOST = 256  # commands in a group
_log = logging.getLogger("callstore")


class Rules(Struct, frozen=True, kw_only=True):
    """What of the settings and the surroundings the rules depend on."""

    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    keep: timedelta
    liveness: timedelta | None
    deciders: Mapping[type[Command], Callable[[State, Any, Context], Transition]] = {}


class Asked(Struct, kw_only=True):
    """A command that waits, and what became of it."""

    command: Command
    answer: asyncio.Future[Any]
    deadline: float  # by the loop's clock
    outcome: Any = None  # what to answer, or the error to raise


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


class _Kept:
    """A state within a batch, and the rows it began with."""

    def __init__(self, state: State, *, stored: bool) -> None:
        self.state = state
        self.call = state.call if stored else None
        self.participants = dict(state.participants) if stored else {}
        self.entries = dict(state.entries) if stored else {}
        self.pulses = dict(state.pulses) if stored else {}
        self.captions = dict(state.captions) if stored else {}
        self.recordings = dict(state.recordings) if stored else {}


class CommandBatch:
    """Decides a group of commands, each on what those before it left."""

    def __init__(self, group: list[Asked], rules: Rules) -> None:
        self._group = group
        self._rules = rules
        self._starts = [a.command for a in group if isinstance(a.command, Start)]
        self._on_call: dict[str, list[OnCall]] = {}
        for asked in group:
            if isinstance(asked.command, OnCall):
                self._on_call.setdefault(asked.command.call_id, []).append(asked.command)

    @property
    def call_ids(self) -> list[str]:
        chosen = [start.call_id for start in self._starts if start.call_id]
        return [*dict.fromkeys([*self._on_call, *chosen])]

    @property
    def conversation_ids(self) -> list[str]:
        return [*dict.fromkeys(start.conversation_id for start in self._starts)]

    @property
    def lease_id(self) -> str | None:
        """Who is lost, start and expire can tell only by the sweep's."""
        looking = any(isinstance(asked.command, Start | Expire) for asked in self._group)
        return SWEEP if looking else None

    def wants(self, calls: Iterable[Call]) -> list[Want]:
        conversations = set(self.conversation_ids)
        chosen = {start.call_id for start in self._starts}
        return [
            asking.want(
                call,
                self._on_call.get(call.id, ()),
                whole=call.id in chosen or call.conversation_id in conversations,
            )
            for call in calls
        ]

    def decide(self, states: Iterable[State], lease: Lease | None) -> Changed:
        self._kept = {state.call.id: _Kept(state, stored=True) for state in states}
        self._live = {
            kept.state.call.conversation_id: kept
            for kept in self._kept.values()
            if kept.state.call.live
        }
        self._lease = lease
        changed = Changed()
        for asked in self._group:
            try:
                asked.outcome = self._decide(asked.command, changed)
            except CallstoreError as error:
                asked.outcome = error
            except StopIteration as error:  # no future can carry it: its caller would wait forever
                raise RuntimeError("the maker of ids has no more") from error
        for kept in self._kept.values():
            _collect(kept, changed)
        return changed

    def _decide(self, command: Command, changed: Changed) -> Any:
        if isinstance(command, Start):
            return self._start(command, changed)
        assert isinstance(command, OnCall)
        kept = self._kept.get(command.call_id)
        if kept is None:
            raise NotFound("call", command.call_id)
        at = command.at if isinstance(command, Expire) else None
        decide = self._rules.deciders.get(type(command), lifecycle.decide)
        made = decide(kept.state, command, self._context(at))
        self._apply(kept, made, changed)
        return asking.answer(command, kept.state, made)

    def _start(self, command: Start, changed: Changed) -> Call:
        same = self._kept.get(command.call_id) if command.call_id else None
        live = self._live.get(command.conversation_id)
        closed, made = lifecycle.start(
            command,
            same=same.state if same else None,
            live=live.state if live else None,
            context=self._context(),
        )
        if closed is not None and live is not None:
            self._apply(live, closed, changed)
        if same is None:
            same = _Kept(State(call=made.call, everyone=True, recorded=True), stored=False)
            self._kept[made.call.id] = self._live[command.conversation_id] = same
        self._apply(same, made, changed)
        return _with_participants(same.state)

    def _apply(self, kept: _Kept, made: Transition, changed: Changed) -> None:
        kept.state.apply(made)
        changed.events.extend(made.events)
        changed.samples.extend(made.samples)
        changed.metrics.extend(made.metrics)
        if not made.call.live and self._live.get(made.call.conversation_id) is kept:
            del self._live[made.call.conversation_id]

    def _context(self, at: datetime | None = None) -> Context:
        now = at or cut(self._rules.clock())
        return Context(
            now=now,
            new_id=self._rules.new_id,
            keep=self._rules.keep,
            liveness=self._rules.liveness,
            watching_since=watching_since(self._lease, now),
        )


def _collect(kept: _Kept, changed: Changed) -> None:
    state = kept.state
    if state.call is not kept.call:
        changed.calls.append((kept.call, state.call))
    changed.participants.extend(_differing(kept.participants, state.participants))
    changed.entries.extend(_differing(kept.entries, state.entries))
    changed.pulses.extend(_differing(kept.pulses, state.pulses))
    changed.recordings.extend(_differing(kept.recordings, state.recordings))
    for old, new in _differing(kept.captions, state.captions):
        if new is not None:
            changed.captions.append((old, new))
        elif old is not None:
            changed.gone.append(old)


def _differing(before: dict[Any, Any], after: dict[Any, Any]) -> list[tuple[Any, Any]]:
    return [(before.get(key), row) for key, row in after.items() if before.get(key) is not row]


def _with_participants(state: State) -> Call:
    return replace(state.call, participants=in_order_of_joining(state.participants.values()))
