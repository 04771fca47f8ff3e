"""Rows of every collection, written by callstore."""

from typing import Any

from tests.stores.filling import papers

from callstore import Calls
from callstore.calls.model import Call
from callstore.captions.model import Caption
from callstore.recordings.model import Recording
from callstore.testing.clock import FakeClock
from callstore.testing.contract.quality import report_at
from callstore.testing.data import chosen_id, conversation, guest, user

Rows = dict[str, list[dict[str, Any]]]


async def write(calls: Calls, clock: FakeClock) -> None:
    await calls.seed(100)
    await _a_live_call(calls)
    call = await _a_call(calls, clock)
    await calls._store.add_rows(
        {
            "CallTranscription": [_caption(call, number) for number in (1, 2)],
            "CallRecording": [_recording(call, number) for number in (1, 2)],
            **papers(call.created_at),
        }
    )
    await calls.retention.run(by="ann")


async def _a_live_call(calls: Calls) -> None:
    """With what is there only while somebody is in it."""
    call = await calls.start(conversation(2), user(3))
    transports = {"send_transport_id": "s", "recv_transport_id": "r"}
    producers = {"audio_producer_id": "a", "video_producer_id": "v"}
    await calls.set_transports(call.id, user(3), **transports, **producers)


async def _a_call(calls: Calls, clock: FakeClock) -> Call:
    """With a user and a guest, and everything that a host may say of them."""
    device = {"browser": "Firefox", "os": "Linux", "deviceType": "desktop"}
    settings = {"recordingEnabled": True, "transcriptionEnabled": None}
    call = await calls.start(
        conversation(1), user(1), invite=[guest(1), user(2)], settings=settings, type="audio"
    )
    await calls.join(call.id, guest(1), device=device)
    await calls.connected(call.id, guest(1))
    await calls.set_router(call.id, router_id="router", rtp_capabilities={"codecs": [{"pt": 111}]})
    for number in range(1, 8):
        clock.advance(5)
        report = report_at(clock(), 100 * number, lost=number)
        await calls.quality.report(call.id, guest(1), report)
    await calls.leave(call.id, guest(1))
    await calls.join(call.id, guest(1))
    ended = await calls.end(call.id, by=user(1))
    await calls.quality.analyse(call.id)
    return await calls.get(ended.id)


def _caption(call: Call, number: int) -> Caption:
    assert call.participants is not None
    return Caption(
        id=chosen_id(100 + number),
        conversation_id=call.conversation_id,
        call_session_id=call.id,
        participant_id=call.participants[number - 1].id,
        segment_id=f"s{number}",
        text="hello 🎉",
        language="en",
        translations={"fr": "bonjour"} if number > 1 else None,
        timestamp=call.created_at,
        confidence_score=0.5,
        processing_time=40,
        words=["hello"],
        created_at=call.created_at,
    )


def _recording(call: Call, number: int) -> Recording:
    return Recording(
        id=chosen_id(200 + number),
        conversation_id=call.conversation_id,
        call_session_id=call.id,
        file_path="calls/one.webm",
        file_size=3 * 2**30 if number > 1 else 1000,
        status="available" if number > 1 else "processing",
        started_at=call.created_at,
        requested_by=call.initiator_id,
        requested_by_kind=call.initiator_kind,
        created_at=call.created_at,
        updated_at=call.created_at,
        sha256="ab" * 32,
    )
