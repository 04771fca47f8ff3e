"""Each method of a store that sends queries, asked once of a database with a past."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from callstore import Call, Calls, Guest, Page, Recording
from callstore.calls.model import party_from_ref, replace
from callstore.privacy.model import Lately
from callstore.schema.declaration import PRESENT
from callstore.schema.model import SchemaStep
from callstore.schema.shape import Change, Shape
from callstore.schema.steps import HISTORY, Fill
from callstore.stores.parties import Part
from callstore.stores.protocol import Finding
from callstore.stores.structure import Structure, untold
from callstore.testing import FakeClock, chosen_id, conversation, user
from callstore.testing.contract.quality import report_at
from callstore.testing.contract.recordings import stream


class World:
    """A database with a past: many calls, live ones, and the ids of some of them."""

    def __init__(self, url: str, calls: Calls, clock: FakeClock) -> None:
        self.url = url
        self.calls = calls
        self.clock = clock

    async def fill(self) -> None:
        seeded = await self.calls.seed(3000)
        self.room = seeded.busy_conversation
        self.party = party_from_ref(seeded.busy_party)
        page = await self.calls.history(self.room, limit=50)
        self.ended = page.items[10]
        self.deep = await self.nth(page, 20)
        self.unseen = (await self.calls.log(self.party, unseen=True, limit=5)).next
        if places := getattr(self.calls._store, "_places", None):
            places.clear()
        self.spare = replace(bare(self.ended), id=chosen_id(77))
        self.orphan = Finding(
            problem="orphan",
            collection="CallEvent",
            id=chosen_id(78),
            conversation_id=conversation(78),
            detail="",
        )
        self.live = []
        for n in range(1, 101):
            call = await self.calls.start(conversation(n), user(n), invite=[user(n + 200)])
            await self.calls.join(call.id, user(n + 200))
            self.live.append(call)
        for n in (1, 2):
            await self.calls.quality.report(
                self.live[n].id, user(n + 1), report_at(self.clock(), 100)
            )
        self.samples = await self.calls._store.samples(self.live[1].id)
        for call, speaker in ((self.live[20], user(21)), (self.live[21], user(22))):
            said = [
                {
                    "segment_id": str(n),
                    "text": f"number {n} of many {n % 7}",
                    "language": "en",
                    "timestamp": self.clock() + timedelta(seconds=n),
                }
                for n in range(200)
            ]
            await self.calls.captions.add_many(call.id, speaker, said)
        self.seats = [
            Part(
                conversation_id=call.conversation_id,
                call_session_id=call.id,
                participant_id=row.id,
            )
            for call in self.live
            for row in call.participants or ()
        ]
        entries, _ = await self.calls._store.parties.entries(self.party, None, 100)
        self.parts = [entry.call_session_id for entry in entries]
        page_of_captions = await self.calls.captions.list(self.live[20].id, limit=50)
        self.caption = page_of_captions.items[7]
        self.spoken = page_of_captions.next

        for n in range(40):
            await self.calls.audit.record("hold.place", by="ann", party=user(n % 4 + 1))
        there = [row.party for call in page.items for row in call.participants or []]
        self.someone, self.another, *_ = dict.fromkeys(
            p for p in there if p not in (None, self.party)
        )
        self.other_room = await self.quiet_room()
        await self.calls.holds.place(party=user(976), reason="a")
        self.hold = await self.calls.holds.place(party=user(73), reason="a")
        self.lately = Lately(
            conversation_id=self.live[20].conversation_id,
            call_session_id=self.live[20].id,
            participant_id=chosen_id(79),
            at=self.clock(),
        )
        self.recordings = [await self.record(call) for call in self.live[30:60] for _ in range(3)]

    async def quiet_room(self) -> str:
        """A conversation that nothing else here is about."""
        rows, _ = await self.calls._store.rows("CallSession", None, 2000)
        return next(str(r.conversation_id) for r in rows if r.conversation_id != self.room)

    async def record(self, call: Call, *, put: bool = True) -> Recording:
        """A recording of the call, with its file."""
        row = await self.calls.recordings.start(call.id, call.initiator)
        row = await self.calls.recordings.stop(row.id)
        return await self.calls.recordings.put(row.id, stream(b"sound")) if put else row

    async def record_and(self, number: int, work: str, **options: Any) -> None:
        row = await self.record(self.live[number], put=work == "delete")
        await getattr(self.calls.recordings, work)(row.id, **options)

    async def say(self, text: str) -> Any:
        return await self.calls.captions.add(
            self.live[20].id, user(21), segment_id=text, text=text, language="en"
        )

    async def say_and_delete(self) -> None:
        await self.calls.captions.delete((await self.say("never mind")).id)

    async def nth(self, page: Page[Any], pages: int) -> str:
        cursor = page.next
        for _ in range(pages):
            cursor = (await self.calls.history(self.room, limit=50, cursor=cursor)).next
        assert cursor is not None
        return cursor

    async def around(self) -> Any:
        parties = self.calls._store.parties
        return await parties.around(self.party, (await parties.entries(self.party, None, 100))[0])

    async def by_pages(self, collection: str, number: int) -> None:
        """The first row of a live call's, and the rest."""
        parties, part = self.calls._store.parties, self.seats[number]
        (first,) = await parties.rows_after(collection, part, None, 1)
        await parties.rows_after(collection, part, first, 100)

    @property
    def structure(self) -> Structure:
        return self.calls._store.structure

    @property
    def shape(self) -> Shape:
        return HISTORY.shape_at(self.structure.kind, HISTORY.current)

    async def build_again(self, collection: str, index: str) -> None:
        made = self.shape[collection].indexes[index]
        of: dict[str, Any] = {"what": "index", "collection": collection, "name": index}
        await self.structure.remove(Change(kind="unknown", found=made, **of))
        await self.structure.apply(Change(kind="missing", wanted=made, **of), untold)

    async def state_again(self, collection: str) -> None:
        rules = self.shape[collection].rules
        change = Change(kind="changed", what="rules", collection=collection, wanted=rules)
        await self.structure.apply(change, untold)

    async def step_and_back(self) -> None:
        await self.structure.record(
            SchemaStep(id=99, name="a", applied_at=self.clock(), oldest_code=1)
        )
        await self.structure.forget(99)

    async def fill_anew(self) -> None:
        await self.structure.fill(ANEW, await self.structure.lacking(ANEW, None, 100))

    async def make_again(self) -> None:
        await self.structure.create(self.shape, await self.structure.applied())

    async def export(self) -> None:
        async for _ in self.calls.privacy.export(self.party):
            pass


