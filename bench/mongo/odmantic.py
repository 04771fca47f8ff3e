"""The document's models and sample queries on ODMantic (on Motor).

It has no update statement: who changes a document finds it, sets it and saves it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from odmantic import AIOEngine, Field, Model, ObjectId, query

from bench.mongo.peer import LIVE, MAJORITY, PAGE, PRESENT, SETTINGS, Found, mode_with


def _now() -> datetime:
    """Without a zone: ODMantic takes no other."""
    return datetime.now(UTC).replace(tzinfo=None)


class CallSession(Model):
    model_config = {"collection": "CallSession"}
    conversation_id: ObjectId = Field(key_name="conversationId")
    mode: str
    status: str = "initiated"
    type: str
    initiator_id: ObjectId = Field(key_name="initiatorId")
    router_id: str | None = Field(default=None, key_name="routerId")
    rtp_capabilities: dict[str, Any] | None = Field(default=None, key_name="rtpCapabilities")
    settings: dict[str, Any] | None = None
    created_at: datetime = Field(default_factory=_now, key_name="createdAt")
    started_at: datetime | None = Field(default=None, key_name="startedAt")
    ended_at: datetime | None = Field(default=None, key_name="endedAt")
    duration: int | None = None
    end_reason: str | None = Field(default=None, key_name="endReason")
    ended_by: ObjectId | None = Field(default=None, key_name="endedBy")
    updated_at: datetime = Field(default_factory=_now, key_name="updatedAt")


class CallParticipant(Model):
    model_config = {"collection": "CallParticipant"}
    call_session_id: ObjectId = Field(key_name="callSessionId")
    user_id: ObjectId | None = Field(default=None, key_name="userId")
    anonymous_user_id: ObjectId | None = Field(default=None, key_name="anonymousUserId")
    role: str = "participant"
    status: str = "connecting"
    joined_at: datetime = Field(default_factory=_now, key_name="joinedAt")
    left_at: datetime | None = Field(default=None, key_name="leftAt")
    audio_enabled: bool = Field(default=True, key_name="audioEnabled")
    video_enabled: bool = Field(default=True, key_name="videoEnabled")
    screen_share_enabled: bool = Field(default=False, key_name="screenShareEnabled")
    send_transport_id: str | None = Field(default=None, key_name="sendTransportId")
    recv_transport_id: str | None = Field(default=None, key_name="recvTransportId")
    audio_producer_id: str | None = Field(default=None, key_name="audioProducerId")
    video_producer_id: str | None = Field(default=None, key_name="videoProducerId")
    quality_metrics: dict[str, Any] | None = Field(default=None, key_name="qualityMetrics")
    device_info: dict[str, Any] | None = Field(default=None, key_name="deviceInfo")
    updated_at: datetime = Field(default_factory=_now, key_name="updatedAt")


class Odmantic:
    def __init__(self, engine: AIOEngine) -> None:
        self._engine = engine

    async def create_call(self, conversation_id: str, initiator_id: str) -> str:
        call = CallSession(  # type: ignore[call-arg]  # the id makes itself
            conversation_id=ObjectId(conversation_id),
            initiator_id=ObjectId(initiator_id),
            mode="p2p",
            type="video",
            status="initiated",
            settings=SETTINGS,
        )
        await self._engine.save(call)
        await self._create_participant(call.id, initiator_id, "initiator")
        return str(call.id)

    async def _create_participant(self, call_id: ObjectId, user_id: str, role: str) -> None:
        await self._engine.save(
            CallParticipant(  # type: ignore[call-arg]
                call_session_id=call_id,
                user_id=ObjectId(user_id),
                role=role,
                status="connecting",
                audio_enabled=True,
                video_enabled=True,
            )
        )

    async def join_call(self, call_id: str, user_id: str) -> None:
        id = ObjectId(call_id)
        others = await self._engine.count(
            CallParticipant,
            CallParticipant.call_session_id == id,
            query.in_(CallParticipant.status, PRESENT),
        )
        call = await self._engine.find_one(CallSession, CallSession.id == id)
        mode = mode_with(others)
        await self._create_participant(id, user_id, "participant")
        if call is not None and call.mode != mode:
            call.mode, call.updated_at = mode, _now()
            await self._engine.save(call)

    async def connected(self, call_id: str, user_id: str) -> None:
        if (row := await self._participant(call_id, user_id)) is not None:
            row.status, row.updated_at = "connected", _now()
            await self._engine.save(row)

    async def left(self, call_id: str, user_id: str) -> None:
        if (row := await self._participant(call_id, user_id)) is not None:
            row.status, row.left_at, row.updated_at = "disconnected", _now(), _now()
            await self._engine.save(row)

    async def _participant(self, call_id: str, user_id: str) -> CallParticipant | None:
        return await self._engine.find_one(
            CallParticipant,
            CallParticipant.call_session_id == ObjectId(call_id),
            CallParticipant.user_id == ObjectId(user_id),
        )

    async def end_call(self, call_id: str, ended_by: str) -> None:
        id, now = ObjectId(call_id), _now()
        call = await self._engine.find_one(CallSession, CallSession.id == id)
        assert call is not None
        started_at = call.started_at
        call.status, call.ended_at, call.updated_at = "ended", now, now
        call.duration = int((now - started_at).total_seconds()) if started_at else 0
        call.ended_by, call.end_reason = ObjectId(ended_by), "normal"
        await self._engine.save(call)
        rows = await self._engine.find(
            CallParticipant,
            CallParticipant.call_session_id == id,
            CallParticipant.status == "connected",
        )
        for row in rows:
            row.status, row.left_at, row.updated_at = "disconnected", now, now
        await self._engine.save_all(rows)

    async def get(self, call_id: str) -> Found:
        id = ObjectId(call_id)
        call = await self._engine.find_one(CallSession, CallSession.id == id)
        people = await self._engine.find(CallParticipant, CallParticipant.call_session_id == id)
        return [(call, people)]

    async def history(self, conversation_id: str) -> Found:
        calls = await self._engine.find(
            CallSession,
            CallSession.conversation_id == ObjectId(conversation_id),
            sort=query.desc(CallSession.created_at),
            skip=0,
            limit=PAGE,
        )
        return await self._with_people(calls)

    async def current(self, user_id: str) -> Found:
        mine = self._engine.find(
            CallParticipant,
            CallParticipant.user_id == ObjectId(user_id),
            query.in_(CallParticipant.status, PRESENT),
        )
        async for row in mine:
            id = row.call_session_id
            call = await self._engine.find_one(
                CallSession, CallSession.id == id, query.in_(CallSession.status, LIVE)
            )
            if call is not None:
                present = await self._engine.find(
                    CallParticipant,
                    CallParticipant.call_session_id == id,
                    query.in_(CallParticipant.status, PRESENT),
                )
                return [(call, present)]
        return []

    async def live_in(self, conversation_id: str) -> Found:
        calls = await self._engine.find(
            CallSession,
            CallSession.conversation_id == ObjectId(conversation_id),
            CallSession.status == "active",
        )
        return await self._with_people(calls)

    async def _with_people(self, calls: list[CallSession]) -> Found:
        found: dict[Any, list[Any]] = {call.id: [] for call in calls}
        people = await self._engine.find(
            CallParticipant, query.in_(CallParticipant.call_session_id, [*found])
        )
        for row in people:
            found[row.call_session_id].append(row)
        return [(call, found[call.id]) for call in calls]


@asynccontextmanager
async def opened(url: str, database: str) -> AsyncIterator[Odmantic]:
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(f"{url}/?{MAJORITY}")
    try:
        yield Odmantic(AIOEngine(client, database))
    finally:
        client.close()
