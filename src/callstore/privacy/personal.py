"""Where a person is in what is kept: the one list that erasure, the docs and the search for
forgotten fields go by. Pure.

Whatever a declared field can hold that names or describes a person stands here.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

Effect = Literal["row deleted", "null", "zeros", "kept"]
Mode = Literal["anonymise", "delete"]
Effects = tuple[Effect, Effect]
"""Of anonymise, of delete."""
Section = Literal[
    "logEntries",
    "participations",
    "calls",
    "events",
    "captions",
    "recordings",
    "samples",
    "audit",
]


class Personal(Struct, frozen=True):
    """Fields of a collection that say `what` of a person, why they are kept, what an erasure does
    to them, and the section of an export that has them."""

    collection: str
    fields: tuple[str, ...]
    what: str
    purpose: str
    effects: Effects
    export: Section | None


_WITH_ROW: Effects = ("null", "row deleted")
_ROW: Effects = ("row deleted", "row deleted")
_NULL: Effects = ("null", "null")
_ZEROS: Effects = ("zeros", "zeros")
_KEPT: Effects = ("kept", "kept")


def _of(collection: str, fields: str, *rest: Any) -> Personal:
    return Personal(collection, tuple(fields.split()), *rest)


_HISTORY, _SUPPORT = "call history", "support of bad calls"
_TIMELINE, _PROOF = "timeline of a call", "accountability for privileged acts"
_MEDIA = "sendTransportId recvTransportId audioProducerId videoProducerId"
_OPERATOR = "the name of the operator who did it"

PERSONAL: tuple[Personal, ...] = (
    _of("CallSession", "initiatorId", "who called", _HISTORY, _ZEROS, "calls"),
    _of("CallSession", "endedBy endedByKind", "who ended the call", _HISTORY, _NULL, "calls"),
    _of(
        "CallParticipant",
        "userId anonymousUserId",
        "who was in a call",
        _HISTORY,
        _WITH_ROW,
        "participations",
    ),
    _of(
        "CallParticipant",
        "deviceInfo",
        "families of browser, system and device",
        _SUPPORT,
        _WITH_ROW,
        "participations",
    ),
    _of(
        "CallParticipant",
        "qualityMetrics",
        "how the connection was last",
        _SUPPORT,
        _WITH_ROW,
        "participations",
    ),
    _of(
        "CallParticipant",
        _MEDIA,
        "the media server's ids of the party's streams",
        "carrying the call",
        _WITH_ROW,
        "participations",
    ),
    _of("CallPulse", "detector", "how the connection is", "live issues", _ROW, None),
    _of(
        "CallLogEntry",
        "party userId anonymousUserId",
        "whose log it is in",
        "call log",
        _WITH_ROW,
        "logEntries",
    ),
    _of(
        "CallEvent",
        "userId anonymousUserId actor",
        "whom an event is about, and who did it",
        _TIMELINE,
        _NULL,
        "events",
    ),
    _of(
        "CallEvent",
        "data",
        "`reason`: why a recording failed that the party asked for",
        _TIMELINE,
        _NULL,
        "events",
    ),
    _of(
        "CallTranscription",
        "text translations words language segmentId",
        "what the party said",
        "captions and their search",
        _ROW,
        "captions",
    ),
    _of(
        "CallRecording",
        "requestedBy",
        "who asked for a recording; its file goes as the erasure says",
        "recordings",
        _ZEROS,
        "recordings",
    ),
    _of(
        "CallQualitySample",
        "participantId",
        "how the party's connection was, report by report",
        "analysis of quality",
        _ROW,
        "samples",
    ),
    _of("CallHold", "party reason", "whose data was held, and why", "legal holds", _NULL, None),
    _of("CallErasure", "party", "whom a pending erasure is of", "finishing it", _NULL, None),
    _of("CallErasure", "partyHash", "a keyed hash of the erased party", _PROOF, _KEPT, None),
    _of("CallAudit", "partyHash", "a keyed hash of whom an act was about", _PROOF, _KEPT, "audit"),
    _of("CallHold", "placedBy releasedBy", _OPERATOR, _PROOF, _KEPT, None),
    _of("CallErasure", "requestedBy", _OPERATOR, _PROOF, _KEPT, None),
    _of("CallAudit", "by", _OPERATOR, _PROOF, _KEPT, "audit"),
)


def nulled(collection: str, row: type[Struct]) -> dict[str, Any]:
    """What anonymising writes into a row of a party's own: attribute -> None."""
    fields = {
        name
        for each in PERSONAL
        if each.collection == collection and each.effects[0] == "null"
        for name in each.fields
    }
    return {f.name: None for f in msgspec.structs.fields(row) if f.encode_name in fields}
