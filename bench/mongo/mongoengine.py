"""The document's models and sample queries on MongoEngine.

It knows no asyncio: each function runs in a thread of its own, as a service would let it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import mongoengine as me  # type: ignore[import-untyped]
from bson import ObjectId

from bench.mix import CALLERS
from bench.mongo.peer import LIVE, MAJORITY, PAGE, PRESENT, SETTINGS, Found, mode_with

T = TypeVar("T")


def _now() -> datetime:
    return datetime.now(UTC)


class CallSession(me.Document):  # type: ignore[misc]
    meta = {"collection": "CallSession", "auto_create_index": False}
    conversation_id = me.ObjectIdField(required=True, db_field="conversationId")
    mode = me.StringField(required=True)
    status = me.StringField(required=True, default="initiated")
    type = me.StringField(required=True)
    initiator_id = me.ObjectIdField(required=True, db_field="initiatorId")
    router_id = me.StringField(db_field="routerId")
    rtp_capabilities = me.DynamicField(db_field="rtpCapabilities")
    settings = me.DynamicField()
    created_at = me.DateTimeField(required=True, default=_now, db_field="createdAt")
    started_at = me.DateTimeField(db_field="startedAt")
    ended_at = me.DateTimeField(db_field="endedAt")
    duration = me.IntField()
    end_reason = me.StringField(db_field="endReason")
    ended_by = me.ObjectIdField(db_field="endedBy")
    updated_at = me.DateTimeField(required=True, default=_now, db_field="updatedAt")


class CallParticipant(me.Document):  # type: ignore[misc]
    meta = {"collection": "CallParticipant", "auto_create_index": False}
    call_session_id = me.ObjectIdField(required=True, db_field="callSessionId")
    user_id = me.ObjectIdField(db_field="userId")
    anonymous_user_id = me.ObjectIdField(db_field="anonymousUserId")
    role = me.StringField(required=True, default="participant")
    status = me.StringField(required=True, default="connecting")
    joined_at = me.DateTimeField(required=True, default=_now, db_field="joinedAt")
    left_at = me.DateTimeField(db_field="leftAt")
    audio_enabled = me.BooleanField(required=True, default=True, db_field="audioEnabled")
    video_enabled = me.BooleanField(required=True, default=True, db_field="videoEnabled")
    screen_share_enabled = me.BooleanField(
        required=True, default=False, db_field="screenShareEnabled"
    )
    send_transport_id = me.StringField(db_field="sendTransportId")
    recv_transport_id = me.StringField(db_field="recvTransportId")
    audio_producer_id = me.StringField(db_field="audioProducerId")
    video_producer_id = me.StringField(db_field="videoProducerId")
    quality_metrics = me.DynamicField(db_field="qualityMetrics")
    device_info = me.DynamicField(db_field="deviceInfo")
    updated_at = me.DateTimeField(required=True, default=_now, db_field="updatedAt")


def _create_call(conversation_id: str, initiator_id: str) -> str:
    call = CallSession(
        conversation_id=ObjectId(conversation_id),
        initiator_id=ObjectId(initiator_id),
        mode="p2p",
        type="video",
        status="initiated",
        settings=SETTINGS,
    ).save()
    _create_participant(call.id, initiator_id, "initiator")
    return str(call.id)


def _create_participant(call_id: ObjectId, user_id: str, role: str) -> None:
    CallParticipant(
        call_session_id=call_id,
        user_id=ObjectId(user_id),
        role=role,
        status="connecting",
        audio_enabled=True,
        video_enabled=True,
    ).save()


def _join_call(call_id: str, user_id: str) -> None:
    id = ObjectId(call_id)
    others = CallParticipant.objects(call_session_id=id, status__in=PRESENT).count()
    call = CallSession.objects(id=id).only("mode").first()
    mode = mode_with(others)
    _create_participant(id, user_id, "participant")
    if call.mode != mode:
        CallSession.objects(id=id).update_one(set__mode=mode, set__updated_at=_now())


def _set_participant(call_id: str, user_id: str, **values: Any) -> None:
    row = CallParticipant.objects(call_session_id=ObjectId(call_id), user_id=ObjectId(user_id))
    row.update_one(set__updated_at=_now(), **values)


def _end_call(call_id: str, ended_by: str) -> None:
    id = ObjectId(call_id)
    started_at = CallSession.objects(id=id).only("started_at").first().started_at
    now = _now()
    CallSession.objects(id=id).update_one(
        set__status="ended",
        set__ended_at=now,
        set__duration=int((now - started_at).total_seconds()) if started_at else 0,
        set__ended_by=ObjectId(ended_by),
        set__end_reason="normal",
        set__updated_at=now,
    )
    CallParticipant.objects(call_session_id=id, status="connected").update(
        set__status="disconnected", set__left_at=now, set__updated_at=now
    )


def _get(call_id: str) -> Found:
    call = CallSession.objects(id=ObjectId(call_id)).first()
    return [(call, list(CallParticipant.objects(call_session_id=call.id)))]


def _history(conversation_id: str) -> Found:
    of = CallSession.objects(conversation_id=ObjectId(conversation_id))
    calls = list(of.order_by("-created_at").skip(0).limit(PAGE))
    people = CallParticipant.objects(call_session_id__in=[call.id for call in calls]).only(
        "call_session_id", "user_id", "anonymous_user_id", "joined_at", "left_at"
    )
    return _together(calls, people)


def _current(user_id: str) -> Found:
    for row in CallParticipant.objects(user_id=ObjectId(user_id), status__in=PRESENT):
        id = row.call_session_id
        if call := CallSession.objects(id=id, status__in=LIVE).first():
            return [(call, list(CallParticipant.objects(call_session_id=id, status__in=PRESENT)))]
    return []


def _live_in(conversation_id: str) -> Found:
    live = CallSession.objects(conversation_id=ObjectId(conversation_id), status="active")
    calls = list(live)
    ids = [call.id for call in calls]
    return _together(calls, CallParticipant.objects(call_session_id__in=ids))


def _together(calls: list[Any], people: Any) -> Found:
    found: dict[Any, list[Any]] = {call.id: [] for call in calls}
    for row in people:
        found[row.call_session_id].append(row)
    return [(call, found[call.id]) for call in calls]


class MongoEngine:
    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads

    async def _in_a_thread(self, function: Callable[..., T], *arguments: str) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def create_call(self, conversation_id: str, initiator_id: str) -> str:
        return await self._in_a_thread(_create_call, conversation_id, initiator_id)

    async def join_call(self, call_id: str, user_id: str) -> None:
        await self._in_a_thread(_join_call, call_id, user_id)

    async def connected(self, call_id: str, user_id: str) -> None:
        def connect(call_id: str, user_id: str) -> None:
            _set_participant(call_id, user_id, set__status="connected")

        await self._in_a_thread(connect, call_id, user_id)

    async def left(self, call_id: str, user_id: str) -> None:
        def leave(call_id: str, user_id: str) -> None:
            gone = {"set__status": "disconnected", "set__left_at": _now()}
            _set_participant(call_id, user_id, **gone)

        await self._in_a_thread(leave, call_id, user_id)

    async def end_call(self, call_id: str, ended_by: str) -> None:
        await self._in_a_thread(_end_call, call_id, ended_by)

    async def get(self, call_id: str) -> Found:
        return await self._in_a_thread(_get, call_id)

    async def history(self, conversation_id: str) -> Found:
        return await self._in_a_thread(_history, conversation_id)

    async def current(self, user_id: str) -> Found:
        return await self._in_a_thread(_current, user_id)

    async def live_in(self, conversation_id: str) -> Found:
        return await self._in_a_thread(_live_in, conversation_id)


@asynccontextmanager
async def opened(url: str, database: str) -> AsyncIterator[MongoEngine]:
    me.connect(db=database, host=f"{url}/?{MAJORITY}", tz_aware=True, uuidRepresentation="standard")
    try:
        with ThreadPoolExecutor(CALLERS) as threads:
            yield MongoEngine(threads)
    finally:
        me.disconnect()
