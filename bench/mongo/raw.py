"""The document's sample queries on PyMongo's AsyncMongoClient and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo import AsyncMongoClient

from bench.mongo.peer import LIVE, MAJORITY, PAGE, PRESENT, SETTINGS, Found, mode_with

Rows = list[dict[str, Any]]


class Raw:
    def __init__(self, client: AsyncMongoClient[dict[str, Any]], database: str) -> None:
        self._calls = client[database]["CallSession"]
        self._people = client[database]["CallParticipant"]

    async def create_call(self, conversation_id: str, initiator_id: str) -> str:
        now = datetime.now(UTC)
        call = {
            "conversationId": ObjectId(conversation_id),
            "initiatorId": ObjectId(initiator_id),
            "mode": "p2p",
            "type": "video",
            "status": "initiated",
            "settings": SETTINGS,
            "createdAt": now,
            "updatedAt": now,
        }
        made = await self._calls.insert_one(call)
        await self._create_participant(made.inserted_id, initiator_id, "initiator")
        return str(made.inserted_id)

    async def _create_participant(self, call_id: ObjectId, user_id: str, role: str) -> None:
        now = datetime.now(UTC)
        await self._people.insert_one(
            {
                "callSessionId": call_id,
                "userId": ObjectId(user_id),
                "role": role,
                "status": "connecting",
                "joinedAt": now,
                "audioEnabled": True,
                "videoEnabled": True,
                "screenShareEnabled": False,
                "updatedAt": now,
            }
        )

    async def join_call(self, call_id: str, user_id: str) -> None:
        id = ObjectId(call_id)
        others = await self._people.count_documents(
            {"callSessionId": id, "status": {"$in": PRESENT}}
        )
        call = await self._calls.find_one({"_id": id}, {"mode": 1})
        mode = mode_with(others)
        await self._create_participant(id, user_id, "participant")
        if call is not None and call["mode"] != mode:
            switch = {"mode": mode, "updatedAt": datetime.now(UTC)}
            await self._calls.update_one({"_id": id}, {"$set": switch})

    async def connected(self, call_id: str, user_id: str) -> None:
        await self._set_participant(call_id, user_id, {"status": "connected"})

    async def left(self, call_id: str, user_id: str) -> None:
        gone = {"status": "disconnected", "leftAt": datetime.now(UTC)}
        await self._set_participant(call_id, user_id, gone)

    async def _set_participant(self, call_id: str, user_id: str, values: dict[str, Any]) -> None:
        await self._people.update_one(
            {"callSessionId": ObjectId(call_id), "userId": ObjectId(user_id)},
            {"$set": {**values, "updatedAt": datetime.now(UTC)}},
        )

    async def end_call(self, call_id: str, ended_by: str) -> None:
        id = ObjectId(call_id)
        call = await self._calls.find_one({"_id": id}, {"startedAt": 1})
        started_at = call.get("startedAt") if call else None
        now = datetime.now(UTC)
        ended = {
            "status": "ended",
            "endedAt": now,
            "duration": int((now - started_at).total_seconds()) if started_at else 0,
            "endedBy": ObjectId(ended_by),
            "endReason": "normal",
            "updatedAt": now,
        }
        await self._calls.update_one({"_id": id}, {"$set": ended})
        gone = {"status": "disconnected", "leftAt": now, "updatedAt": now}
        await self._people.update_many({"callSessionId": id, "status": "connected"}, {"$set": gone})

    async def get(self, call_id: str) -> Found:
        id = ObjectId(call_id)
        call = await self._calls.find_one({"_id": id})
        people = await self._people.find({"callSessionId": id}).to_list()
        return [(call, people)]

    async def history(self, conversation_id: str) -> Found:
        of = self._calls.find({"conversationId": ObjectId(conversation_id)})
        calls = await of.sort("createdAt", -1).skip(0).limit(PAGE).to_list()
        seen = ("callSessionId", "userId", "anonymousUserId", "joinedAt", "leftAt")
        people = await self._people.find(
            {"callSessionId": {"$in": [call["_id"] for call in calls]}}, dict.fromkeys(seen, 1)
        ).to_list()
        return _together(calls, people)

    async def current(self, user_id: str) -> Found:
        mine = {"userId": ObjectId(user_id), "status": {"$in": PRESENT}}
        async for row in self._people.find(mine):
            id = row["callSessionId"]
            call = await self._calls.find_one({"_id": id, "status": {"$in": LIVE}})
            if call is not None:
                present = {"callSessionId": id, "status": {"$in": PRESENT}}
                return [(call, await self._people.find(present).to_list())]
        return []

    async def live_in(self, conversation_id: str) -> Found:
        live = {"conversationId": ObjectId(conversation_id), "status": "active"}
        calls = await self._calls.find(live).to_list()
        of = {"callSessionId": {"$in": [call["_id"] for call in calls]}}
        return _together(calls, await self._people.find(of).to_list())


def _together(calls: Rows, people: Rows) -> Found:
    found: dict[Any, Rows] = {call["_id"]: [] for call in calls}
    for row in people:
        found[row["callSessionId"]].append(row)
    return [(call, found[call["_id"]]) for call in calls]


@asynccontextmanager
async def opened(url: str, database: str) -> AsyncIterator[Raw]:
    async with AsyncMongoClient[dict[str, Any]](f"{url}/?{MAJORITY}", tz_aware=True) as client:
        yield Raw(client, database)
