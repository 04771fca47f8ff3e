"""`Calls`: what a user of callstore holds. Checks what comes in, asks the group or the store."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from callstore.calls import arguments, commands
from callstore.calls.describe import named
from callstore.calls.model import (
    Call,
    CallSettings,
    CallType,
    Direction,
    EndWhen,
    Event,
    Joined,
    LogEntry,
    Outcome,
    Participant,
    Party,
    Response,
)
from callstore.calls.pages import Page
from callstore.calls.parts import Parts
from callstore.calls.replay import CallState, replay
from callstore.errors import NotFound
from callstore.retention.doctor import DoctorReport
from callstore.retention.sweep import SweepReport
from callstore.seeding import SeedReport, seed_store
from callstore.stores.pages import HistoryQuery, LogQuery
from callstore.validation import check, cursor_text


class Calls:
    """The calls of one store. Made by `open_calls`; safe to use from many tasks of one loop.
    Every method raises `Invalid` for malformed arguments, and StoreUnavailable or Busy when the
    store cannot do it. Commands are durable when they return, and all or nothing."""

    def __init__(self, parts: Parts) -> None:
        self._store = parts.store
        self._group = parts.group
        self._now = parts.clock
        self._settings = parts.settings
        self._describe = parts.describe
        self.audit = parts.audit
        self.captions = parts.captions
        self.quality = parts.quality
        self.recordings = parts.recordings
        self.privacy = parts.privacy
        self.holds = parts.holds
        self.retention = parts.retention
        self.schema = parts.schema
        self._sweep = parts.sweep
        self._doctor = parts.doctor

    # -- a call's life

    async def start(
        self,
        conversation_id: str,
        initiator: Party,
        *,
        invite: Iterable[Party] = (),
        type: CallType = "video",
        settings: CallSettings | dict[str, bool | None] | None = None,
        max_participants: int = 50,
        sfu: bool = True,
        end_when: EndWhen | None = None,
        ring_seconds: int = 60,
        call_id: str | None = None,
    ) -> Call:
        """A new call with its participants; CallAlreadyLive where the conversation has one.

        With a `call_id` of the caller's a retry is safe: the same start again returns the call,
        any other call of that id is a Conflict. `end_when`: `alone` ends the call when one is left
        (the default for one invitee), `empty` when nobody is."""
        return await self._changed(
            commands.Start,
            conversation_id=conversation_id,
            initiator=initiator,
            invite=invite,
            type=type,
            settings=settings,
            max_participants=max_participants,
            sfu=sfu,
            end_when=end_when,
            ring_seconds=ring_seconds,
            call_id=call_id,
        )

    async def ring(self, call_id: str) -> Call:
        """A device of somebody invited was reached."""
        return await self._changed(commands.Ring, call_id=call_id)

    async def join(
        self,
        call_id: str,
        party: Party,
        *,
        answer: bool = True,
        device: Mapping[str, str | None] | None = None,
        audio: bool = True,
        video: bool | None = None,
        screen: bool = False,
    ) -> Joined:
        """Takes a seat (CallFull if none is free), or comes back to it.

        `answer=False`: the device of somebody invited is up, but they have not answered: no seat.
        `video` None is as the call's type. `mode_switch` is None or ("p2p", "sfu")."""
        joined: Joined = await self._submit(
            commands.Join,
            call_id=call_id,
            party=party,
            answer=answer,
            device=device,
            audio=audio,
            video=video,
            screen=screen,
        )
        return joined

    async def connected(self, call_id: str, party: Party) -> Call:
        """Media flows. By somebody who had not answered yet, it is also their answer."""
        return await self._changed(commands.Connected, call_id=call_id, party=party)

    async def failed(self, call_id: str, party: Party) -> Call:
        """The party's connection failed; they may join again while the call lives."""
        return await self._changed(commands.Failed, call_id=call_id, party=party)

    async def leave(self, call_id: str, party: Party) -> Call:
        """Unchanged where the party is not in the call."""
        return await self._changed(commands.Leave, call_id=call_id, party=party)

    async def decline(self, call_id: str, party: Party) -> Call:
        """Only somebody invited who has not answered; the last decline ends the call."""
        return await self._changed(commands.Decline, call_id=call_id, party=party)

    async def cancel(self, call_id: str, by: Party) -> Call:
        """The initiator gives up before anybody has answered."""
        return await self._changed(commands.Cancel, call_id=call_id, by=by)

    async def end(
        self,
        call_id: str,
        *,
        by: Party | None = None,
        reason: Literal["normal", "forced", "error"] = "normal",
    ) -> Call:
        """Ends the call for everyone; `by` None is the host. An ended call is returned as it is."""
        return await self._changed(commands.End, call_id=call_id, by=by, reason=reason)

    async def expire(self, call_id: str) -> Call:
        """Does to one call what a sweep would."""
        found: tuple[Call, Any] = await self._submit(commands.Expire, call_id=call_id)
        return found[0]

    async def heartbeat(self, call_id: str, party: Party) -> None:
        """A sign of life. Any other command, report or caption of the party is one too."""
        await self._submit(commands.Heartbeat, call_id=call_id, party=party)

    # -- media

    async def set_media(
        self,
        call_id: str,
        party: Party,
        *,
        audio: bool | UnsetType = UNSET,
        video: bool | UnsetType = UNSET,
        screen: bool | UnsetType = UNSET,
    ) -> Participant:
        """UNSET leaves a flag as it is."""
        row: Participant = await self._submit(
            commands.SetMedia, call_id=call_id, party=party, audio=audio, video=video, screen=screen
        )
        return row

    async def set_transports(
        self,
        call_id: str,
        party: Party,
        *,
        send_transport_id: str | None | UnsetType = UNSET,
        recv_transport_id: str | None | UnsetType = UNSET,
        audio_producer_id: str | None | UnsetType = UNSET,
        video_producer_id: str | None | UnsetType = UNSET,
    ) -> Participant:
        """UNSET leaves an id as it is, None clears it."""
        row: Participant = await self._submit(
            commands.SetTransports,
            call_id=call_id,
            party=party,
            send_transport_id=send_transport_id,
            recv_transport_id=recv_transport_id,
            audio_producer_id=audio_producer_id,
            video_producer_id=video_producer_id,
        )
        return row

    async def set_router(
        self,
        call_id: str,
        *,
        router_id: str | None | UnsetType = UNSET,
        rtp_capabilities: Any = UNSET,
    ) -> Call:
        """UNSET leaves a field as it is, None clears it."""
        return await self._changed(
            commands.SetRouter,
            call_id=call_id,
            router_id=router_id,
            rtp_capabilities=rtp_capabilities,
        )

    # -- reading

    async def get(self, call_id: str) -> Call:
        """The call with its participants."""
        return await self._found(check(arguments.OfCall, call_id=call_id).call_id)

    async def live_in(self, conversation_id: str) -> Call | None:
        """The conversation's live call, with its participants."""
        asked = check(arguments.OfConversation, conversation_id=conversation_id)
        return await self._store.live_call(asked.conversation_id)

    async def current(self, party: Party) -> Call | None:
        """The live call that the party joined last, with its participants."""
        call = await self._store.current_call(check(arguments.OfParty, party=party).party)
        return call and (await named(self._describe, [call]))[0]

    async def history(
        self,
        conversation_id: str,
        *,
        limit: int = 20,
        cursor: str | None = None,
        offset: int = 0,
        outcome: Outcome | None = None,
        type: CallType | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        party: Party | None = None,
        min_duration: int | None = None,
    ) -> Page[Call]:
        """A page of the conversation's calls with their participants, newest first.

        By `cursor`, a page costs the same wherever it lies; by `offset`, what it skips. Filters
        but since, until and party look at no more than 1,000 calls a page: it may be short.
        `min_duration` is in seconds.
        """
        query = check(
            HistoryQuery,
            conversation_id=conversation_id,
            limit=limit,
            cursor=cursor,
            offset=offset,
            outcome=outcome,
            type=type,
            since=since,
            until=until,
            party=party,
            min_duration=min_duration,
        )
        calls, more = await self._store.history_page(query)
        calls = await named(self._describe, calls)
        return Page(items=calls, next=cursor_text(more) if more else None)

    async def log(
        self,
        party: Party,
        *,
        limit: int = 20,
        cursor: str | None = None,
        offset: int = 0,
        direction: Direction | None = None,
        response: Response | None = None,
        outcome: Outcome | None = None,
        type: CallType | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        unseen: bool = False,
    ) -> Page[LogEntry]:
        """A page of the party's own log, newest first, without what they have hidden.

        `unseen`: only missed calls that they have not seen. Costs as `history`.
        """
        query = check(
            LogQuery,
            party=party,
            limit=limit,
            cursor=cursor,
            offset=offset,
            direction=direction,
            response=response,
            outcome=outcome,
            type=type,
            since=since,
            until=until,
            unseen=unseen,
        )
        entries, more = await self._store.log_page(query)
        return Page(items=entries, next=cursor_text(more) if more else None)

    async def unseen(self, party: Party) -> int:
        """How many missed calls the party has neither seen nor hidden."""
        return await self._store.unseen(check(arguments.OfParty, party=party).party)

    async def mark_seen(self, party: Party, call_ids: Sequence[str] | None = None) -> int:
        """Marks the party's entries of these calls as seen (None: all missed ones); how many."""
        asked = check(arguments.OfParty, party=party, call_ids=call_ids)
        return await self._store.mark_seen(asked.party, asked.call_ids, self._now())

    async def hide(self, party: Party, call_ids: Sequence[str] | None = None) -> int:
        """Hides the party's entries of these calls (None: all) from their log; how many."""
        asked = check(arguments.OfParty, party=party, call_ids=call_ids)
        return await self._store.hide(asked.party, asked.call_ids, self._now())

    async def timeline(
        self, call_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[Event]:
        """The call's events with a seq above `after`, in order."""
        asked = check(arguments.Timeline, call_id=call_id, after=after, limit=limit)
        events = await self._store.events(asked.call_id, asked.after, asked.limit)
        if not events:
            await self._found(asked.call_id)
        return events

    async def state_at(self, call_id: str, at: datetime) -> CallState:
        """The call as it was at `at`, from its events; NotFound before it was created."""
        asked = check(arguments.StateAt, call_id=call_id, at=at)
        events = [e for e in await self.timeline(asked.call_id) if e.at <= asked.at]
        if not events:
            raise NotFound("call", f"{asked.call_id} at {asked.at.isoformat()}")
        return replay(events)

    # -- what time does

    async def sweep(self, *, now: datetime | None = None) -> SweepReport:
        """Does what deadlines, silence and seats ask for, in all calls; all zeros while another
        sweep is under way. Run it at least every minute: nobody is lost who was not watched."""
        return await self._sweep.run(check(arguments.Sweep, now=now).now)

    async def doctor(
        self, *, fix: bool = False, progress: Callable[[int], object] | None = None
    ) -> DoctorReport:
        """Looks at every row for what other writers or a crash may have left; `fix` mends what can
        be. `progress` is told how many calls were looked at since it was last told."""
        return await self._doctor.examine(fix=fix, progress=progress)

    async def seed(
        self,
        count: int,
        *,
        seed: int = 1,
        until: datetime | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> SeedReport:
        """Writes `count` realistic ended calls of the 80 days before `until` (None: last midnight,
        UTC), the same for the same `seed`; Conflict if they are there already. `progress` is told
        how many more were written."""
        asked = check(arguments.Seed, count=count, seed=seed, until=until)
        return await seed_store(self._store, self._settings, asked, self._now(), progress)

    async def _submit(self, command: type[commands.Command], **given: Any) -> Any:
        return await self._group.submit(check(command, **given))

    async def _changed(self, command: type[commands.Command], **given: Any) -> Call:
        call: Call = await self._submit(command, **given)
        return call

    async def _found(self, call_id: str) -> Call:
        call = await self._store.call(call_id)
        if call is None:
            raise NotFound("call", call_id)
        return call
