"""Databases that Prisma wrote, and what taking them over must give."""

from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from tests.stores import database
from tests.stores.prisma import INDEXES, Prisma, make

from callstore import Calls, SchemaReport, open_calls
from callstore.testing.contract.world import check_call

ROOM, HALL, YARD = (ObjectId() for _ in range(3))
ANN, BOB, CAT, DAN = (ObjectId() for _ in range(4))
DOCUMENT = tuple(INDEXES)


@pytest.fixture
def db(new_mongo: str) -> Iterator[Any]:
    with database.mongo_database(new_mongo) as found:
        make(found)
        yield found


@pytest.fixture(params=[False, True], ids=["nulls", "missing"])
def prisma(db: Any, request: pytest.FixtureRequest) -> Prisma:
    return Prisma(db, terse=request.param)


async def up(url: str, **options: Any) -> SchemaReport:
    async with open_calls(url, check_schema=False) as calls:
        report: SchemaReport = await calls.schema.up(**options)
        return report


async def plan(url: str) -> SchemaReport:
    async with open_calls(url, check_schema=False) as calls:
        report: SchemaReport = await calls.schema.plan()
        return report


def a_history(prisma: Prisma) -> dict[str, Any]:
    """Calls as an app makes them in a day, and what became of them."""
    made: dict[str, Any] = {}
    call = made["talked"] = prisma.create_call(ROOM, ANN)
    prisma.later(5)
    bob = prisma.join_call(call, BOB)
    prisma.connected(bob, deviceInfo={"browser": "Firefox", "os": "Linux", "ip": "10.0.0.9"})
    prisma.connected(
        prisma.db["CallParticipant"].find_one({"callSessionId": call, "userId": ANN})["_id"]
    )
    prisma.later(10)
    made["caption"] = prisma.transcribe(call, bob, "hello")
    made["recording"] = prisma.record(call, ANN)
    prisma.later(45)
    prisma.end_call(call, ANN)
    made["analysis"] = prisma.analyse(call, bob)

    call = made["group"] = prisma.create_call(HALL, ANN, type="audio")
    for _ in range(3):
        prisma.later(2)
        guest = prisma.join_call(call, guest=ObjectId())
        prisma.connected(guest, qualityMetrics={"packetLoss": 1, "jitter": 4.5})
    prisma.later(20)
    prisma.leave(guest, "failed")
    prisma.later(20)
    prisma.end_call(call, ANN)

    made["alone"] = prisma.create_call(HALL, BOB)
    prisma.later(30)
    prisma._update(
        "CallSession",
        made["alone"],
        {"status": "ended", "endReason": "timeout", "endedAt": prisma.now},
    )

    made["live"] = prisma.create_call(ROOM, DAN)
    prisma.later(1)
    made["live_bob"] = prisma.join_call(made["live"], BOB)
    prisma.connected(made["live_bob"])
    made["ringing"] = prisma.create_call(YARD, CAT, status="ringing")
    return made


async def sound(calls: Calls, url: str) -> None:
    """What callstore holds its own calls to holds for these."""
    report = await calls.doctor()
    assert [found for found in report.findings if found.problem != "overdue"] == []
    for row in database.rows(url)["CallSession"]:
        await check_call(calls, str(row["_id"]))


def within(was: Any, now: Any) -> bool:
    """A value is kept, whatever else its JSON has got."""
    if isinstance(was, dict):
        return all(within(value, now.get(name)) for name, value in was.items())
    if isinstance(was, list):
        return len(was) == len(now) and all(map(within, was, now))
    return was is None or was == now or str(was).replace(".000Z", "Z") == now


def many(prisma: Prisma, calls: int) -> None:
    for _ in range(calls):
        call = prisma.create_call(ObjectId(), ANN)
        prisma.join_call(call, BOB)
        prisma.later(1)
        prisma.end_call(call, ANN)
