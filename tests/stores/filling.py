"""Databases with something in them: a few calls, or rows of every kind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from callstore import Call, Calls, open_calls
from callstore.captions.model import Caption
from callstore.copying import NAMES
from callstore.privacy.model import Erasure, Hold, Lately
from callstore.recordings.model import Recording
from callstore.testing import FakeClock
from callstore.testing.contract.quality import report_at
from callstore.testing.contract.world import ANN, BOB, CAT, ROOM
from callstore.testing.data import chosen_id

OTHER = chosen_id(7)
Rows = dict[str, dict[Any, Any]]


async def filled(url: str, count: int = 30) -> None:
    """A few calls, one of them live."""
    async with open_calls(url) as calls:
        await calls.seed(count, seed=2)  # of which no event is one that schema 1 does not know
        call = await calls.start(ROOM, ANN, invite=[BOB])
        await calls.join(call.id, BOB)


async def fill_all(url: str, *, live: bool = False, seeded: int = 300) -> None:
    """Calls of every kind, with a row in every collection."""
    clock = FakeClock()
    async with open_calls(url, clock=clock) as calls:
        await calls.seed(seeded)
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.join(call.id, BOB, device={"browser": "Firefox", "os": "Linux"})
        await calls.set_router(call.id, rtp_capabilities={"codecs": [{"$ref": 1}, 2**40, 0.5]})
        for second in range(0, 60, 5):
            await calls.quality.report(call.id, BOB, report_at(clock(), 100 + second))
            clock.advance(5)
        await calls.hide(BOB, [call.id])
        await calls._store.add_rows(said_and_recorded(await calls.get(call.id)))
        await calls._store.add_rows(papers(clock()))
        await calls.retention.run(by="ann")
        if not live:
            await calls.end(call.id)
            await calls.sweep()


@asynccontextmanager
async def a_row_in_every_collection(url: str) -> AsyncIterator[Calls]:
    clock = FakeClock()
    async with open_calls(url, clock=clock) as calls:
        call = await calls.start(ROOM, ANN, invite=[BOB, CAT])
        await calls.join(call.id, BOB)
        clock.advance(60)
        await calls.quality.report(call.id, BOB, report_at(clock(), 100))
        await calls.quality.analyse(call.id)
        await calls.heartbeat(call.id, ANN)
        await calls.sweep()
        await calls._store.add_rows(said_and_recorded(await calls.get(call.id)))
        await calls._store.add_rows(papers(clock()))
        await calls.retention.run(by="ann")
        yield calls


def said_and_recorded(call: Call) -> dict[str, list[Any]]:
    at, speaker = call.created_at, (call.participants or [])[0]
    of_call: Any = {"conversation_id": call.conversation_id, "call_session_id": call.id}
    caption = Caption(
        **of_call,
        id=chosen_id(50),
        participant_id=speaker.id,
        segment_id="1",
        text="Guten Tag",
        language="de",
        timestamp=at,
        created_at=at,
    )
    recording = Recording(
        **of_call,
        id=chosen_id(51),
        started_at=at,
        requested_by=ANN.id,
        requested_by_kind="user",
        created_at=at,
        updated_at=at,
    )
    return {"CallTranscription": [caption], "CallRecording": [recording]}


def papers(at: datetime) -> dict[str, list[Any]]:
    """A hold of each kind, erasures."""
    places: list[dict[str, Any]] = [
        {"call_session_id": OTHER},
        {"conversation_id": OTHER},
        {"party": f"u:{OTHER}"},
    ]
    holds = [
        Hold(id=chosen_id(60 + n), reason="a lawsuit", placed_by="eve", placed_at=at, **place)
        for n, place in enumerate(places)
    ]
    late = Lately(conversation_id=OTHER, call_session_id=OTHER, participant_id=OTHER, at=at)
    erasures = [
        Erasure(
            id=chosen_id(70 + n),
            party=f"u:{OTHER}",
            party_hash="ab" * 32,
            mode="delete",
            recordings="keep",
            status="pending",
            counts={"CallTranscription": {"rows": n}},
            kept=[("CallRecording", OTHER, "held")],
            lately=[late],
            requested_at=at,
        )
        for n in range(3)
    ]
    return {"CallHold": holds, "CallErasure": erasures}


async def rows_of(url: str) -> Rows:
    """Every row, as callstore reads it."""
    found: Rows = {}
    async with open_calls(url) as calls:
        for name in NAMES:
            rows, after = await calls._store.rows(name, None, 100_000)
            assert after is None
            found[name] = {row.id: row for row in rows}
    return found
