"""The document's models and sample queries on Beanie."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from beanie import Document, PydanticObjectId, init_beanie
from beanie.operators import In
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pymongo import AsyncMongoClient

from bench.mongo.peer import LIVE, MAJORITY, PAGE, PRESENT, SETTINGS, Found, mode_with


def _key(name: str) -> str:
    """A field's name in the database."""
    return "_id" if name == "id" else to_camel(name)


_CAMEL = ConfigDict(alias_generator=_key, populate_by_name=True)


def _now() -> datetime:
    return datetime.now(UTC)


class CallSession(Document):
    model_config = _CAMEL
    conversation_id: PydanticObjectId
    mode: str
    status: str = "initiated"
    type: str
    initiator_id: PydanticObjectId
    router_id: str | None = None
    rtp_capabilities: dict[str, Any] | None = None
    settings: dict[str, Any] | None = None
    created_at: datetime = Field(default_factory=_now)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration: int | None = None
    end_reason: str | None = None
    ended_by: PydanticObjectId | None = None
    updated_at: datetime = Field(default_factory=_now)

    class Settings:
        name = "CallSession"


class CallParticipant(Document):
    model_config = _CAMEL
    call_session_id: PydanticObjectId
    user_id: PydanticObjectId | None = None
    anonymous_user_id: PydanticObjectId | None = None
    role: str = "participant"
    status: str = "connecting"
    joined_at: datetime = Field(default_factory=_now)
    left_at: datetime | None = None
    audio_enabled: bool = True
    video_enabled: bool = True
    screen_share_enabled: bool = False
    send_transport_id: str | None = None
    recv_transport_id: str | None = None
    audio_producer_id: str | None = None
    video_producer_id: str | None = None
    quality_metrics: dict[str, Any] | None = None
    device_info: dict[str, Any] | None = None
    updated_at: datetime = Field(default_factory=_now)

    class Settings:
        name = "CallParticipant"


class ModeOnly(BaseModel):
    mode: str


class StartOnly(BaseModel):
    model_config = _CAMEL
    started_at: datetime | None = None


class Presence(BaseModel):
    """What the history selects of a participant."""

    model_config = _CAMEL
    call_session_id: PydanticObjectId
    user_id: PydanticObjectId | None = None
    anonymous_user_id: PydanticObjectId | None = None
    joined_at: datetime
    left_at: datetime | None = None


class Beanie:
    async def create_call(self, conversation_id: str, initiator_id: str) -> str:
        call = CallSession(
            conversation_id=PydanticObjectId(conversation_id),
            initiator_id=PydanticObjectId(initiator_id),
            mode="p2p",
            type="video",
            status="initiated",
            settings=SETTINGS,
        )
        await call.insert()
        assert call.id is not None
        await self._create_participant(call.id, initiator_id, "initiator")
        return str(call.id)

    async def _create_participant(self, call_id: PydanticObjectId, user_id: str, role: str) -> None:
        await CallParticipant(
            call_session_id=call_id,
            user_id=PydanticObjectId(user_id),
            role=role,
            status="connecting",
            audio_enabled=True,
            video_enabled=True,
        ).insert()

    async def join_call(self, call_id: str, user_id: str) -> None:
        id = PydanticObjectId(call_id)
        others = await CallParticipant.find(
            CallParticipant.call_session_id == id, In(CallParticipant.status, PRESENT)
        ).count()
        call = await CallSession.find_one(CallSession.id == id, projection_model=ModeOnly)
        mode = mode_with(others)
        await self._create_participant(id, user_id, "participant")
        if call is not None and call.mode != mode:
            switch = {CallSession.mode: mode, CallSession.updated_at: _now()}
            await CallSession.find_one(CallSession.id == id).set(switch)

    async def connected(self, call_id: str, user_id: str) -> None:
        await self._set_participant(call_id, user_id, {CallParticipant.status: "connected"})

    async def left(self, call_id: str, user_id: str) -> None:
        gone: dict[Any, Any] = {
            CallParticipant.status: "disconnected",
            CallParticipant.left_at: _now(),
        }
        await self._set_participant(call_id, user_id, gone)

    async def _set_participant(self, call_id: str, user_id: str, values: dict[Any, Any]) -> None:
        await CallParticipant.find_one(
            CallParticipant.call_session_id == PydanticObjectId(call_id),
            CallParticipant.user_id == PydanticObjectId(user_id),
        ).set({**values, CallParticipant.updated_at: _now()})

    async def end_call(self, call_id: str, ended_by: str) -> None:
        id = PydanticObjectId(call_id)
        call = await CallSession.find_one(CallSession.id == id, projection_model=StartOnly)
        started_at = call.started_at if call else None
        now = _now()
        ended = {
            CallSession.status: "ended",
            CallSession.ended_at: now,
            CallSession.duration: int((now - started_at).total_seconds()) if started_at else 0,
            CallSession.ended_by: PydanticObjectId(ended_by),
            CallSession.end_reason: "normal",
            CallSession.updated_at: now,
        }
        await CallSession.find_one(CallSession.id == id).set(ended)
        gone = {
            CallParticipant.status: "disconnected",
            CallParticipant.left_at: now,
            CallParticipant.updated_at: now,
        }
        await CallParticipant.find(
            CallParticipant.call_session_id == id, CallParticipant.status == "connected"
        ).set(gone)

    async def get(self, call_id: str) -> Found:
        id = PydanticObjectId(call_id)
        call = await CallSession.get(id)
        people = await CallParticipant.find(CallParticipant.call_session_id == id).to_list()
        return [(call, people)]

    async def history(self, conversation_id: str) -> Found:
        of = CallSession.find(CallSession.conversation_id == PydanticObjectId(conversation_id))
        calls = await of.sort("-createdAt").skip(0).limit(PAGE).to_list()
        ids = [call.id for call in calls]
        people = await CallParticipant.find(
            In(CallParticipant.call_session_id, ids), projection_model=Presence
        ).to_list()
        return _together(calls, people)

    async def current(self, user_id: str) -> Found:
        mine = CallParticipant.find(
            CallParticipant.user_id == PydanticObjectId(user_id),
            In(CallParticipant.status, PRESENT),
        )
        async for row in mine:
            call = await CallSession.find_one(
                CallSession.id == row.call_session_id, In(CallSession.status, LIVE)
            )
            if call is not None:
                present = CallParticipant.find(
                    CallParticipant.call_session_id == call.id, In(CallParticipant.status, PRESENT)
                )
                return [(call, await present.to_list())]
        return []

    async def live_in(self, conversation_id: str) -> Found:
        calls = await CallSession.find(
            CallSession.conversation_id == PydanticObjectId(conversation_id),
            CallSession.status == "active",
        ).to_list()
        ids = [call.id for call in calls]
        people = await CallParticipant.find(In(CallParticipant.call_session_id, ids)).to_list()
        return _together(calls, people)


def _together(calls: list[CallSession], people: list[Any]) -> Found:
    found: dict[Any, list[Any]] = {call.id: [] for call in calls}
    for row in people:
        found[row.call_session_id].append(row)
    return [(call, found[call.id]) for call in calls]


@asynccontextmanager
async def opened(url: str, database: str) -> AsyncIterator[Beanie]:
    async with AsyncMongoClient[dict[str, Any]](f"{url}/?{MAJORITY}", tz_aware=True) as client:
        await init_beanie(
            client[database], document_models=[CallSession, CallParticipant], skip_indexes=True
        )
        yield Beanie()
