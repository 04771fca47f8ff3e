"""The one declaration of what is stored: collections, their fields, keys, indexes and rules.

Both stores build their schema from it: SQLite tables, MongoDB collections.
"""

from callstore.calls.model import LIVE_STATUSES, Call, Event, LogEntry, Participant, Pulse
from callstore.captions.model import Caption
from callstore.quality.model import Analytics, Sample
from callstore.recordings.model import Recording
from callstore.schema.declaration import PRESENT, Collection, Index, Rule, collection, expiry
from callstore.schema.model import Lease, SchemaStep
from callstore.schema.papers import AUDIT, ERASURE, HOLD
from callstore.validation import JSON_BYTES

_EXACTLY_ONE_PARTY = Rule(
    name="exactlyOneParty",
    sql="(userId IS NULL) + (anonymousUserId IS NULL) = 1"
    " OR (userId IS NULL AND anonymousUserId IS NULL AND anonymizedAt IS NOT NULL)",
    mongo={
        "$or": [
            {"userId": {"$type": "objectId"}, "anonymousUserId": None},
            {"userId": None, "anonymousUserId": {"$type": "objectId"}},
            {"userId": None, "anonymousUserId": None, "anonymizedAt": {"$type": "date"}},
        ]
    },
)
_OF_CALL = ("conversationId", "callSessionId")

CALL = collection(
    "CallSession",
    Call,
    derived=("outcome", "participants", "names"),
    of_call=False,
    guard="version",
    coming=("horizons",),
    rules=(
        Rule(
            name="liveStatus",
            sql="live = (status IN ('initiated', 'ringing', 'active'))",
            mongo={"$expr": {"$eq": ["$live", {"$in": ["$status", [*LIVE_STATUSES]]}]}},
        ),
        Rule(
            name="liveUntilEnded",
            sql="live = (endedAt IS NULL)",
            mongo={"$expr": {"$eq": ["$live", {"$eq": ["$endedAt", None]}]}},
        ),
        Rule(
            name="noMoreThanSeats",
            sql="liveCount <= peakParticipants AND peakParticipants <= maxParticipants",
            mongo={
                "$expr": {
                    "$and": [
                        {"$lte": ["$liveCount", "$peakParticipants"]},
                        {"$lte": ["$peakParticipants", "$maxParticipants"]},
                    ]
                }
            },
        ),
        Rule(
            name="rtpCapabilitiesSize",
            sql=f"rtpCapabilities IS NULL OR length(CAST(rtpCapabilities AS BLOB)) <= {JSON_BYTES}",
            # A list of digits takes 2 bytes an entry in JSON, and up to 13 in BSON.
            mongo={"$expr": {"$lte": [{"$bsonSize": {"v": "$rtpCapabilities"}}, 8 * JSON_BYTES]}},
        ),
    ),
    indexes=(
        Index(
            name="CallSession_call",
            fields=("conversationId", "id"),
            unique=True,
            serves="the rows of a call refer to their call",
            only="sqlite",
        ),
        Index(
            name="CallSession_oneLive",
            fields=("conversationId",),
            unique=True,
            where={"live": True},
            serves="one live call per conversation; live_in; the sweep's walk over live calls;"
            " whether anyone is in a call",
        ),
        Index(
            name="CallSession_history",
            fields=("conversationId", "createdAt", "id"),
            serves="history of a conversation, by cursor",
        ),
        Index(
            name="CallSession_ringDeadline",
            fields=("ringDeadline",),
            where={"live": True, "ringDeadline": PRESENT},
            serves="sweep: calls that have rung out",
        ),
        Index(
            name="CallSession_fewSince",
            fields=("fewSince",),
            where={"live": True, "mode": "sfu", "fewSince": PRESENT},
            serves="sweep: calls to bring back to p2p",
        ),
        Index(
            name="CallSession_horizons",
            fields=("horizons", "expiresAt"),
            where={"live": False},
            serves="sweep: ended calls whose rows are not stamped, or by other horizons;"
            " retention: those that are kept by a hold",
        ),
        expiry("CallSession"),
    ),
)

PARTICIPANT = collection(
    "CallParticipant",
    Participant,
    native=("stints",),
    key=(*_OF_CALL, "id"),
    rules=(_EXACTLY_ONE_PARTY,),
    indexes=(
        Index(
            name="CallParticipant_user",
            fields=(*_OF_CALL, "userId"),
            unique=True,
            where={"userId": PRESENT},
            serves="one row per user and call; a command's own row",
        ),
        Index(
            name="CallParticipant_guest",
            fields=(*_OF_CALL, "anonymousUserId"),
            unique=True,
            where={"anonymousUserId": PRESENT},
            serves="one row per guest and call; a command's own row",
        ),
        Index(
            name="CallParticipant_userLive",
            fields=("userId",),
            where={"userId": PRESENT, "leftAt": None},
            serves="current call of a user",
        ),
        Index(
            name="CallParticipant_guestLive",
            fields=("anonymousUserId",),
            where={"anonymousUserId": PRESENT, "leftAt": None},
            serves="current call of a guest",
        ),
    ),
)

