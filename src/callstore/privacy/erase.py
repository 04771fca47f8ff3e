"""How a party, or a conversation, goes: call by call, files before rows, restartable at any point.

What is to go is written down first, and what went is counted in the transaction in which it goes.
Whatever is cut off at whatever point, or held, `finish` goes on with.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from msgspec import Struct, field

from callstore.calls.commands import Command, End
from callstore.calls.lifecycle.turn import MARGIN
from callstore.calls.model import Party, replace
from callstore.errors import (
    Busy,
    CallstoreError,
    Conflict,
    Held,
    NotFound,
    StoreError,
    StoreUnavailable,
)
from callstore.privacy.commands import DeleteCall, DeleteSamples, EraseParty
from callstore.privacy.counting import of_holds, summed
from callstore.privacy.decide import KEEP, OTHERS
from callstore.privacy.model import Erasure, Hold, Kept
from callstore.privacy.walk import calls_in, calls_of
from callstore.recordings.commands import AbortUpload, BeginDelete, FailRecording, FinishDelete
from callstore.recordings.model import Recording
from callstore.recordings.uploads import Uploads
from callstore.settings import Settings
from callstore.stores.group import Group
from callstore.stores.holding import holding
from callstore.stores.protocol import Store
from callstore.tasks import KeepOn
from callstore.times import LATEST

_ROUNDS = 3  # of a party that comes back all the time
_ERASED = "erased"  # why a recording fails that will get no file
_log = logging.getLogger("callstore")


class Left(Struct, kw_only=True):
    """What hinders it: `kept`, by which holds, and whether by anything else. Or it was stopped."""

    kept: list[Kept] = field(default_factory=list)
    holds: set[str] = field(default_factory=set)
    otherwise: bool = False

    @property
    def waits(self) -> bool:
        return bool(self.holds) or self.otherwise

    def held(self, collection: str, id: str, holds: Sequence[str]) -> None:
        self.kept.append((collection, id, f"under hold {', '.join(holds)}"))
        self.holds.update(holds)

    def stays(self, collection: str, id: str, why: object) -> None:
        self.kept.append((collection, id, str(why)))
        self.otherwise = True

    def by(self, call_id: str, error: BaseException) -> None:
        """That the database is away stops it all."""
        match error:
            case NotFound():
                return
            case Held():
                self.held("CallSession", call_id, error.holds)
            case _FileStays():
                self.stays("CallRecording", error.recording_id, error)
            case Conflict():
                self.stays("CallSession", call_id, error)
            case _:
                raise error


class _Work(Struct, frozen=True, kw_only=True):
    """What is to be done to one call: files of recordings first."""

    call_id: str
    recordings: Sequence[Recording]
    command: Command


class _FileStays(Exception):
    def __init__(self, recording_id: str, why: Exception) -> None:
        super().__init__(str(why))
        self.recording_id = recording_id


class Erasing:
    def __init__(
        self,
        store: Store,
        group: Group,
        uploads: Uploads,
        *,
        clock: Callable[[], datetime],
        settings: Settings,
    ) -> None:
        self._store = store
        self._papers = store.papers
        self._group = group
        self._uploads = uploads
        self._clock = clock
        self._keep = settings.keep_audit
        self._deadline = timedelta(seconds=settings.command_deadline)

    async def begin(self, erasure: Erasure) -> Erasure:
        """Written down, then done as far as it can be; the erasure as it is then."""
        async with self._alone(erasure.id):
            await self._papers.change_erasure(erasure.id, lambda there: there or erasure)
            await self._pass(erasure, _always, None)
            if self._papers.lags:
                await self._wait_for_late(erasure)
            # Who came back meanwhile goes as well.
            return await self._end(erasure, await self._pass(erasure, _always, None))

    async def finish(self, keep_on: KeepOn) -> tuple[int, int]:
        """Goes on with what is pending, but for what only holds hinder that are all in force still:
        (how many were done, how many could not)."""
        done = failed = 0
        pending = await self._papers.pending_erasures()
        there = await self._papers.holds() if pending else []
        holds = {hold.id for hold in there if hold.released_at is None}
        for erasure in pending:
            if not await keep_on():
                break
            if erasure.holds and holds.issuperset(erasure.holds):
                continue
            try:
                done += await self._go_on(erasure.id, keep_on)
            except Conflict:
                continue  # another does it
            except CallstoreError as error:
                _log.error("erasure %s could not be finished", erasure.id, exc_info=error)
                failed += 1
                if isinstance(error, Busy | StoreUnavailable):
                    break
        return done, failed

    async def _go_on(self, erasure_id: str, keep_on: KeepOn) -> bool:
        """Whether it is done. What has begun since it was asked is left alone."""
        async with self._alone(erasure_id):
            erasure = await self._papers.erasure(erasure_id)
            if erasure is None or erasure.status == "done":
                return False
            if self._papers.lags:
                late = [row for row in erasure.lately if row.at + self._deadline <= self._clock()]
                await self._papers.erase_late(erasure_id, late)
            left = await self._pass(erasure, keep_on, erasure.requested_at + MARGIN)
            return (await self._end(erasure, left)).status == "done"

    def _alone(self, erasure_id: str) -> AbstractAsyncContextManager[str]:
        refusal = Conflict(f"erasure {erasure_id} is being done already")
        return holding(self._store, f"erasure:{erasure_id}", self._clock, refusal=refusal)

    async def rehearse(self, erasure: Erasure) -> Erasure:
        """What `begin` would do: everything is done, and taken back."""
        left, kept = Left(), list[Kept]()
        own = await self._own_holds(erasure, left)
        counts = [of_holds(sum(hold.settled and hold.released_at is not None for hold in own))]
        async for page in self._work(erasure, None):
            commands = [(some, command) for some in page for command in _all_of(some)]
            outcomes = await self._group.rehearse([command for _, command in commands])
            for (some, command), outcome in zip(commands, outcomes, strict=True):
                if command is not some.command:
                    continue
                if isinstance(outcome, CallstoreError):
                    left.by(some.call_id, outcome)
                else:
                    counts.append(outcome.counts)
                    kept += outcome.kept
        return replace(
            erasure,
            counts=summed(counts),
            kept=[*kept, *left.kept],
            status="pending" if left.waits else "done",
        )

    async def _wait_for_late(self, erasure: Erasure) -> None:
        """What was on its way when its call, or its participant, went, has come by now, or never
        comes."""
        for _ in range(_ROUNDS):
            now = await self._papers.erasure(erasure.id)
            if now is None or not now.lately:
                break
            await asyncio.sleep(self._deadline.total_seconds())
            await self._papers.erase_late(erasure.id, now.lately)
            await self._pass(erasure, _always, None)

    async def _end(self, erasure: Erasure, left: Left) -> Erasure:
        if (party := erasure.of_party) is not None:
            await self._papers.forget_holds(erasure.id, party, self._clock())
        told = await self._tell(erasure, left)
        waits = left.waits or (self._papers.lags and told.lately)
        # The party itself is among what is scrubbed.
        if waits or not await self._papers.scrub():
            return told
        return await self._done(told)

    async def _tell(self, erasure: Erasure, left: Left) -> Erasure:
        """Whom it was of, only what is left needs to know."""

        def change(row: Erasure | None) -> Erasure | None:
            if row is None:
                return None
            by_rule = [item for item in row.kept if item[2] in (KEEP, OTHERS)]
            return replace(
                row,
                kept=[*by_rule, *left.kept],
                holds=[] if left.otherwise else sorted(left.holds),
                party=row.party if left.waits else None,
            )

        return await self._papers.change_erasure(erasure.id, change) or erasure

    async def _done(self, erasure: Erasure) -> Erasure:
        now = self._clock()

        def change(row: Erasure | None) -> Erasure | None:
            expires = min(now + self._keep, LATEST)
            done = {"status": "done", "done_at": now, "expires_at": expires}
            return row and replace(row, lately=[], **done)

        return await self._papers.change_erasure(erasure.id, change) or erasure

    async def _pass(self, erasure: Erasure, keep_on: KeepOn, until: datetime | None) -> Left:
        """All calls of it that began until then (None: that there are)."""
        left = Left()
        await self._own_holds(erasure, left)
        async for page in self._work(erasure, until):
            if not await keep_on():
                left.otherwise = True
                break
            outcomes = await asyncio.gather(
                *(self._do(some) for some in page), return_exceptions=True
            )
            for some, outcome in zip(page, outcomes, strict=True):
                if isinstance(outcome, BaseException):
                    left.by(some.call_id, outcome)
        return left

    async def _own_holds(self, erasure: Erasure, left: Left) -> list[Hold]:
        """The holds that name the party; those in force need it still."""
        if (party := erasure.of_party) is None:
            return []
        own = await self._papers.holds_on(party)
        for hold in own:
            if hold.released_at is None:
                left.held("CallHold", hold.id, [hold.id])
            elif not hold.settled:
                left.stays("CallHold", hold.id, "not every call knows that it is released")
        return own

    async def _do(self, some: _Work) -> None:
        if isinstance(some.command, DeleteCall):
            await self._group.submit(End(call_id=some.call_id, by=None, reason="forced"))
        if some.recordings:
            for outcome in await self._group.rehearse([some.command]):
                if isinstance(outcome, Held):
                    raise outcome
        for row in some.recordings:
            await self._delete_file(row)
        if isinstance(some.command, DeleteCall):
            await self._thin(some.command)
        await self._group.submit(some.command)

    async def _thin(self, command: DeleteCall) -> None:
        """So that what is left of the call goes at once."""
        thin = DeleteSamples(
            call_id=command.call_id, erasure_id=command.erasure_id, since=command.since
        )
        more = True
        while more:
            erased = await self._group.submit(thin)
            more = erased.went == erased.samples

    async def _delete_file(self, row: Recording) -> None:
        try:
            if row.status == "available":
                await self._uploads.delete(row)
            else:
                await self._uploads.fail(row, _ERASED)
        except (Conflict, StoreError) as error:
            raise _FileStays(row.id, error) from error

    async def _work(self, erasure: Erasure, until: datetime | None) -> AsyncIterator[list[_Work]]:
        """Nothing of a party where it is told already what went."""
        party = erasure.of_party
        if erasure.conversation_id is not None:
            room = erasure.conversation_id
            async for places in calls_in(self._store, room):
                ids = [id for at, id in places if until is None or at <= until]
                rows = await self._recordings([(room, id) for id in ids])
                yield [_of_conversation(erasure, *each) for each in rows.items()]
        elif party is not None:
            async for keys in calls_of(self._store, party):
                rows = await self._recordings(keys)
                yield [await self._of_party(erasure, party, until, *each) for each in rows.items()]

    async def _recordings(self, keys: Sequence[tuple[str, str]]) -> dict[str, list[Recording]]:
        rows: dict[str, list[Recording]] = {id: [] for _, id in keys}
        for row in await self._papers.recordings_of_calls(keys) if keys else ():
            rows[row.call_session_id].append(row)
        return rows

    async def _of_party(
        self,
        erasure: Erasure,
        party: Party,
        until: datetime | None,
        id: str,
        rows: Sequence[Recording],
    ) -> _Work:
        going = [row for row in rows if row.keeps_call and await self._goes(row, erasure, party)]
        return _Work(
            call_id=id,
            recordings=going,
            command=EraseParty(
                call_id=id,
                party=party,
                mode=erasure.mode,
                erasure_id=erasure.id,
                since=erasure.requested_at,
                until=until,
                recordings=erasure.recordings,
            ),
        )

    async def _goes(self, row: Recording, erasure: Erasure, party: Party) -> bool:
        if erasure.recordings == "participated":
            call = await self._store.call(row.call_session_id)
            there = call is not None and any(p.party == party for p in call.participants or ())
            return there or row.requester == party
        return erasure.recordings == "requested" and row.requester == party


def _of_conversation(erasure: Erasure, id: str, rows: Sequence[Recording]) -> _Work:
    return _Work(
        call_id=id,
        recordings=[row for row in rows if row.keeps_call],
        command=DeleteCall(call_id=id, erasure_id=erasure.id, since=erasure.requested_at),
    )


def _all_of(some: _Work) -> Iterable[Command]:
    """The commands of `_do`, those that files take included."""
    id = some.call_id
    if isinstance(some.command, DeleteCall):
        yield End(call_id=id, by=None, reason="forced")
    for row in some.recordings:
        on = {"call_id": id, "recording_id": row.id}
        if row.status == "available":
            yield BeginDelete(**on)
            yield FinishDelete(**on, path=row.file_path)
            continue
        if row.underway == "upload":
            yield AbortUpload(**on, path=row.file_path)
        yield FailRecording(**on, reason=_ERASED)
        if row.underway:
            yield FinishDelete(**on, path=row.file_path)
    yield some.command


async def _always() -> bool:
    return True
