"""`calls.holds`: what may not be deleted, and for how long."""

import asyncio
import builtins
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

from msgspec import Struct

from callstore.calls.model import Label, Party, replace
from callstore.errors import Invalid, NotFound
from callstore.ids import Id
from callstore.privacy.audit import Audit
from callstore.privacy.commands import PlaceHold, ReleaseHold
from callstore.privacy.model import Hold
from callstore.privacy.walk import calls_in, calls_of
from callstore.settings import Settings
from callstore.stores.group import Group
from callstore.stores.protocol import Store
from callstore.tasks import KeepOn
from callstore.times import LATEST
from callstore.validation import Time, check, need_one

SETTLED_AFTER = timedelta(seconds=90)
"""What began before a hold was placed or released has ended by then: all later commands know."""


class _On(Struct, frozen=True, kw_only=True):
    call_id: Id | None
    conversation_id: Id | None
    party: Party | None


class _Place(_On, frozen=True, kw_only=True):
    reason: Label
    by: Label | None
    until: Time | None


class _List(_On, frozen=True, kw_only=True):
    released: bool


class _Release(Struct, frozen=True, kw_only=True):
    hold_id: Id
    by: Label | None


class Holds:
    """Nothing under a hold expires, is erased or is deleted. Every call says which holds it is
    under; those that begin under one, too. Where a process dies half way, a sweep goes on."""

    def __init__(
        self,
        store: Store,
        group: Group,
        audit: Audit,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        settings: Settings,
    ) -> None:
        self._store = store
        self._papers = store.papers
        self._group = group
        self._audit = audit
        self._clock = clock
        self._new_id = new_id
        self._keep = settings.keep_audit

    async def place(
        self,
        *,
        call_id: str | None = None,
        conversation_id: str | None = None,
        party: Party | None = None,
        reason: str,
        by: str | None = None,
        until: datetime | None = None,
    ) -> Hold:
        """Holds a call, all calls of a conversation, or all that a party has a row or a log entry
        in: exactly one of them. It counts from when this returns, until it is released, which the
        first sweep after `until` does, too. Costs a command for each call that is there, and a look
        for its samples."""
        asked = check(
            _Place,
            call_id=call_id,
            conversation_id=conversation_id,
            party=party,
            reason=reason,
            by=by,
            until=until,
        )
        need_one(party=asked.party, conversation_id=asked.conversation_id, call_id=asked.call_id)
        now = self._clock()
        if asked.until is not None and asked.until <= now:
            raise Invalid.field("/until", "has come already")
        if asked.call_id is not None and await self._store.call(asked.call_id) is None:
            raise NotFound("call", asked.call_id)
        hold = self._new(asked, now)
        party = hold.of_party
        await self._audit.record("hold.place", by=asked.by, party=party, data=_data(hold))
        await self._papers.change_hold(hold.id, lambda there: there or hold)
        await self._tell(hold)
        return await self._settled(hold)

    def _new(self, asked: _Place, now: datetime) -> Hold:
        return Hold(
            id=self._new_id(),
            call_session_id=asked.call_id,
            conversation_id=asked.conversation_id,
            party=asked.party.ref if asked.party else None,
            reason=asked.reason,
            placed_by=asked.by,
            placed_at=now,
            until=asked.until,
        )

    async def release(self, hold_id: str, *, by: str | None = None) -> Hold:
        """What is under no other hold falls back under the rules at the next sweep. One that was
        released already stays as it is."""
        asked = check(_Release, hold_id=hold_id, by=by)
        hold = await self._papers.hold(asked.hold_id)
        if hold is None:
            raise NotFound("hold", asked.hold_id)
        about = hold.of_party
        await self._audit.record("hold.release", by=asked.by, party=about, data=_data(hold))
        return await self._release(asked.hold_id, asked.by, self._clock())

    async def list(
        self,
        *,
        call_id: str | None = None,
        conversation_id: str | None = None,
        party: Party | None = None,
        released: bool = False,
    ) -> builtins.list[Hold]:
        """Those in force, with `released` all; the latest first. Of a call, a conversation or a
        party: those that were placed on it. Costs all that there are."""
        asked = check(
            _List,
            call_id=call_id,
            conversation_id=conversation_id,
            party=party,
            released=released,
        )
        on = {
            "party": asked.party,
            "conversation_id": asked.conversation_id,
            "call_id": asked.call_id,
        }
        if any(each is not None for each in on.values()):
            need_one(**on)
        wanted = (asked.call_id, asked.conversation_id, asked.party and asked.party.ref)
        return [
            hold
            for hold in await self._papers.holds()
            if (asked.released or hold.released_at is None)
            and (
                not any(wanted)
                or wanted == (hold.call_session_id, hold.conversation_id, hold.party)
            )
        ]

    async def settle(self, now: datetime, keep_on: KeepOn) -> int:
        """Releases holds that are over, and tells calls of the others that may not know yet; how
        many were released."""
        count = 0
        for hold in await self._papers.unsettled_holds(now):
            if not await keep_on():
                break
            if hold.released_at is None and hold.until is not None and hold.until <= now:
                await self._audit.record("hold.release", by=None, data=_data(hold))
                await self._release(hold.id, None, now)
                count += 1
            else:
                await self._tell(hold)
                if now - (hold.released_at or hold.placed_at) >= SETTLED_AFTER:
                    await self._papers.change_hold(hold.id, _settling(hold))
        return count

    async def _release(self, hold_id: str, by: str | None, now: datetime) -> Hold:
        def change(hold: Hold | None) -> Hold | None:
            if hold is None or hold.released_at is not None:
                return hold
            return replace(
                hold,
                released_by=by,
                released_at=max(now, hold.placed_at),
                settled=False,
                expires_at=min(now + self._keep, LATEST),
            )

        hold = await self._papers.change_hold(hold_id, change)
        if hold is None:
            raise NotFound("hold", hold_id)
        if hold.settled:
            return hold
        await self._tell(hold)
        return await self._settled(hold)

    async def _settled(self, hold: Hold) -> Hold:
        """Once all calls know of it for good: where one change follows another, that is now."""
        if self._papers.lags:
            return hold
        return await self._papers.change_hold(hold.id, _settling(hold)) or hold

    async def _tell(self, hold: Hold) -> None:
        """Every call that is under it, or no longer; those that know are left as they are."""
        tell = self._place if hold.released_at is None else self._lift
        async for ids in self._under(hold):
            told = (tell(id, hold.id) for id in ids)
            for outcome in await asyncio.gather(*told, return_exceptions=True):
                if isinstance(outcome, BaseException) and not isinstance(outcome, NotFound):
                    raise outcome

    async def _place(self, call_id: str, hold_id: str) -> None:
        """The call first: from then on nothing of it is stamped again."""
        await self._group.submit(PlaceHold(call_id=call_id, hold_id=hold_id))
        while await self._store.unstamp_samples(call_id):
            pass

    async def _lift(self, call_id: str, hold_id: str) -> None:
        await self._group.submit(ReleaseHold(call_id=call_id, hold_id=hold_id))

    async def _under(self, hold: Hold) -> AsyncIterator[builtins.list[str]]:
        if hold.call_session_id is not None:
            yield [hold.call_session_id]
        elif hold.conversation_id is not None:
            async for places in calls_in(self._store, hold.conversation_id):
                yield [id for _, id in places]
        elif hold.of_party is not None:
            async for keys in calls_of(self._store, hold.of_party):
                yield [id for _, id in keys]


def _data(hold: Hold) -> dict[str, str]:
    """What the audit has of it."""
    on = {"callSessionId": hold.call_session_id, "conversationId": hold.conversation_id}
    return {"holdId": hold.id} | {name: id for name, id in on.items() if id is not None}


def _settling(seen: Hold) -> Callable[[Hold | None], Hold | None]:
    return lambda hold: replace(seen, settled=True) if hold == seen else None
