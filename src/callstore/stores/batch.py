"""A group of commands, decided one after the other: each on what those before it left."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from callstore.calls import lifecycle
from callstore.calls.commands import Command, Expire, Join, OnCall, Start
from callstore.calls.lifecycle import asking
from callstore.calls.lifecycle.turn import Context, Erased, State, Transition, Want, key
from callstore.calls.model import Call, in_order_of_joining, replace
from callstore.errors import CallstoreError, Conflict, NotFound
from callstore.privacy.model import Hold
from callstore.schema.model import Lease
from callstore.stores.leases import SWEEP, watching_since
from callstore.stores.protocol import Changed, Scope
from callstore.validation import cut


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

    def forget(self, erased: Erased) -> None:
        """An erased party's rows, if they stay, are found by their ids."""
        if (row := erased.participant) is not None and key(row) in self.participants:
            self.participants[row.id] = self.participants.pop(key(row))
        if (entry := erased.entry) is not None and key(entry) in self.entries:
            self.entries[entry.id] = self.entries.pop(key(entry))


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

    def wants(self, calls: Iterable[Call]) -> list[Want]:
        conversations = set(self.conversation_ids)
        chosen, now = {start.call_id for start in self._starts}, self._rules.clock()
        return [
            asking.want(
                call,
                self._on_call.get(call.id, ()),
                now,
                whole=call.id in chosen or call.conversation_id in conversations,
            )
            for call in calls
        ]

    def lease_id(self, states: Iterable[State]) -> str | None:
        """Who is lost, expire can tell only by the sweep's, and a start where a call is live."""
        expiring = any(isinstance(asked.command, Expire) for asked in self._group)
        wanted = set(self.conversation_ids)
        taken = any(state.call.live and state.call.conversation_id in wanted for state in states)
        return SWEEP if expiring or taken else None

    def scope(self, states: Iterable[State]) -> Scope | None:
        """Who begins a call or comes to one brings holds with them; who deletes looks at those of
        everyone in it."""
        asked = [a.command for a in self._group if isinstance(a.command, Start | Join)]
        deleting = {id for id, some in self._on_call.items() if any(c.looks_at_holds for c in some)}
        if not asked and not deleting:
            return None
        scope = Scope(conversations=set(self.conversation_ids))
        for command in asked:
            if isinstance(command, Start):
                scope.parties.update(p.ref for p in (command.initiator, *command.invite))
            else:
                scope.parties.add(command.party.ref)
        joined = {command.call_id for command in asked if isinstance(command, Join)}
        for state in states:
            if state.call.id in deleting:
                scope.parties.update(state.parties)
            if state.call.id in deleting | joined:
                scope.calls.add(state.call.id)
                scope.conversations.add(state.call.conversation_id)
        return scope if scope.calls or scope.conversations or scope.parties else None

    def decide(
        self, states: Iterable[State], lease: Lease | None, holds: Sequence[Hold]
    ) -> Changed:
        self._holds = holds
        self._deleted: set[str] = set()
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
        if command.call_id in self._deleted:
            raise Conflict(f"call {command.call_id} is being deleted")
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
        if made.unstamped:
            changed.unstamped.append(made.call)
        if made.erased is not None:
            changed.erased.append(made.erased)
            kept.forget(made.erased)
            if (row := made.erased.participant) is not None:
                changed.metrics[:] = [each for each in changed.metrics if each[0].id != row.id]
            if made.erased.whole:
                self._deleted.add(made.call.id)
                del self._kept[made.call.id]
                _collect(kept, changed)
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
            holds=[hold for hold in self._holds if hold.until is None or hold.until > now],
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
