"""Random pasts of half a year, with holds, erasures and deletions among the calls: dry runs count
what real ones do, what is held stays, who is erased is nowhere, and whatever is left is sound."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from callstore import Calls, Hold, Party
from callstore.testing.clock import FakeClock
from callstore.testing.contract.captions import say
from callstore.testing.contract.erasing import KEPT
from callstore.testing.contract.quality import report_at
from callstore.testing.contract.recordings import SOUND, stream
from callstore.testing.contract.retention import CHILDREN, DAY, rows
from callstore.testing.contract.world import check_call
from callstore.testing.data import conversation, guest, user

ROOMS = [conversation(n) for n in range(1, 4)]


class Past:
    """What was done, and what must hold."""

    def __init__(self, calls: Calls, clock: FakeClock, seed: int) -> None:
        self.calls = calls
        self.clock = clock
        self.rng = random.Random(seed)
        self.people: list[Party] = [*(user(n) for n in range(1, 7)), guest(1), guest(2)]
        self.erased: dict[Party, str] = {}  # by its receipt
        self.holds: list[Hold] = []

    async def call(self) -> None:
        calls, rng = self.calls, self.rng
        free = [p for p in self.people if p not in self.erased]
        if len(free) < 3:
            return
        one, two, three = rng.sample(free, 3)
        call = await calls.start(rng.choice(ROOMS), one, invite=[two, three])
        if rng.random() < 0.7:
            await calls.join(call.id, two)
            await say(calls, call.id, rng.choice([one, two]), "hello")
            await calls.quality.report(call.id, two, report_at(self.clock(), 5))
            if rng.random() < 0.5:
                await self.record(call.id, rng.choice([one, two]))
        self.clock.advance(rng.randint(1, 50))
        await calls.end(call.id, by=rng.choice([None, one]))

    async def record(self, call_id: str, party: Party) -> None:
        row = await self.calls.recordings.start(call_id, party)
        match self.rng.randint(1, 4):
            case 1:
                await self.calls.recordings.fail(row.id, reason="the encoder died")
            case 2:
                await self.calls.recordings.stop(row.id)
            case 3:
                await self.calls.recordings.stop(row.id)
                await self.calls.recordings.put(row.id, stream(SOUND))

    async def hold(self) -> None:
        on: dict[str, Any] = self.rng.choice(
            [{"party": self.rng.choice(self.people)}, {"conversation_id": self.rng.choice(ROOMS)}]
        )
        if on.get("party") not in self.erased:  # who is named anew is there anew
            self.holds.append(await self.calls.holds.place(**on, reason="a case"))

    async def release(self) -> None:
        if self.holds:
            hold = self.holds.pop(self.rng.randrange(len(self.holds)))
            await self.calls.holds.release(hold.id)

    async def sweep(self) -> None:
        await self.calls.sweep()

    async def run(self) -> None:
        await self.calls.sweep()
        planned = await self.calls.retention.plan()
        held = {
            c.id: await self._of(c.id) for c in await rows(self.calls, "CallSession") if c.holds
        }
        report = await self.calls.retention.run(planned)
        assert report == planned
        for id, before in held.items():
            assert await self._of(id) == before

    async def erase(self) -> None:
        party, mode = self.rng.choice(self.people), self.rng.choice(["anonymise", "delete"])
        files = self.rng.choice(["requested", "participated", "keep"])
        options: dict[str, Any] = {"mode": mode, "recordings": files}
        dry = await self.calls.privacy.erase(party, dry_run=True, **options)
        real = await self.calls.privacy.erase(party, **options)
        assert (dry.counts, dry.kept, dry.status) == (real.counts, real.kept, real.status)
        assert real.id is not None
        self.erased[party] = real.id

    async def delete(self) -> None:
        room = self.rng.choice(ROOMS)
        dry = await self.calls.privacy.delete_conversation(room, dry_run=True)
        real = await self.calls.privacy.delete_conversation(room)
        assert (dry.counts, dry.kept, dry.status) == (real.counts, real.kept, real.status)

    async def step(self) -> None:
        often: list[Callable[[], Awaitable[None]]] = [self.call] * 12
        often += [self.sweep] * 3 + [self.run] * 3 + [self.hold] * 2 + [self.release] * 2
        often += [self.erase, self.delete]
        await self.rng.choice(often)()
        self.clock.advance(self.rng.choice([400, 400, 3 * DAY, 9 * DAY]))

    async def check(self) -> None:
        calls = self.calls
        assert (await calls.doctor()).findings == []
        for call in await rows(calls, "CallSession"):
            await check_call(calls, call.id)
        done = {r.id for r in await calls.privacy.receipts() if r.status == "done"}
        for party, receipt in self.erased.items():
            if receipt in done:
                for name in KEPT:
                    kept = msgspec.json.encode(await rows(calls, name))
                    assert party.id.encode() not in kept, (name, party)

    async def _of(self, call_id: str) -> dict[str, int]:
        return {
            name: sum(row.call_session_id == call_id for row in await rows(self.calls, name))
            for name in CHILDREN
        }


class TestRandomPasts:
    @pytest.mark.parametrize("seed", range(4))
    async def test_what_is_planned_is_done_and_what_is_left_is_sound(
        self, calls: Calls, clock: FakeClock, seed: int
    ) -> None:
        past = Past(calls, clock, seed)
        for number in range(60):
            await past.step()
            if number % 20 == 19:
                await past.check()
        for hold in past.holds:
            await calls.holds.release(hold.id)
        clock.advance(90)
        await calls.sweep()
        assert {receipt.status for receipt in await calls.privacy.receipts()} <= {"done"}
        await past.check()
