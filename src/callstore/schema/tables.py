"""The one declaration of what is stored: collections, their fields, keys, indexes and rules.

Fields, enumerations and ranges come from the Structs of the models; what stands here is what a
Struct cannot say. Both stores build their schema from it: SQLite tables, MongoDB collections.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from callstore.calls.model import Call, Event, LogEntry, Participant, Pulse
from callstore.ids import Id
from callstore.quality.model import Analytics, Sample
from callstore.schema.model import Lease, SchemaStep
from callstore.validation import JSON_BYTES

Kind = Literal["id", "text", "time", "int", "real", "bool", "json"]

_ID_PATTERN = Id.__metadata__[0].pattern  # type: ignore[attr-defined]

PRESENT = object()
"""In the condition of a partial index: the field is not null."""


class Field(Struct, frozen=True, kw_only=True):
    name: str  # outside: camelCase
    attribute: str  # in Python
    kind: Kind
    nullable: bool
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    type: Any = None  # for kind json: what it decodes to


class Rule(Struct, frozen=True, kw_only=True):
    """What must hold within a row, beyond each field's own range."""

    name: str
    sql: str


class Index(Struct, frozen=True, kw_only=True):
    """`where` makes it partial: field -> a value, None (is null) or PRESENT (is not null)."""

    name: str
    fields: tuple[str, ...]
    serves: str
    unique: bool = False
    where: dict[str, Any] = {}


class Collection(Struct, frozen=True, kw_only=True, eq=False):
    """`key` is SQLite's primary key; rows lie in its order where `clustered`. `guard` is the field
    by which a writer sees that another was faster. `shard` is what a cluster shards it by: every
    unique index begins with it.
    """

    name: str
    row: type[Struct]
    fields: tuple[Field, ...]
    key: tuple[str, ...] = ("id",)
    clustered: bool = False
    of_call: bool = True  # has conversationId and callSessionId, and goes with its call
    indexes: tuple[Index, ...] = ()
    rules: tuple[Rule, ...] = ()
    guard: str | None = None
    shard: tuple[str, ...] = ("conversationId",)


def _collection(
    name: str, row: type[Struct], *, derived: tuple[str, ...] = (), **rest: Any
) -> Collection:
    info = msgspec.inspect.type_info(row)
    assert isinstance(info, msgspec.inspect.StructType)
    types = {f.name: f.type for f in msgspec.structs.fields(row)}
    fields = tuple(
        _field(field, types[field.name]) for field in info.fields if field.name not in derived
    )
    # Codecs take the first values of a row: what is derived stands at its end.
    assert [field.name for field in info.fields[len(fields) :]] == list(derived)
    return Collection(name=name, row=row, fields=fields, **rest)


def _field(field: msgspec.inspect.Field, annotation: Any) -> Field:
    type_, nullable = field.type, False
    if isinstance(type_, msgspec.inspect.UnionType):
        options = [t for t in type_.types if not isinstance(t, msgspec.inspect.NoneType)]
        nullable = len(options) < len(type_.types)
        type_ = options[0]
    known: dict[str, Any] = {}
    kind: Kind = "json"
    match type_:
        case msgspec.inspect.DateTimeType():
            kind = "time"
        case msgspec.inspect.BoolType():
            kind = "bool"
        case msgspec.inspect.FloatType(ge=low, le=high):
            kind, known = "real", {"low": low, "high": high}
        case msgspec.inspect.IntType(ge=low, le=high):
            kind, known = "int", {"low": low, "high": high}
        case msgspec.inspect.LiteralType(values=values):
            kind, known = "text", {"choices": values}
        case msgspec.inspect.StrType(pattern=pattern) if pattern == _ID_PATTERN:
            kind = "id"
        case msgspec.inspect.StrType(min_length=low, max_length=high):
            kind, known = "text", {"low": low, "high": high}
        case msgspec.inspect.AnyType():
            nullable = True
    return Field(
        name=field.encode_name,
        attribute=field.name,
        kind=kind,
        nullable=nullable,
        type=annotation,
        **known,
    )


_EXACTLY_ONE_PARTY = Rule(
    name="exactlyOneParty",
    sql="(userId IS NULL) + (anonymousUserId IS NULL) = 1"
    " OR (userId IS NULL AND anonymousUserId IS NULL AND anonymizedAt IS NOT NULL)",
)
_OF_CALL = ("conversationId", "callSessionId")

CALL = _collection(
    "CallSession",
    Call,
    derived=("outcome", "participants", "names"),
    of_call=False,
    guard="version",
    rules=(
        Rule(name="liveStatus", sql="live = (status IN ('initiated', 'ringing', 'active'))"),
        Rule(name="liveUntilEnded", sql="live = (endedAt IS NULL)"),
        Rule(
            name="noMoreThanSeats",
            sql="liveCount <= peakParticipants AND peakParticipants <= maxParticipants",
        ),
        Rule(
            name="rtpCapabilitiesSize",
            sql=f"rtpCapabilities IS NULL OR length(CAST(rtpCapabilities AS BLOB)) <= {JSON_BYTES}",
        ),
    ),
    indexes=(
        Index(
            name="CallSession_call",
            fields=("conversationId", "id"),
            unique=True,
            serves="the rows of a call refer to their call",
        ),
        Index(
            name="CallSession_oneLive",
            fields=("conversationId",),
            unique=True,
            where={"live": True},
            serves="one live call per conversation; live_in; the sweep's walk over live calls",
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
    ),
)

PARTICIPANT = _collection(
    "CallParticipant",
    Participant,
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

PULSE = _collection(
    "CallPulse",
    Pulse,
    key=(*_OF_CALL, "id"),
    clustered=True,
    guard="seenAt",
)

LOG_ENTRY = _collection(
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

EVENT = _collection(
    "CallEvent",
    Event,
    key=(*_OF_CALL, "seq"),
    clustered=True,
)

SAMPLE = _collection(
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
    ),
)

ANALYTICS = _collection("CallAnalytics", Analytics, key=_OF_CALL)

LEASE = _collection("CallLease", Lease, of_call=False, shard=())
SCHEMA = _collection("CallSchema", SchemaStep, of_call=False, shard=())

COLLECTIONS: tuple[Collection, ...] = (
    CALL,
    PARTICIPANT,
    PULSE,
    LOG_ENTRY,
    EVENT,
    SAMPLE,
    ANALYTICS,
    LEASE,
    SCHEMA,
)
