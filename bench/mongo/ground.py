"""What the contestants of a round play on: the same calls, each in a fresh database of its own.

callstore seeds its database itself and starts calls that are under way, and does so once more for
its rows to be written raw; the others get the rows of its CallSession and CallParticipant cut down
to the document's fields, ids and all, with the document's own index list.
"""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo import AsyncMongoClient, IndexModel

from bench.harness import NotMeasured
from bench.mix import drive
from bench.mongo import beanie, mongoengine, odmantic, ours, raw
from bench.mongo.ours import Ours
from bench.mongo.peer import Peer
from callstore import Calls, User

Client = AsyncMongoClient[dict[str, Any]]

OURS, RAW = "callstore", "raw PyMongo"
ODMS: dict[str, Callable[[str, str], AbstractAsyncContextManager[Peer]]] = {
    "Beanie": beanie.opened,
    "MongoEngine": mongoengine.opened,
    "ODMantic": odmantic.opened,
}
PEERS = {RAW: raw.opened, **ODMS}
CONTESTANTS = (OURS, *PEERS)
GROUPS = "the same rows in groups"
"""Of the mix only: on callstore's collections, in a database of its own."""


class Scale(NamedTuple):
    seeded: int  # calls that have ended
    lives: int  # of the command mix
    live: int  # calls that joins are spread over, by one process and again by several
    reads: int  # of each kind
    lone: int  # joins by one caller


class Live(NamedTuple):
    """A call under way: two of the five are in it."""

    conversation: str
    call_id: str
    people: tuple[str, ...]

    @property
    def to_come(self) -> tuple[str, ...]:
        return self.people[2:]


class Ground(NamedTuple):
    """A round's databases, opened."""

    client: Client  # the judge's own
    databases: dict[str, str]
    calls: Calls
    peers: dict[str, Peer]
    joins: list[Live]
    by_processes: list[Live]
    lone: list[Live]
    places: list[tuple[str, str]]  # (call, conversation) of ended calls, at random

    @property
    def all(self) -> dict[str, Ours | Peer]:
        return {OURS: Ours(self.calls), **self.peers}


FIELDS = {
    "CallSession": "conversationId mode status type initiatorId routerId rtpCapabilities settings"
    " createdAt startedAt endedAt duration endReason endedBy updatedAt",
    "CallParticipant": "callSessionId userId anonymousUserId role status joinedAt leftAt"
    " audioEnabled videoEnabled screenShareEnabled sendTransportId recvTransportId audioProducerId"
    " videoProducerId qualityMetrics deviceInfo updatedAt",
}
"""The document's, by collection."""

_SESSION_INDEXES = (
    *("conversationId", "status", "createdAt", "mode", "initiatorId"),
    *("conversationId status", "conversationId createdAt", "initiatorId status", "mode status"),
)
_PARTICIPANT_INDEXES = (
    *("callSessionId", "userId", "anonymousUserId", "status", "joinedAt"),
    *("callSessionId status", "userId status", "anonymousUserId status", "callSessionId joinedAt"),
)


def _one_of_each(party: str) -> IndexModel:
    """The document's unique index, made partial: as it stands, the second null is refused."""
    some = {party: {"$gt": ObjectId("0" * 24)}}
    keys = [("callSessionId", 1), (party, 1)]
    return IndexModel(keys, unique=True, partialFilterExpression=some)


def indexes() -> dict[str, list[IndexModel]]:
    """The document's own list: of its models, of its composite ones, and those for MongoDB."""
    sessions = [IndexModel([(name, 1) for name in names.split()]) for names in _SESSION_INDEXES]
    people = [IndexModel([(name, 1) for name in names.split()]) for names in _PARTICIPANT_INDEXES]
    active = [("conversationId", 1), ("status", 1), ("createdAt", -1)]
    of_ended = {"status": "ended"}
    sessions += [
        IndexModel(active, name="conversationId_status_createdAt"),
        IndexModel("endedAt", expireAfterSeconds=7_776_000, partialFilterExpression=of_ended),
    ]
    people += [_one_of_each("userId"), _one_of_each("anonymousUserId")]
    return {"CallSession": sessions, "CallParticipant": people}


@asynccontextmanager
async def prepared(
    url: str, name: str, scale: Scale, *, seed: int = 1, groups: bool = False
) -> AsyncIterator[Ground]:
    """All contestants on databases of their own, which are dropped in the end."""
    named = (*CONTESTANTS, *([GROUPS] if groups else []))
    databases = {contestant: f"{name}_{n}" for n, contestant in enumerate(named)}
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(url))
        for database in databases.values():
            stack.push_async_callback(client.drop_database, database)
        mine = await stack.enter_async_context(ours.opened(url, databases[OURS]))
        live = await _filled(mine.calls, scale, seed)
        if groups:
            async with ours.opened(url, databases[GROUPS]) as again:
                await _filled(again.calls, scale, seed)
        await _copy(client, databases)
        opened = {
            peer: await stack.enter_async_context(PEERS[peer](url, databases[peer]))
            for peer in PEERS
        }
        ground = Ground(
            client=client,
            databases=databases,
            calls=mine.calls,
            peers=opened,
            joins=live[: scale.live],
            by_processes=live[scale.live : 2 * scale.live],
            lone=live[2 * scale.live :],
            places=await _places(client, databases[OURS], scale.reads, random.Random(seed)),
        )
        await _compare(ground)
        yield ground


async def _filled(calls: Calls, scale: Scale, seed: int) -> list[Live]:
    await calls.seed(scale.seeded, seed=seed)
    return await _under_way(calls, 2 * scale.live + scale.lone)


async def _under_way(calls: Calls, count: int) -> list[Live]:
    """Group calls of five that have been answered, each in a conversation of its own."""
    made: list[Live] = []

    async def begin(number: int) -> None:
        people = tuple(f"b{5 * number + n:023x}" for n in range(5))
        first, second, *others = (User(id) for id in people)
        conversation = f"d{number:023x}"
        call = await calls.start(conversation, first, invite=[second, *others], ring_seconds=3600)
        await calls.join(call.id, second)
        made.append(Live(conversation, call.id, people))

    await drive(range(count), begin)
    return made


async def _copy(client: Client, databases: dict[str, str]) -> None:
    source = client[databases[OURS]]
    for peer in PEERS:
        target = client[databases[peer]]
        for collection, models in indexes().items():
            fields = dict.fromkeys(FIELDS[collection].split(), 1)
            out = {"db": target.name, "coll": collection}
            await source[collection].aggregate([{"$project": fields}, {"$out": out}])
            await target[collection].create_indexes(models)


async def _places(
    client: Client, database: str, count: int, rng: random.Random
) -> list[tuple[str, str]]:
    """Calls by random: half of them in the one conversation that has half of all calls."""
    ended = client[database]["CallSession"].find({"live": False}, {"conversationId": 1})
    found = [(str(row["_id"]), str(row["conversationId"])) for row in await ended.to_list()]
    return rng.choices(sorted(found), k=count)


async def _compare(ground: Ground) -> None:
    """NotMeasured unless all contestants find the same, as far as numbers say it."""
    call_id, conversation = ground.places[0]
    live = ground.joins[0]
    answers = {}
    for name, contestant in ground.all.items():
        found = [
            await contestant.get(call_id),
            await contestant.history(conversation),
            await contestant.current(live.people[0]),
            await contestant.live_in(live.conversation),
        ]
        answers[name] = [[len(people) for _, people in calls] for calls in found]
    if len({str(answer) for answer in answers.values()}) != 1:
        raise NotMeasured(f"the contestants do not find the same: {answers}")
