"""A database to the letter of the document that callstore began from, written with plain PyMongo as
its sample code would with Prisma: each row with its defaults, some optional fields null and some
missing, its indexes by Prisma's names, and its TTL indexes."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING

Document = dict[str, Any]
BEGUN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)  # its TTL indexes are awake

INDEXES: dict[str, list[tuple[list[tuple[str, int]], dict[str, Any]]]] = {
    "CallSession": [
        *(([(f, 1)], {}) for f in ("conversationId", "status", "createdAt", "mode", "initiatorId")),
        ([("conversationId", 1), ("status", 1)], {}),
        ([("conversationId", 1), ("createdAt", 1)], {}),
        ([("initiatorId", 1), ("status", 1)], {}),
        ([("mode", 1), ("status", 1)], {}),
        (
            [("conversationId", 1), ("status", 1), ("createdAt", DESCENDING)],
            {"name": "conversationId_status_createdAt"},
        ),
        (
            [("endedAt", ASCENDING)],
            {"expireAfterSeconds": 7776000, "partialFilterExpression": {"status": "ended"}},
        ),
    ],
    "CallParticipant": [
        *(
            ([(f, 1)], {})
            for f in ("callSessionId", "userId", "anonymousUserId", "status", "joinedAt")
        ),
        *(
            ([(a, 1), (b, 1)], {})
            for a, b in (
                ("callSessionId", "status"),
                ("userId", "status"),
                ("anonymousUserId", "status"),
                ("callSessionId", "joinedAt"),
            )
        ),
    ],
    "CallTranscription": [
        *(
            ([(f, 1)], {})
            for f in ("callSessionId", "participantId", "timestamp", "language", "isFinal")
        ),
        *(
            ([(a, 1), (b, 1)], {})
            for a, b in (
                ("callSessionId", "timestamp"),
                ("callSessionId", "isFinal"),
                ("participantId", "language"),
            )
        ),
        ([("callSessionId", 1), ("isFinal", 1), ("timestamp", 1)], {}),
        ([("createdAt", ASCENDING)], {"expireAfterSeconds": 2592000}),
    ],
    "CallRecording": [
        ([("callSessionId", 1)], {"unique": True, "name": "CallRecording_callSessionId_key"}),
        *(([(f, 1)], {}) for f in ("status", "createdAt")),
        *(([(f, 1), ("status", 1)], {}) for f in ("callSessionId", "createdAt")),
    ],
    "CallAnalytics": [
        ([("callSessionId", 1)], {"unique": True, "name": "CallAnalytics_callSessionId_key"}),
        *(([(f, 1)], {}) for f in ("qualityScore", "analyzedAt")),
    ],
}


def make(db: Any) -> None:
    """The collections and their indexes, but for two."""
    for name, indexes in INDEXES.items():
        db.create_collection(name)
        for keys, options in indexes:
            db[name].create_index(keys, **options)


def make_unique(db: Any) -> None:
    """Two more, as they stand in the document. MongoDB takes a second null for a duplicate: whoever
    uses the document drops them, or has one user and one guest in a call."""
    for field in ("userId", "anonymousUserId"):
        name = f"CallParticipant_callSessionId_{field}_key"
        keys = [("callSessionId", 1), (field, 1)]
        db["CallParticipant"].create_index(keys, name=name, unique=True)


class Prisma:
    """The document's sample queries. `terse` leaves out what is null: so do rows that were written
    before a field was added, or by other code."""

    def __init__(self, db: Any, *, terse: bool = False) -> None:
        self.db = db
        self.now = BEGUN
        self.terse = terse

    def later(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    def insert(self, collection: str, fields: Document) -> Any:
        document = {"_id": ObjectId(), **fields}
        if self.terse:
            document = {name: value for name, value in document.items() if value is not None}
        self.db[collection].insert_one(document)
        return document["_id"]

    def create_call(self, conversation: Any, initiator: Any, **fields: Any) -> Any:
        call = self.insert(
            "CallSession",
            {
                "conversationId": conversation,
                "mode": "p2p",
                "status": "initiated",
                "type": "video",
                "initiatorId": initiator,
                "routerId": None,
                "rtpCapabilities": None,
                "settings": {"recordingEnabled": False, "transcriptionEnabled": True},
                "createdAt": self.now,
                "startedAt": None,
                "endedAt": None,
                "duration": None,
                "endReason": None,
                "endedBy": None,
                "updatedAt": self.now,
                **fields,
            },
        )
        self._participant(call, {"userId": initiator, "role": "initiator"})
        return call

    def join_call(self, call: Any, user: Any = None, guest: Any = None, **fields: Any) -> Any:
        live = {"callSessionId": call, "status": {"$in": ["connecting", "connected"]}}
        mode = "sfu" if self.db["CallParticipant"].count_documents(live) + 1 >= 3 else "p2p"
        joined = self._participant(call, {"userId": user, "anonymousUserId": guest, **fields})
        self._update("CallSession", call, {"mode": mode})
        return joined

    def _participant(self, call: Any, fields: Document) -> Any:
        return self.insert(
            "CallParticipant",
            {
                "callSessionId": call,
                "userId": None,
                "anonymousUserId": None,
                "role": "participant",
                "status": "connecting",
                "joinedAt": self.now,
                "leftAt": None,
                "audioEnabled": True,
                "videoEnabled": True,
                "screenShareEnabled": False,
                "sendTransportId": None,
                "recvTransportId": None,
                "audioProducerId": None,
                "videoProducerId": None,
                "qualityMetrics": None,
                "deviceInfo": None,
                "updatedAt": self.now,
                **fields,
            },
        )

    def connected(self, participant: Any, **fields: Any) -> None:
        self._update("CallParticipant", participant, {"status": "connected", **fields})

    def leave(self, participant: Any, status: str = "disconnected") -> None:
        self._update("CallParticipant", participant, {"status": status, "leftAt": self.now})

    def transcribe(self, call: Any, participant: Any, text: str, **fields: Any) -> Any:
        return self.insert(
            "CallTranscription",
            {
                "callSessionId": call,
                "participantId": participant,
                "text": text,
                "language": "en",
                "translations": {"fr": f"({text})"},
                "timestamp": self.now,
                "duration": None,
                "isFinal": True,
                "confidenceScore": 0.95,
                "source": "server",
                "processingTime": None,
                "createdAt": self.now,
                **fields,
            },
        )

    def record(self, call: Any, user: Any, **fields: Any) -> Any:
        return self.insert(
            "CallRecording",
            {
                "callSessionId": call,
                "fileUrl": "https://files.example/one.webm",
                "filePath": "calls/one.webm",
                "fileSize": 123_456,
                "duration": 30,
                "format": "webm",
                "status": "available",
                "quality": "hd",
                "startedAt": self.now,
                "stoppedAt": self.now + timedelta(seconds=30),
                "requestedBy": user,
                "deletedAt": None,
                "createdAt": self.now,
                "updatedAt": self.now,
                **fields,
            },
        )

    def analyse(self, call: Any, participant: Any, **fields: Any) -> Any:
        return self.insert(
            "CallAnalytics",
            {
                "callSessionId": call,
                "qualityScore": 81.5,
                "qualityMetrics": {
                    "avgPacketLoss": 0.5,
                    "avgJitter": 8,
                    "avgRtt": 45.5,
                    "avgBitrate": 850_000,
                },
                "participantMetrics": [
                    {"participantId": str(participant), "avgQuality": 81.5, "issues": []}
                ],
                "networkIssues": [
                    {
                        "timestamp": f"{self.now:%Y-%m-%dT%H:%M:%S}.000Z",
                        "type": "high_packet_loss",
                        "severity": "major",
                        "participantId": str(participant),
                    }
                ],
                "eventTimeline": None,
                "totalDataSent": 10_000_000_000,
                "totalDataReceived": 9_000_000_000,
                "peakParticipants": 2,
                "modeSwitchCount": 0,
                "analyzedAt": self.now,
                "createdAt": self.now,
                "updatedAt": self.now,
                **fields,
            },
        )

    def end_call(self, call: Any, user: Any) -> None:
        found = self.db["CallSession"].find_one({"_id": call})
        started = found.get("startedAt")
        seconds = int((self.now - started.replace(tzinfo=UTC)).total_seconds()) if started else 0
        ended = {"status": "ended", "endedAt": self.now, "endReason": "normal"}
        self._update("CallSession", call, {**ended, "duration": seconds, "endedBy": user})
        self.db["CallParticipant"].update_many(
            {"callSessionId": call, "status": "connected"},
            {"$set": {"status": "disconnected", "leftAt": self.now, "updatedAt": self.now}},
        )

    def anonymise(self, user: Any) -> None:
        nothing = {"userId": None, "deviceInfo": None, "qualityMetrics": None}
        self.db["CallParticipant"].update_many(
            {"userId": user}, {"$set": {**nothing, "updatedAt": self.now}}
        )

    def _update(self, collection: str, id: Any, fields: Document) -> None:
        self.db[collection].update_one({"_id": id}, {"$set": {**fields, "updatedAt": self.now}})
