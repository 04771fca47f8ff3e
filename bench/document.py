"""The document callstore began from, literally: its models, index list and sample queries.

SQLAlchemy 2's async ORM on aiosqlite. Each call of Prisma's client is a transaction of its own, as
it is with Prisma; updates are single statements. WAL and synchronous=FULL: the durability that
callstore has. The two unique indexes are as in the document: SQLite lets several nulls pass.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Index, UniqueConstraint, event, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from callstore.ids import id_maker

_new_id = id_maker()


def _now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON}


class CallSession(Base):
    __tablename__ = "CallSession"
    __table_args__ = tuple(
        Index(f"CallSession_{name}", name)
        for name in ("conversationId", "status", "createdAt", "mode", "initiatorId")
    )
    id: Mapped[str] = mapped_column(primary_key=True, default=_new_id)
    conversation_id: Mapped[str] = mapped_column("conversationId")
    mode: Mapped[str]
    status: Mapped[str] = mapped_column(default="initiated")
    type: Mapped[str]
    initiator_id: Mapped[str] = mapped_column("initiatorId")
    router_id: Mapped[str | None] = mapped_column("routerId")
    rtp_capabilities: Mapped[dict[str, Any] | None] = mapped_column("rtpCapabilities")
    settings: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column("createdAt", default=_now)
    started_at: Mapped[datetime | None] = mapped_column("startedAt")
    ended_at: Mapped[datetime | None] = mapped_column("endedAt")
    duration: Mapped[int | None]
    end_reason: Mapped[str | None] = mapped_column("endReason")
    ended_by: Mapped[str | None] = mapped_column("endedBy")
    updated_at: Mapped[datetime] = mapped_column("updatedAt", default=_now, onupdate=_now)


class CallParticipant(Base):
    __tablename__ = "CallParticipant"
    __table_args__ = (
        *(
            Index(f"CallParticipant_{name}", name)
            for name in ("callSessionId", "userId", "anonymousUserId", "status", "joinedAt")
        ),
        UniqueConstraint("callSessionId", "userId"),
        UniqueConstraint("callSessionId", "anonymousUserId"),
    )
    id: Mapped[str] = mapped_column(primary_key=True, default=_new_id)
    call_session_id: Mapped[str] = mapped_column("callSessionId")
    user_id: Mapped[str | None] = mapped_column("userId")
    anonymous_user_id: Mapped[str | None] = mapped_column("anonymousUserId")
    role: Mapped[str] = mapped_column(default="participant")
    status: Mapped[str] = mapped_column(default="connecting")
    joined_at: Mapped[datetime] = mapped_column("joinedAt", default=_now)
    left_at: Mapped[datetime | None] = mapped_column("leftAt")
    audio_enabled: Mapped[bool] = mapped_column("audioEnabled", default=True)
    video_enabled: Mapped[bool] = mapped_column("videoEnabled", default=True)
    screen_share_enabled: Mapped[bool] = mapped_column("screenShareEnabled", default=False)
    send_transport_id: Mapped[str | None] = mapped_column("sendTransportId")
    recv_transport_id: Mapped[str | None] = mapped_column("recvTransportId")
    audio_producer_id: Mapped[str | None] = mapped_column("audioProducerId")
    video_producer_id: Mapped[str | None] = mapped_column("videoProducerId")
    quality_metrics: Mapped[dict[str, Any] | None] = mapped_column("qualityMetrics")
    device_info: Mapped[dict[str, Any] | None] = mapped_column("deviceInfo")
    updated_at: Mapped[datetime] = mapped_column("updatedAt", default=_now, onupdate=_now)


class Document:
    """The document's functions."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._session = async_sessionmaker(engine, expire_on_commit=False)

    async def _create(self, row: Base) -> None:
        async with self._session.begin() as session:
            session.add(row)

    async def _run(self, statement: Any) -> Any:
        async with self._session.begin() as session:
            return await session.execute(statement)

    async def create_call(self, conversation_id: str, initiator_id: str) -> str:
        call = CallSession(
            conversation_id=conversation_id,
            initiator_id=initiator_id,
            mode="p2p",
            type="video",
            status="initiated",
            settings={"recordingEnabled": False, "transcriptionEnabled": True},
        )
        await self._create(call)
        await self._create_participant(call.id, initiator_id, "initiator")
        return call.id

    async def _create_participant(self, call_id: str, user_id: str, role: str) -> None:
        await self._create(
            CallParticipant(
                call_session_id=call_id,
                user_id=user_id,
                role=role,
                status="connecting",
                audio_enabled=True,
                video_enabled=True,
            )
        )

    async def join_call(self, call_id: str, user_id: str) -> None:
        live = CallParticipant.status.in_(["connecting", "connected"])
        count = select(func.count()).where(CallParticipant.call_session_id == call_id, live)
        seated = (await self._run(count)).scalar_one()
        mode = (await self._run(select(CallSession.mode).where(CallSession.id == call_id))).scalar()
        new_mode = "sfu" if seated + 1 >= 3 else "p2p"
        await self._create_participant(call_id, user_id, "participant")
        if mode != new_mode:
            switch = update(CallSession).where(CallSession.id == call_id).values(mode=new_mode)
            await self._run(switch)

    async def connected(self, call_id: str, user_id: str) -> None:
        await self._set_participant(call_id, user_id, status="connected")

    async def left(self, call_id: str, user_id: str) -> None:
        await self._set_participant(call_id, user_id, status="disconnected", left_at=_now())

    async def _set_participant(self, call_id: str, user_id: str, **values: Any) -> None:
        await self._run(
            update(CallParticipant)
            .where(CallParticipant.call_session_id == call_id, CallParticipant.user_id == user_id)
            .values(**values)
        )

    async def end_call(self, call_id: str, ended_by: str) -> None:
        find = select(CallSession.started_at).where(CallSession.id == call_id)
        started_at = (await self._run(find)).scalar()
        ended_at = _now()
        duration = int((ended_at - started_at).total_seconds()) if started_at else 0
        await self._run(
            update(CallSession)
            .where(CallSession.id == call_id)
            .values(
                status="ended",
                ended_at=ended_at,
                duration=duration,
                ended_by=ended_by,
                end_reason="normal",
            )
        )
        await self._run(
            update(CallParticipant)
            .where(
                CallParticipant.call_session_id == call_id, CallParticipant.status == "connected"
            )
            .values(status="disconnected", left_at=ended_at)
        )


@asynccontextmanager
async def opened(path: Path, connections: int) -> AsyncIterator[Document]:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        pool_size=connections,
        max_overflow=0,
        pool_timeout=120,
        connect_args={"timeout": 60},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _(db: Any, _record: object) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            db.execute(f"PRAGMA {pragma}").close()

    try:
        async with engine.begin() as db:
            await db.run_sync(Base.metadata.create_all)
        yield Document(engine)
    finally:
        await engine.dispose()
