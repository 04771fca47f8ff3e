"""What is measured in a round: the parts, and how a contestant plays each."""

import gc
import random
import time
from collections.abc import Awaitable, Callable
from itertools import cycle, islice
from typing import Any

from bson import ObjectId
from pymongo import AsyncMongoClient

from bench import literal, mix
from bench.harness import Timing, rotated
from bench.mongo.ground import OURS, RAW, Ground
from bench.mongo.ours import Ours
from bench.mongo.peer import MAJORITY, Peer

TITLES = {
    "history": "history of 20",
    "apart": "history of 20, no two alike",
    "get": "get",
    "current": "current",
    "live_in": "live_in",
    "lone": "a lone join",
    "mix": "command mix",
    "joins": "joins over many calls",
    "processes": "joins by 4 processes",
}
"""The parts, in the order in which they are played: what only reads comes first."""
SHOWN = ("mix", "joins", "processes", "history", "apart", "get", "current", "live_in")
"""Those whose rates are drawn and tabled, in that order."""
WRITES = "two writes"
"""An insert and an update by the driver, a majority's each: what a lone join is held against."""


async def calm(ground: Ground) -> None:
    """What the last contestant left behind, in the server and in memory, is nobody else's work."""
    await ground.client.admin.command("fsync")
    gc.collect()
    gc.freeze()


async def play_mix(ground: Ground, name: str, lives: list[mix.Life]) -> Timing:
    timing = Timing()

    async def play(life: mix.Life) -> None:
        if name == OURS:
            await mix.play(ground.calls, life, timing)
        else:
            await literal.play(ground.peers[name], life, timing)

    with timing.running():
        await mix.drive(lives, play)
    return timing


async def spread_joins(ground: Ground, name: str) -> Timing:
    """All that are invited and not there yet: the third of each call, then the fourth of each …"""
    timing, contestant = Timing(), ground.all[name]
    latest = max(len(call.to_come) for call in ground.joins)
    work = [(call.call_id, call.to_come[n]) for n in range(latest) for call in ground.joins]

    async def join(place: tuple[str, str]) -> None:
        began = time.perf_counter()
        await contestant.join_call(*place)
        timing.add("join", began)

    with timing.running():
        await mix.drive(work, join)
    return timing


Read = Callable[[Ours | Peer, str], Awaitable[object]]

READS: dict[str, Read] = {
    "history": lambda contestant, id: contestant.history(id),
    "apart": lambda contestant, id: contestant.history(id),
    "get": lambda contestant, id: contestant.get(id),
    "current": lambda contestant, id: contestant.current(id),
    "live_in": lambda contestant, id: contestant.live_in(id),
}


async def read(ground: Ground, name: str, kind: str) -> Timing:
    timing, contestant, does = Timing(), ground.all[name], READS[kind]

    async def one(id: str) -> None:
        began = time.perf_counter()
        await does(contestant, id)
        timing.add(kind, began)

    with timing.running():
        await mix.drive(of_whom(ground, kind), one)
    return timing


def of_whom(ground: Ground, kind: str) -> list[str]:
    """The ids that are asked for, the same for every contestant."""
    if kind == "history":
        return [conversation for _, conversation in ground.places]
    if kind == "apart":  # no two callers ask the same at once
        different = dict.fromkeys(conversation for _, conversation in ground.places)
        return [*islice(cycle(different), len(ground.places))]
    if kind == "get":
        return [call_id for call_id, _ in ground.places]
    live = random.Random(kind).choices(ground.joins, k=len(ground.places))
    return [call.people[0] if kind == "current" else call.conversation for call in live]


async def lone_joins(url: str, ground: Ground) -> dict[str, Timing]:
    """One caller: a join, two plain writes, and the document's join on the raw driver by turns."""
    timings = {name: Timing() for name in (OURS, WRITES, RAW)}
    everyone = ground.all
    async with AsyncMongoClient[dict[str, Any]](f"{url}/?{MAJORITY}") as client:
        plain = client[ground.databases[RAW]]["Plain"]
        await plain.insert_one({"_id": 0, "count": 0})

        async def two_writes(call_id: str, user_id: str) -> None:
            ids = {"callSessionId": ObjectId(call_id), "userId": ObjectId(user_id)}
            await plain.insert_one({**ids, "role": "participant", "status": "connecting"})
            await plain.update_one({"_id": 0}, {"$inc": {"count": 1}})

        does = {
            OURS: everyone[OURS].join_call,
            WRITES: two_writes,
            RAW: everyone[RAW].join_call,
        }
        for number, call in enumerate(ground.lone):
            for name in rotated([*does], number):
                with timings[name].running():
                    began = time.perf_counter()
                    await does[name](call.call_id, call.to_come[0])
                    timings[name].add("join", began)
    return timings
