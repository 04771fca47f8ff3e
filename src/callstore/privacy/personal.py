"""Where a person is in what is kept: the one list that the docs and the search for
forgotten fields go by. Pure.

Whatever a declared field can hold that names or describes a person stands in PERSONAL; what could
and does not, in IMPERSONAL. A test goes through all that is declared, and fails for a field in
neither.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

Effect = Literal["row deleted", "null", "zeros", "kept"]

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
    "analytics",
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

    @property
    def whom(self) -> Literal["parties", "operators"]:
        return "operators" if self.what == _OPERATOR else "parties"


_WITH_ROW: Effects = ("null", "row deleted")
_ROW: Effects = ("row deleted", "row deleted")
_NULL: Effects = ("null", "null")
_ZEROS: Effects = ("zeros", "zeros")
_KEPT: Effects = ("kept", "kept")
_NOBODYS: Effects = ("kept", "row deleted")
"""It stays where the row is nobody's any more."""


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
        "role status joinedAt leftAt answeredAt connectedAt lastSeenAt stints"
        " audioEnabled videoEnabled screenShareEnabled",
        "when they were there, and with what on",
        _HISTORY,
        _NOBODYS,
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
    _of(
        "CallPulse",
        "participantId seenAt detector",
        "the last sign of life, and how the connection is",
        "finding who was lost, live issues",
        _ROW,
        None,
    ),
    _of(
        "CallLogEntry",
        "party userId anonymousUserId",
        "whose log it is in",
        "call log",
        _WITH_ROW,
        "logEntries",
    ),
    _of(
        "CallLogEntry",
        "direction response respondedAt talkSeconds seenAt hiddenAt",
        "what they did with a ring, and how long they talked",
        "call log",
        _NOBODYS,
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
        "participantId text translations words language segmentId",
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
        "participantId audio video pair",
        "how the party's connection was, report by report",
        "analysis of quality",
        _ROW,
        "samples",
    ),
    _of(
        "CallAnalytics",
        "participantMetrics networkIssues windows",
        "how each one's connection was, under a participantId that is nobody's after an erasure",
        _SUPPORT,
        _KEPT,
        "analytics",
    ),
    _of("CallHold", "party reason", "whose data was held, and why", "legal holds", _NULL, None),
    _of(
        "CallErasure",
        "party",
        "whom an erasure is of, until it is done",
        "finishing it",
        _NULL,
        None,
    ),
    _of("CallErasure", "partyHash", "a keyed hash of the erased party", _PROOF, _KEPT, None),
    _of("CallAudit", "partyHash", "a keyed hash of whom an act was about", _PROOF, _KEPT, "audit"),
    _of(
        "CallLease",
        "token",
        "the place that a watch has come to: within it the id of what the host deleted last",
        "following the host's deletions",
        _KEPT,
        None,
    ),
    _of("CallHold", "placedBy releasedBy", _OPERATOR, _PROOF, _KEPT, None),
    _of("CallErasure", "requestedBy", _OPERATOR, _PROOF, _KEPT, None),
    _of("CallAudit", "by", _OPERATOR, _PROOF, _KEPT, "audit"),
)


def _why(reason: str, fields: str, *collections: str) -> dict[tuple[str, str], str]:
    return {(name, field): reason for name in collections for field in fields.split()}


_OF_CALL = (
    *("CallParticipant", "CallPulse", "CallLogEntry", "CallEvent", "CallQualitySample"),
    *("CallAnalytics", "CallTranscription", "CallRecording"),
)
_PAPERS = ("CallHold", "CallErasure", "CallAudit")

IMPERSONAL: dict[tuple[str, str], str] = {
    **_why("the row's own", "id", "CallSession", *_OF_CALL, *_PAPERS),
    **_why("which call it is of", "callSessionId", *_OF_CALL, "CallHold"),
    **_why(
        "a place of the host's; who is in it only the host knows",
        "conversationId",
        *("CallSession", *_OF_CALL, "CallHold", "CallErasure"),
    ),
    **_why(
        "points at nobody once its row is gone or anonymised",
        "participantId",
        "CallEvent",
    ),
    **_why("the media server's", "routerId rtpCapabilities", "CallSession"),
    **_why("two switches", "settings", "CallSession"),
    **_why("ids of holds", "holds", "CallSession"),
    **_why("by which settings its rows are stamped", "horizons", "CallSession"),
    **_why("averages of the whole call", "qualityMetrics", "CallAnalytics"),
    **_why("types of events, and participantIds", "eventTimeline", "CallAnalytics"),
    **_why("a version of callstore's", "scorerVersion", "CallAnalytics"),
    **_why("empty: links are made on demand", "fileUrl", "CallRecording"),
    **_why(
        "made of the ids of the call and the recording; of an adopted row the host's own name for"
        " the file",
        "filePath",
        "CallRecording",
    ),
    **_why("of the file as a whole", "sha256 contentType", "CallRecording"),
    **_why("numbers by collection and field", "counts", "CallErasure"),
    **_why("ids of rows, and that a hold keeps them", "kept holds", "CallErasure"),
    **_why(
        "ids of calls and rows, until it is done; the rows are nobody's by then",
        "lately",
        "CallErasure",
    ),
    **_why("what was done", "action", "CallAudit"),
    **_why("never a party's id", "data", "CallAudit"),
    **_why("of entries, in which parties are hashed already", "previous hash", "CallAudit"),
    **_why("the name of a job", "id", "CallLease"),
    **_why("a process", "holder", "CallLease"),
    **_why("the name of a step", "name", "CallSchema"),
}
"""What could hold a party's id or words by its kind, and names nobody: (collection, field) ->
why."""


def nulled(collection: str, row: type[Struct]) -> dict[str, Any]:
    """What anonymising writes into a row of a party's own: attribute -> None."""
    fields = {
        name
        for each in PERSONAL
        if each.collection == collection and each.effects[0] == "null"
        for name in each.fields
    }
    return {f.name: None for f in msgspec.structs.fields(row) if f.encode_name in fields}
