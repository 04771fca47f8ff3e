"""A call and its rows as another kept them -> as callstore keeps them, and what stands in the way.
Pure: the same for a look beforehand as for the taking over."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from callstore.calls.lifecycle.turn import Context
from callstore.calls.model import Call, Participant, replace
from callstore.captions.model import Caption
from callstore.errors import Invalid
from callstore.schema.adoption import rows
from callstore.schema.adoption.document import (
    AnalyticsRow,
    ParticipantRow,
    RecordingRow,
    SessionRow,
    TranscriptionRow,
    read,
)
from callstore.schema.adoption.fitting import fit
from callstore.schema.adoption.life import Life, begun, relive
from callstore.schema.adoption.model import Adopted, Found, Problem, Raw, Trouble
from callstore.validation import EARLIEST, LATEST

S = TypeVar("S", bound=Struct)


class Keeping(Struct, frozen=True, kw_only=True):
    """What adoption takes from outside."""

    new_id: Callable[[], str]
    calls: timedelta
    captions: timedelta


def adopt(found: Found, *, older: bool, keeping: Keeping) -> tuple[Adopted | None, list[Problem]]:
    """None where a row is impossible. `older`: a newer call is live in the conversation."""
    work = _Adoption(found, keeping)
    return work.adopted(older=older), work.problems


class _Adoption:
    def __init__(self, found: Found, keeping: Keeping) -> None:
        self._found = found
        self._keeping = keeping
        self.problems: list[Problem] = []
        self._call = self._one(SessionRow, "CallSession", found.call)
        self._people = self._all(ParticipantRow, "CallParticipant", found.participants)
        self._captions = self._all(TranscriptionRow, "CallTranscription", found.captions)
        self._recordings = self._all(RecordingRow, "CallRecording", found.recordings)
        self._analyses = self._all(AnalyticsRow, "CallAnalytics", found.analyses)
        for row in self._people:
            self._check(row)

    def _check(self, row: ParticipantRow) -> None:
        if row.user_id is not None and row.anonymous_user_id is not None:
            self._tell("impossible", "CallParticipant", row.id, "has a user and a guest")
        if row.left_at is not None and row.joined_at is not None and row.left_at < row.joined_at:
            self._tell("impossible", "CallParticipant", row.id, "leftAt is before joinedAt")

    def _tell(self, kind: Trouble, collection: str, id: str, detail: str) -> None:
        self.problems.append(Problem(kind=kind, collection=collection, id=id, detail=detail))

    def _one(self, kind: type[S], collection: str, raw: Raw) -> S | None:
        try:
            return read(kind, raw)
        except Invalid as error:
            self._tell("impossible", collection, str(raw.get("id")), str(error))
            return None

    def _all(self, kind: type[S], collection: str, raws: Sequence[Raw]) -> list[S]:
        return [row for raw in raws if (row := self._one(kind, collection, raw)) is not None]

    def adopted(self, *, older: bool) -> Adopted | None:
        if self._call is None or self.problems:
            return None
        try:
            context = Context(
                now=begun(self._call),
                new_id=self._keeping.new_id,
                keep=self._keeping.calls,
                liveness=None,
            )
            life = relive(self._call, self._people, close=older, context=context)
        except Invalid as error:
            self._tell("impossible", "CallSession", self._call.id, str(error))
            return None
        self._tell_doubled(life)
        adopted = self._adopted(self._call, life)
        return None if self._tell_untimely(adopted) else adopted

    def _tell_untimely(self, adopted: Adopted) -> bool:
        """Whether a row has no time that a call can have, and its id tells none either."""
        untimely = False
        for collection in ("CallTranscription", "CallRecording", "CallAnalytics"):
            for row in adopted.kept[collection]:
                if not EARLIEST <= row.created_at <= LATEST:
                    detail = "/createdAt: is missing, and the id tells no time"
                    self._tell("impossible", collection, row.id, detail)
                    untimely = True
        return untimely

    def _tell_doubled(self, life: Life) -> None:
        for row in self._people:
            if (first := life.became[row.id]) != row.id:
                self._tell("doubled", "CallParticipant", row.id, f"its party is there as {first}")
        for analysis in self._analyses:
            if analysis is not (last := rows.latest(self._analyses)):
                detail = f"{last.id} is a later one of its call"
                self._tell("doubled", "CallAnalytics", analysis.id, detail)

    def _adopted(self, row: SessionRow, life: Life) -> Adopted:
        made, became = life.made, life.became
        captions = self._spoken(made.call, became)
        call = replace(
            made.call,
            updated_at=row.updated_at or made.call.updated_at,
            expires_at=self._expiry(made.call, captions),
        )
        analyses = [
            rows.analytics(each, call, made.events, became)
            for each in ([rows.latest(self._analyses)] if self._analyses else [])
        ]
        guests = {each.anonymous_user_id for each in self._people}
        return Adopted(
            call=call,
            participants=[self._dated(each, became) for each in made.participants.values()],
            entries=list(made.entries.values()),
            events=made.events,
            captions=captions,
            recordings=[
                rows.recording(each, call, by_guest=each.requested_by in guests)
                for each in self._recordings
            ],
            analyses=analyses,
            gone=self._gone(),
            again=self._found.again,
        )

    def _spoken(self, call: Call, became: dict[str, str]) -> list[Caption]:
        """By those who are in the call; the rest belongs to nobody."""
        spoken = []
        for row in self._captions:
            if row.participant_id in became:
                speaker = became[row.participant_id]
                spoken.append(rows.caption(row, call, speaker, self._keeping.captions))
            else:
                detail = f"its participant {row.participant_id} is not in the call"
                self._tell("orphan", "CallTranscription", row.id, detail)
        return spoken

    def _expiry(self, call: Call, captions: list[Caption]) -> datetime | None:
        """A call goes after all that is of it; with a file, the sweep that deletes it says when."""
        if call.expires_at is None or any(map(rows.has_file, self._recordings)):
            return None
        return max([call.expires_at, *(each.expires_at for each in captions if each.expires_at)])

    def _dated(self, person: Participant, became: dict[str, str]) -> Participant:
        dates = [
            row.updated_at
            for row in self._people
            if became[row.id] == person.id and row.updated_at is not None
        ]
        return replace(person, updated_at=max(dates, default=person.updated_at))

    def _gone(self) -> dict[str, list[str]]:
        gone: dict[str, list[str]] = {}
        for problem in self.problems:
            gone.setdefault(problem.collection, []).append(problem.id)
        return gone


def changed(found: Found, adopted: Adopted) -> Iterator[str]:
    """ "collection.field" of each value that was there and is not kept as it was."""
    raws = {raw["id"]: raw for rows in found.rows.values() for raw in rows}
    for collection, kept in adopted.kept.items():
        for row in kept:
            for field in msgspec.structs.fields(row):
                was = raws[row.id].get(field.encode_name)
                is_ = msgspec.to_builtins(getattr(row, field.name), builtin_types=(datetime,))
                if not _kept(was, is_):
                    yield f"{collection}.{field.encode_name}"


def _kept(was: Any, is_: Any) -> bool:
    """Whether all that was there still is; more may be."""
    match was, is_:
        case None, _:
            return True
        case dict(), dict():
            return all(_kept(value, is_.get(name)) for name, value in was.items())
        case list(), list():
            return len(was) == len(is_) and all(map(_kept, was, is_))
        case str(), datetime():
            return bool(fit(was, datetime) == is_)
    return bool(was == is_)
