"""Every method that takes what comes from outside, and arguments that it takes."""

import datetime as dt
from typing import Any

from msgspec import UNSET

from callstore.testing.contract.quality import report_at
from callstore.testing.contract.world import ANN, BOB, EVE, HALL, ROOM

EDGES = dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2099, 12, 31, tzinfo=dt.UTC)
THEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PAGE = {"limit": 5, "cursor": None, "offset": 0, "outcome": None, "type": None}
SPAN = {"since": None, "until": None}


class Silence:
    """A stream that has ended."""

    def __aiter__(self) -> "Silence":
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration


GOOD: dict[str, dict[str, Any]] = {
    "start": {
        "conversation_id": HALL,
        "initiator": ANN,
        "invite": [BOB],
        "type": "video",
        "settings": None,
        "max_participants": 50,
        "sfu": True,
        "end_when": None,
        "ring_seconds": 60,
        "call_id": None,
    },
    "ring": {"call_id": ROOM},
    "expire": {"call_id": ROOM},
    "cancel": {"call_id": ROOM, "by": ANN},
    "join": {
        "call_id": ROOM,
        "party": BOB,
        "answer": True,
        "device": None,
        "audio": True,
        "video": None,
        "screen": False,
    },
    "connected": {"call_id": ROOM, "party": BOB},
    "failed": {"call_id": ROOM, "party": BOB},
    "leave": {"call_id": ROOM, "party": BOB},
    "decline": {"call_id": ROOM, "party": BOB},
    "heartbeat": {"call_id": ROOM, "party": BOB},
    "end": {"call_id": ROOM, "by": None, "reason": "normal"},
    "set_media": {"call_id": ROOM, "party": BOB, "audio": UNSET, "video": UNSET, "screen": UNSET},
    "set_transports": {
        "call_id": ROOM,
        "party": BOB,
        "send_transport_id": UNSET,
        "recv_transport_id": UNSET,
        "audio_producer_id": UNSET,
        "video_producer_id": UNSET,
    },
    "set_router": {"call_id": ROOM, "router_id": UNSET, "rtp_capabilities": UNSET},
    "get": {"call_id": ROOM},
    "live_in": {"conversation_id": ROOM},
    "current": {"party": ANN},
    "history": {"conversation_id": ROOM, **PAGE, **SPAN, "party": None, "min_duration": None},
    "log": {"party": ANN, **PAGE, **SPAN, "direction": None, "response": None, "unseen": False},
    "unseen": {"party": ANN},
    "mark_seen": {"party": ANN, "call_ids": None},
    "hide": {"party": ANN, "call_ids": None},
    "timeline": {"call_id": ROOM, "after": 0, "limit": None},
    "state_at": {"call_id": ROOM, "at": THEN},
    "sweep": {"now": None},
    "quality.report": {"call_id": ROOM, "party": ANN, "report": report_at(THEN, 5), "at": None},
    "quality.analyse": {"call_id": ROOM},
    "quality.get": {"call_id": ROOM},
    "captions.add": {
        "call_id": ROOM,
        "party": ANN,
        "segment_id": "1",
        "text": "hello",
        "language": "en",
        "is_final": True,
        "revision": 0,
        "timestamp": None,
        "duration": None,
        "confidence": None,
        "source": "client",
        "processing_time": None,
        "translations": None,
    },
    "captions.add_many": {
        "call_id": ROOM,
        "party": ANN,
        "segments": [{"segment_id": "2", "text": "hello", "language": "en"}],
    },
    "captions.translate": {"caption_id": ROOM, "language": "fr", "text": "salut"},
    "captions.delete": {"caption_id": ROOM, "by": None},
    "captions.list": {"call_id": ROOM, "final": True, "cursor": None, "limit": 20},
    "captions.search": {
        "query": "hello",
        "call_id": None,
        "conversation_id": ROOM,
        "party": None,
        "cursor": None,
        "limit": 20,
    },
    "recordings.start": {
        "call_id": ROOM,
        "requested_by": ANN,
        "format": "webm",
        "quality": "hd",
    },
    "recordings.stop": {"recording_id": ROOM},
    "recordings.fail": {"recording_id": ROOM, "reason": "the encoder died"},
    "recordings.get": {"recording_id": ROOM},
    "recordings.list": {"call_id": ROOM},
    "recordings.put": {
        "recording_id": ROOM,
        "stream": Silence(),
        "size": None,
        "sha256": None,
        "content_type": None,
    },
    "recordings.open": {"recording_id": ROOM, "start": 0, "end": None, "by": None},
    "recordings.url": {"recording_id": ROOM, "expires": 300, "by": None},
    "recordings.linked": {"url": "/recordings/"},
    "recordings.delete": {"recording_id": ROOM, "by": None},
    "privacy.export": {"party": ANN, "format": "json", "by": None},
    "privacy.erase": {
        "party": EVE,
        "mode": "anonymise",
        "recordings": "requested",
        "dry_run": True,
        "by": None,
    },
    "privacy.delete_guest": {"guest_id": ROOM, "dry_run": True, "by": None},
    "privacy.delete_conversation": {"conversation_id": HALL, "dry_run": True, "by": None},
    "privacy.receipts": {"party": None},
    "holds.place": {
        "call_id": None,
        "conversation_id": None,
        "party": EVE,
        "reason": "case 4711",
        "by": None,
        "until": None,
    },
    "holds.release": {"hold_id": ROOM, "by": None},
    "holds.list": {"call_id": None, "conversation_id": None, "party": None, "released": False},
    "retention.plan": {"now": None},
    "retention.run": {"plan": None, "by": None},
    "audit.list": {"since": None, "action": None, "party": None, "cursor": None, "limit": 20},
    "captions.export": {"call_id": ROOM, "format": "vtt", "language": None},
}