PULSE = collection(
    "CallPulse",
    Pulse,
    key=(*_OF_CALL, "id"),
    clustered=True,
    guard="seenAt",
)

LOG_ENTRY = collection(
    "CallLogEntry",
    LogEntry,
    derived=("outcome",),
    key=(*_OF_CALL, "id"),
    clustered=True,
    shard=("party",),
    rules=(
        _EXACTLY_ONE_PARTY,
        Rule(
            name="partyOfItsColumns",
            sql="party IS coalesce('u:' || userId, 'g:' || anonymousUserId)",
            mongo={
                "$expr": {
                    "$eq": [
                        "$party",
                        {
                            "$ifNull": [
                                {"$concat": ["u:", {"$toString": "$userId"}]},
                                {"$concat": ["g:", {"$toString": "$anonymousUserId"}]},
                                None,
                            ]
                        },
                    ]
                }
            },
        ),
    ),
    indexes=(
        Index(
            name="CallLogEntry_party",
            fields=("party", "callSessionId"),
            unique=True,
            where={"party": PRESENT},
            serves="one entry per party and call; a command's own entry",
        ),
        Index(
            name="CallLogEntry_log",
            fields=("party", "createdAt", "id"),
            where={"hiddenAt": None},
            serves="a party's log, by cursor",
        ),
        Index(
            name="CallLogEntry_conversation",
            fields=("party", "conversationId", "createdAt", "id"),
            serves="history of a conversation with a party; all entries of a party",
        ),
        Index(
            name="CallLogEntry_unseen",
            fields=("party", "createdAt", "id"),
            where={"direction": "incoming", "response": "missed", "seenAt": None, "hiddenAt": None},
            serves="a party's unseen missed calls and their count",
        ),
    ),
)

EVENT = collection(
    "CallEvent",
    Event,
    key=(*_OF_CALL, "seq"),
    clustered=True,
)

SAMPLE = collection(
    "CallQualitySample",
    Sample,
    key=(*_OF_CALL, "participantId", "at", "id"),
    clustered=True,
    indexes=(
        Index(
            name="CallQualitySample_new",
            fields=_OF_CALL,
            where={"analysed": False},
            serves="sweep: ended calls with samples that no analysis has seen",
        ),
        expiry("CallQualitySample"),
    ),
)

ANALYTICS = collection(
    "CallAnalytics", Analytics, wide=("total_data_sent", "total_data_received"), key=_OF_CALL
)

CAPTION = collection(
    "CallTranscription",
    Caption,
    key=(*_OF_CALL, "participantId", "segmentId"),
    numbered="timestamp",
    indexes=(
        Index(
            name="CallTranscription_id",
            fields=("id",),
            only="sqlite",
            serves="a caption by its id",
        ),
        Index(
            name="CallTranscription_spoken",
            fields=(*_OF_CALL, "timestamp", "id", "isFinal"),
            serves="a call's captions in the order of speaking, by cursor; search in a call",
        ),
        Index(
            name="CallTranscription_words",
            fields=("conversationId", "words", "timestamp", "id"),
            words="words",
            serves="search in a conversation, or in a party's",
        ),
        expiry("CallTranscription"),
    ),
)

RECORDING = collection(
    "CallRecording",
    Recording,
    wide=("file_size",),
    key=(*_OF_CALL, "id"),
    owns=True,
    ttl=False,  # a row goes after its file
    indexes=(
        Index(
            name="CallRecording_running",
            fields=_OF_CALL,
            unique=True,
            where={"status": "recording"},
            serves="one running recording per call",
        ),
        Index(
            name="CallRecording_id",
            fields=("id",),
            only="sqlite",
            serves="a recording by its id",
        ),
        Index(
            name="CallRecording_processing",
            fields=("stoppedAt",),
            where={"status": "processing"},
            serves="sweep: recordings that got no file for a day",
        ),
        Index(
            name="CallRecording_underway",
            fields=("underway",),
            where={"underway": PRESENT},
            serves="sweep: uploads and deletions that were cut off",
        ),
        expiry("CallRecording", ttl=False),
    ),
)

LEASE = collection("CallLease", Lease, coming=("token",), of_call=False, shard=(), ttl=False)
SCHEMA = collection("CallSchema", SchemaStep, of_call=False, shard=(), ttl=False)

PREFIX = "Call"
"""Every name begins with it: nothing else of a database that is shared is looked at."""

KEPT: tuple[Collection, ...] = (
    CALL,
    PARTICIPANT,
    PULSE,
    LOG_ENTRY,
    EVENT,
    SAMPLE,
    ANALYTICS,
    CAPTION,
    RECORDING,
    HOLD,
    ERASURE,
    AUDIT,
)
APART = (LEASE, SCHEMA)
"""Of the database itself: who works on it, and which schema it has."""
COLLECTIONS = (*KEPT, *APART)
BY_NAME = {collection.name: collection for collection in COLLECTIONS}
