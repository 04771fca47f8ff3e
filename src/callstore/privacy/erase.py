"""How a party, or a conversation, goes: call by call, files before rows, restartable at any point.

What is to go is written down first, and what went is counted in the transaction in which it goes.
Whatever is cut off at whatever point, or held, `finish` goes on with.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime

from msgspec import Struct, field

from callstore.calls.commands import Command, End
from callstore.calls.model import Party, party_from_ref, replace
from callstore.errors import (
    Busy,
    CallstoreError,
    Conflict,
    Held,
    NotFound,
    StoreError,
    StoreUnavailable,
)
from callstore.privacy.commands import DeleteCall, EraseParty
from callstore.privacy.counting import of_holds, summed
from callstore.privacy.model import Erasure, Hold, Kept
from callstore.recordings.commands import AbortUpload, BeginDelete, FailRecording, FinishDelete
from callstore.recordings.model import Recording
from callstore.recordings.uploads import Uploads
from callstore.settings import Settings
from callstore.stores.group import Group
from callstore.stores.holding import holding
from callstore.stores.keeping import walked
from callstore.stores.protocol import Store
from callstore.times import LATEST

_ROUNDS = 3  # of a party that comes back all the time
_ERASED = "erased"  # why a recording fails that will get no file
_KEEP, _OTHERS = "recordings=keep", "another party asked for it"
_HELD = "under hold "
_log = logging.getLogger("callstore")
KeepOn = Callable[[], Awaitable[bool]]


class Left(Struct, kw_only=True):
    """What stays: `kept` by the rules or by what hinders it; it `waits` where that may pass."""

    kept: list[Kept] = field(default_factory=list)
    waits: bool = False


class _Work(Struct, frozen=True, kw_only=True):
    """What is to be done to one call: files of recordings first."""

    call_id: str
    recordings: Sequence[Recording]
    kept: Sequence[Recording]  # by the rules
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
        self._keeping = store.keeping
        self._group = group
        self._uploads = uploads
        self._clock = clock
        self._keep = settings.keep_audit
        self._deadline = settings.command_deadline

    async def begin(self, erasure: Erasure) -> Erasure:
        """Written down, then done as far as it can be; the erasure as it is then."""
        await self._keeping.change_erasure(erasure.id, lambda _: erasure)
        return await self.go_on(erasure)

    async def go_on(self, erasure: Erasure) -> Erasure:
        """Conflict while another does it."""
        refusal = Conflict(f"erasure {erasure.id} is being done already")
        async with holding(self._store, f"erasure:{erasure.id}", self._clock, refusal=refusal):
            left = await self._pass(erasure)
            if self._keeping.lags:
                left = await self._late(erasure) or left
            if erasure.party is not None:
                party = party_from_ref(erasure.party)
                await self._keeping.forget_holds(erasure.id, party, self._clock())
            told = await self._tell(erasure, left)
            # The party itself is among what is scrubbed.
            if left.waits or not await self._keeping.scrub():
                return told
            return await self._done(told)

    async def finish(self, keep_on: KeepOn) -> tuple[int, int]:
        """Goes on with what is pending, but for what only holds hinder that are all in force still:
        (how many were done, how many could not)."""
        done = failed = 0
        pending = await self._keeping.pending_erasures()
        there = await self._keeping.holds() if pending else []
        holds = {hold.id for hold in there if hold.released_at is None}
        for erasure in pending:
            if not await keep_on():
                break
            if _only_held(erasure, holds):
                continue
            try:
                done += (await self.go_on(erasure)).status == "done"
            except Conflict:
                continue
            except CallstoreError as error:
                _log.error("erasure %s could not be finished", erasure.id, exc_info=error)
                failed += 1
                if isinstance(error, Busy | StoreUnavailable):
                    break
        return done, failed

    async def rehearse(self, erasure: Erasure) -> Erasure:
        """What `begin` would do: everything is done, and taken back."""
        left = Left()
        own = await self._own_holds(erasure, left)
        counts = [of_holds(sum(hold.released_at is not None for hold in own))]
        async for page in self._work(erasure):
            for some in page:
                left.kept += _kept_by_rule(erasure, some)
            commands = [(some, command) for some in page for command in _all_of(some)]
            outcomes = await self._group.rehearse([command for _, command in commands])
            for (some, command), outcome in zip(commands, outcomes, strict=True):
                if command is not some.command:
                    continue
                if isinstance(outcome, CallstoreError):
                    _leave(left, some.call_id, outcome)
                else:
                    counts.append(outcome.counts)
        return replace(
            erasure,
            counts=summed(counts),
            kept=left.kept,
            status="pending" if left.waits else "done",
        )

    async def _late(self, erasure: Erasure) -> Left | None:
        """What was on its way when its call, or its participant, went, has come by now, or never
        comes."""
        left = None
        for _ in range(_ROUNDS):
            now = await self._keeping.erasure(erasure.id)
            if now is None or not now.lately:
                break
            await asyncio.sleep(self._deadline)
            await self._keeping.erase_late(erasure.id, now.lately)
            left = await self._pass(erasure)
        return left

    async def _tell(self, erasure: Erasure, left: Left) -> Erasure:
        """Whom it was of, only what is left needs to know."""

        def change(row: Erasure | None) -> Erasure | None:
            party = row.party if row and left.waits else None
            return row and replace(row, kept=left.kept, lately=[], party=party)

        return await self._keeping.change_erasure(erasure.id, change) or erasure

    async def _done(self, erasure: Erasure) -> Erasure:
        now = self._clock()

        def change(row: Erasure | None) -> Erasure | None:
            expires = min(now + self._keep, LATEST)
            return row and replace(row, status="done", done_at=now, expires_at=expires)

        return await self._keeping.change_erasure(erasure.id, change) or erasure

    async def _pass(self, erasure: Erasure) -> Left:
        left = Left()
        await self._own_holds(erasure, left)
        async for page in self._work(erasure):
            for some in page:
                left.kept += _kept_by_rule(erasure, some)
            outcomes = await asyncio.gather(
                *(self._do(some) for some in page), return_exceptions=True
            )
            for some, outcome in zip(page, outcomes, strict=True):
                if isinstance(outcome, BaseException):
                    _leave(left, some.call_id, outcome)
        return left

    async def _own_holds(self, erasure: Erasure, left: Left) -> list[Hold]:
        """The holds that name the party; those in force need it still."""
        if erasure.party is None:
            return []
        own = await self._keeping.holds_on(party_from_ref(erasure.party))
        for hold in own:
            if hold.released_at is None:
                left.kept.append(("CallHold", hold.id, _HELD + hold.id))
                left.waits = True
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
        await self._group.submit(some.command)

    async def _delete_file(self, row: Recording) -> None:
        try:
            if row.status == "available":
                await self._uploads.delete(row)
            else:
                await self._uploads.fail(row, _ERASED)
        except (Conflict, StoreError) as error:
            if isinstance(error, Held):
                raise
            raise _FileStays(row.id, error) from error

    async def _work(self, erasure: Erasure) -> AsyncIterator[list[_Work]]:
        """Nothing where it is told already what went, and only files are to be scrubbed."""
        if erasure.conversation_id is None and erasure.party is None:
            return
        party = party_from_ref(erasure.party) if erasure.party else None
        async for keys in walked(
            self._keeping, conversation_id=erasure.conversation_id, party=party
        ):
            rows: dict[str, list[Recording]] = {id: [] for _, id in keys}
            for row in await self._keeping.recordings_of_calls(keys):
                rows[row.call_session_id].append(row)
            if party is None:
                yield [_of_conversation(erasure, id, of_call) for id, of_call in rows.items()]
            else:
                yield [await self._of_party(erasure, party, *each) for each in rows.items()]

    async def _of_party(
        self, erasure: Erasure, party: Party, id: str, rows: list[Recording]
    ) -> _Work:
        going = [row for row in rows if await self._goes(row, erasure, party)]
        return _Work(
            call_id=id,
            recordings=[row for row in going if row.keeps_call],
            kept=[row for row in rows if row not in going and row.keeps_call],
            command=EraseParty(
                call_id=id,
                party=party,
                mode=erasure.mode,
                erasure_id=erasure.id,
                since=erasure.requested_at,
                recordings=[row.id for row in going],
            ),
        )

    async def _goes(self, row: Recording, erasure: Erasure, party: Party) -> bool:
        if erasure.recordings == "participated":
            call = await self._store.call(row.call_session_id)
            there = call is not None and any(p.party == party for p in call.participants or ())
            return there or row.requester == party
        return erasure.recordings == "requested" and row.requester == party


def _of_conversation(erasure: Erasure, id: str, rows: list[Recording]) -> _Work:
    return _Work(
        call_id=id,
        recordings=[row for row in rows if row.keeps_call],
        kept=[],
        command=DeleteCall(call_id=id, erasure_id=erasure.id, since=erasure.requested_at),
    )


def _all_of(some: _Work) -> Iterable[Command]:
    """The commands of `_do`, those on files included."""
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


def _kept_by_rule(erasure: Erasure, some: _Work) -> list[Kept]:
    why = _KEEP if erasure.recordings == "keep" else _OTHERS
    return [("CallRecording", row.id, why) for row in some.kept]


def _leave(left: Left, call_id: str, error: BaseException) -> None:
    """What hinders it stays on record; that the database is away stops it all."""
    match error:
        case NotFound():
            return
        case Held():
            left.kept.append(("CallSession", call_id, _HELD + ", ".join(error.holds)))
        case _FileStays():
            left.kept.append(("CallRecording", error.recording_id, str(error)))
        case Conflict():
            left.kept.append(("CallSession", call_id, str(error)))
        case _:
            raise error
    left.waits = True


def _only_held(erasure: Erasure, holds: set[str]) -> bool:
    """Whether all that hinders it are holds, and each is in force still."""
    waits = [why for _, _, why in erasure.kept if why not in (_KEEP, _OTHERS)]
    return bool(waits) and all(
        why.startswith(_HELD) and holds.issuperset(why[len(_HELD) :].split(", ")) for why in waits
    )