ANEW = Fill(
    collection="CallHold",
    where={"reason": "a"},
    reads=("reason",),
    writes=("reason",),
    change=lambda row: {"reason": f"{row['reason']} hold"},
)
Work = Callable[[World], Awaitable[Any]]
SINCE = timedelta(days=40)
LATER = timedelta(days=400)

METHODS: dict[str, Work] = {
    "start": lambda w: w.calls.start(conversation(900), user(900), invite=[user(901)]),
    "start with a chosen id": lambda w: w.calls.start(
        conversation(901), user(900), call_id=chosen_id(901)
    ),
    "join": lambda w: w.calls.join(w.live[5].id, user(950)),
    "join by a guest": lambda w: w.calls.join(w.live[5].id, Guest(chosen_id(7))),
    "connected": lambda w: w.calls.connected(w.live[6].id, user(7)),
    "heartbeat": lambda w: w.calls.heartbeat(w.live[7].id, user(8)),
    "set_media": lambda w: w.calls.set_media(w.live[8].id, user(9), audio=False),
    "leave": lambda w: w.calls.leave(w.live[9].id, user(10)),
    "end": lambda w: w.calls.end(w.live[10].id),
    "report": lambda w: w.calls.quality.report(w.live[11].id, user(12), report_at(w.clock(), 100)),
    "expire": lambda w: w.calls.expire(w.live[12].id),
    "get": lambda w: w.calls.get(w.ended.id),
    "live_in": lambda w: w.calls.live_in(conversation(20)),
    "current": lambda w: w.calls.current(user(20)),
    "history": lambda w: w.calls.history(w.room),
    "history, deep": lambda w: w.calls.history(w.room, cursor=w.deep),
    "history, since": lambda w: w.calls.history(w.room, since=w.ended.created_at - SINCE),
    "history, until": lambda w: w.calls.history(w.room, until=w.ended.created_at),
    "history, since, deep": lambda w: w.calls.history(
        w.room, since=w.ended.created_at - 2 * SINCE, cursor=w.deep
    ),
    "histories together": lambda w: asyncio.gather(
        *(w.calls.history(id) for id in (w.room, w.other_room, conversation(20)))
    ),
    "history with a party": lambda w: w.calls.history(w.room, party=w.party),
    "history with a party, deep": lambda w: w.calls.history(w.room, party=w.party, cursor=w.deep),
    "history of an outcome": lambda w: w.calls.history(w.room, outcome="declined"),
    "history of a type": lambda w: w.calls.history(w.room, type="audio"),
    "history of a duration": lambda w: w.calls.history(w.room, min_duration=3600),
    "history with a party, since": lambda w: w.calls.history(
        w.room, party=w.party, since=w.ended.created_at - SINCE
    ),
    "history with a party, until": lambda w: w.calls.history(
        w.room, party=w.party, until=w.ended.created_at
    ),
    "history with a party, of an outcome": lambda w: w.calls.history(
        w.room, party=w.party, outcome="declined"
    ),
    "history with a party, of a type": lambda w: w.calls.history(
        w.room, party=w.party, type="audio"
    ),
    "history with a party, of a duration": lambda w: w.calls.history(
        w.room, party=w.party, min_duration=3600
    ),
    "history with a party, by offset": lambda w: w.calls.history(w.room, party=w.party, offset=500),
    "history by offset": lambda w: w.calls.history(w.room, offset=500),
    "log": lambda w: w.calls.log(w.party),
    "log, deep": lambda w: w.calls.log(w.party, cursor=w.deep),
    "log of a type": lambda w: w.calls.log(w.party, type="audio"),
    "log of what is unseen": lambda w: w.calls.log(w.party, unseen=True),
    "log of a response": lambda w: w.calls.log(w.party, response="declined"),
    "log of a direction": lambda w: w.calls.log(w.party, direction="outgoing"),
    "log of an outcome": lambda w: w.calls.log(w.party, outcome="declined"),
    "log, since": lambda w: w.calls.log(w.party, since=w.ended.created_at - SINCE),
    "log, until": lambda w: w.calls.log(w.party, until=w.ended.created_at),
    "log by offset": lambda w: w.calls.log(w.party, offset=500),
    "log of what is unseen, deep": lambda w: w.calls.log(w.party, unseen=True, cursor=w.unseen),
    "unseen": lambda w: w.calls.unseen(w.party),
    "mark_seen": lambda w: w.calls.mark_seen(w.party, [w.ended.id]),
    "mark_seen, all": lambda w: w.calls.mark_seen(w.party),
    "hide": lambda w: w.calls.hide(w.party, [w.ended.id]),
    "hide, all": lambda w: w.calls.hide(user(30)),
    "timeline": lambda w: w.calls.timeline(w.ended.id),
    "timeline, after": lambda w: w.calls.timeline(w.ended.id, after=2, limit=3),
    "analyse": lambda w: w.calls.quality.analyse(w.live[1].id),
    "analysed": lambda w: w.calls._store.mark_analysed(w.samples, w.clock()),
    "analytics": lambda w: w.calls._store.analytics(w.live[1].id),
    "a caption": lambda w: w.say("a word more"),
    "a caption again": lambda w: w.say("3"),
    "a translation": lambda w: w.calls.captions.translate(w.caption.id, "fr", "numéro"),
    "a caption deleted": lambda w: w.say_and_delete(),
    "captions": lambda w: w.calls.captions.list(w.live[20].id),
    "captions, deep": lambda w: w.calls.captions.list(w.live[20].id, cursor=w.spoken),
    "captions, interim": lambda w: w.calls.captions.list(w.live[20].id, final=False),
    "captions as a file": lambda w: w.calls.captions.export(w.live[20].id, format="vtt"),
    "search in a call": lambda w: w.calls.captions.search("many 3", call_id=w.live[20].id),
    "search in a conversation": lambda w: w.calls.captions.search(
        "number 3", conversation_id=w.live[20].conversation_id
    ),
    "search, deep": lambda w: w.calls.captions.search(
        "number", conversation_id=w.live[20].conversation_id, cursor=w.spoken
    ),
    "search of a party": lambda w: w.calls.captions.search("number 3", party=user(21)),
    "search for a beginning": lambda w: w.calls.captions.search(
        "num*", conversation_id=w.live[20].conversation_id
    ),
    "a recording with its file": lambda w: w.record(w.live[61]),
    "a recording that fails": lambda w: w.record_and(62, "fail", reason="x"),
    "a recording deleted": lambda w: w.record_and(63, "delete"),
    "a recording by its id": lambda w: w.calls.recordings.get(w.recordings[7].id),
    "recordings of a call": lambda w: w.calls.recordings.list(w.live[33].id),
    "a call that ends with recordings": lambda w: w.calls.end(w.live[34].id),
    "unfinished recordings": lambda w: w.calls._store.unfinished_recordings(
        w.clock() + timedelta(days=1)
    ),
    "overdue": lambda w: w.calls._store.overdue(w.clock(), w.clock()),
    "due": lambda w: w.calls._store.due(w.clock(), w.clock(), w.clock()),
    "retention: anyone live": lambda w: w.calls._store.anyone_live(),
    "unanalysed": lambda w: w.calls._store.unanalysed(),
    "party: entries": lambda w: w.calls._store.parties.entries(w.party, w.parts[40], 100),
    "party: what is around them": lambda w: w.around(),
    "party: recordings": lambda w: w.calls._store.parties.rows("CallRecording", w.seats, 501),
    "party: events": lambda w: w.calls._store.parties.rows("CallEvent", w.seats, 501),
    "party: captions": lambda w: w.calls._store.parties.rows("CallTranscription", w.seats, 501),
    "party: samples": lambda w: w.calls._store.parties.rows("CallQualitySample", w.seats, 501),
    "party: analyses": lambda w: w.calls._store.parties.rows("CallAnalytics", w.seats, 501),
    "party: recordings of a call": lambda w: w.by_pages("CallRecording", 33),
    "party: events of a call": lambda w: w.by_pages("CallEvent", 33),
    "party: captions of a call": lambda w: w.by_pages("CallTranscription", 20),
    "party: samples of a call": lambda w: w.by_pages("CallQualitySample", 2),
    "party: its export": lambda w: w.export(),
    "retention: stamping": lambda w: w.calls._store.stamp(
        "1 2 3 4", w.clock(), 50, w.calls.retention._stamps
    ),
    "retention: what has expired": lambda w: w.calls._store.count_expired(
        w.ended.created_at, "1 2 3 4", w.ended.created_at
    ),
    "retention: calls": lambda w: w.calls._store.expire_calls(
        w.clock() + timedelta(days=12), "1 2 3 4", 10
    ),
    "retention: captions": lambda w: w.calls._store.expire_rows(
        "CallTranscription", w.clock() + timedelta(days=7), 20
    ),
    "retention: files": lambda w: w.calls._store.expired_recordings(w.clock(), 20),
    "audit: a record": lambda w: w.calls.audit.record("hold.place", by="ann", party=user(1)),
    "audit: a page": lambda w: w.calls.audit.list(since=w.ended.created_at, limit=5),
    "audit: of an action": lambda w: w.calls.audit.list(action="privacy.erase"),
    "audit: of a party": lambda w: w.calls.audit.list(party=user(2), limit=5),
    "audit: what has expired": lambda w: w.calls.audit.expired(w.clock() + LATER),
    "audit: the oldest end": lambda w: w.calls.audit.trim(w.clock() + LATER),
    "audit: verified": lambda w: w.calls.audit.verify(),
    "hold: placed": lambda w: w.calls.holds.place(party=user(72), reason="a"),
    "hold: on a conversation": lambda w: w.calls.holds.place(
        conversation_id=conversation(75), reason="a"
    ),
    "hold: released": lambda w: w.calls.holds.release(w.hold.id),
    "hold: settled": lambda w: w.calls.holds.settle(w.clock() + LATER, always),
    "holds": lambda w: w.calls.holds.list(released=True),
    "join under a hold": lambda w: w.calls.join(w.live[76].id, user(976)),
    "erase": lambda w: w.calls.privacy.erase(w.someone),
    "erase, counted": lambda w: w.calls.privacy.erase(w.another, dry_run=True),
    "what came late": lambda w: w.calls._store.papers.erase_late(chosen_id(80), [w.lately]),
    "delete_conversation": lambda w: w.calls.privacy.delete_conversation(w.other_room),
    "receipts": lambda w: w.calls.privacy.receipts(),
    "receipts of a party": lambda w: w.calls.privacy.receipts(w.someone),
    "an erasure": lambda w: w.calls._store.papers.erasure(chosen_id(80)),
    "erasures pending": lambda w: w.calls._store.papers.pending_erasures(),
    "retention: papers": lambda w: w.calls._store.expire_rows("CallHold", w.clock(), 20),
    "lease": lambda w: w.calls._store.change_lease("x", lambda _: None),
    "copying: rows": lambda w: w.calls._store.rows("CallParticipant", None, 100),
    "copying: rows that are there": lambda w: w.calls._store.rows_like("CallSession", [w.ended]),
    "copying: rows written": lambda w: w.calls._store.put_rows("CallSession", [bare(w.ended)]),
    "copying: rows deleted": lambda w: w.calls._store.delete_rows("CallSession", [w.spare]),
    "an orphan deleted": lambda w: w.calls._store.mend(w.orphan),
    "doctor": lambda w: w.calls.doctor(),
    "schema: up": lambda w: w.calls.schema.up(),
    "schema: rows that differ": lambda w: w.structure.count("CallHold", {"callSessionId": PRESENT}),
    "schema: what would be lost": lambda w: w.structure.has_values("CallHold", "reason"),
    "schema: rows filled": lambda w: w.fill_anew(),
    "schema: an index built": lambda w: w.build_again("CallHold", "CallHold_placed"),
    "schema: rules stated": lambda w: w.state_again("CallHold"),
    "schema: a step taken and back": lambda w: w.step_and_back(),
    "schema: made by another, too": lambda w: w.make_again(),
    "schema: verified": lambda w: w.calls.schema.verify(),
    "schema: what is held": lambda w: w.structure.holds(),
}


async def always() -> bool:
    return True


def bare(call: Call) -> Call:
    return replace(call, participants=None)
