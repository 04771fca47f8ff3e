"""What is found of another's calls, and what becomes of it."""

from typing import Any, Literal

from msgspec import Struct

from callstore.calls.model import Call, Event, LogEntry, Participant, Row
from callstore.captions.model import Caption
from callstore.ids import Id
from callstore.quality.model import Analytics
from callstore.recordings.model import Recording

Raw = dict[str, Any]
"""A row as it was found: by the document's names, `id` too; ids as text, times aware."""

Trouble = Literal["several_live", "doubled", "orphan", "impossible"]


class Problem(Row, frozen=True, kw_only=True):
    """A row that cannot be taken over as it is. `several_live`: a newer call is live in its
    conversation. `doubled`: what a call has once is there again. `orphan`: what it belongs to is
    gone. `impossible`: a value that no call can have; `detail` says which."""

    kind: Trouble
    collection: str
    id: str  # '' where it is the collection itself
    detail: str

    def __str__(self) -> str:
        return f"{self.collection} {self.id}".strip() + f": {self.detail}"


class Found(Struct, frozen=True, kw_only=True):
    """A call with its rows. `again`: it has been taken over before; `done`: and nothing of it has
    come, or changed, since."""

    call: Raw
    participants: list[Raw]
    captions: list[Raw]
    recordings: list[Raw]
    analyses: list[Raw]
    again: bool = False
    done: bool = False

    @property
    def rows(self) -> dict[str, list[Raw]]:
        """By collection."""
        return {
            "CallSession": [self.call],
            "CallParticipant": self.participants,
            "CallTranscription": self.captions,
            "CallRecording": self.recordings,
            "CallAnalytics": self.analyses,
        }


class Adopted(Struct, frozen=True, kw_only=True):
    """A call as callstore keeps it. `gone` are rows that became part of another, or that belonged
    to nothing: collection -> ids."""

    call: Call
    participants: list[Participant]
    entries: list[LogEntry]
    events: list[Event]
    captions: list[Caption]
    recordings: list[Recording]
    analyses: list[Analytics]
    gone: dict[str, list[Id]]
    again: bool = False

    @property
    def kept(self) -> dict[str, list[Any]]:
        """The rows that were there, by collection."""
        return {
            "CallSession": [self.call],
            "CallParticipant": self.participants,
            "CallTranscription": self.captions,
            "CallRecording": self.recordings,
            "CallAnalytics": self.analyses,
        }


class AdoptionReport(Row, frozen=True, kw_only=True):
    """What a database that something else wrote holds, and what taking it over does to it."""

    rows: dict[str, int]  # by collection, of the calls that are not callstore's yet
    changes: dict[str, int]  # "collection.field" -> rows whose value is not kept as it was
    expired: dict[str, int]  # by collection, rows past their time: deleted soon afterwards
    troubles: dict[Trouble, int]
    problems: list[Problem]  # the first hundred of each kind
    indexes: list[str]  # that go: they would refuse or delete rows that callstore keeps
