"""Calls with their people, and other rows read by key."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import force_setattr
from pymongo.errors import OperationFailure

from callstore.calls.model import Call, Participant, in_order_of_joining
from callstore.stores.mongo import queries
from callstore.stores.mongo.codec import CODECS, Document
from callstore.stores.mongo.connection import Database
from callstore.stores.mongo.engine import Session
from callstore.stores.mongo.queries import Filter, Pipeline

_CALLS = CODECS["CallSession"]
_PARTICIPANTS = CODECS["CallParticipant"]
TOGETHER = 10_000  # in one answer, as far as 16 MB hold them
_TOO_LARGE = {10334, 4568}  # a document of more than 16 MB; of more in a $lookup, older servers


async def one_call(
    db: Database, collection: str, first: Pipeline, session: Session, **options: Any
) -> Call | None:
    """The call that `first` finds, with its participants, in one round trip; in two where they are
    more than one document holds."""

    async def found(pipeline: Pipeline) -> list[Document]:
        cursor = await db[collection].aggregate(pipeline, session=session, **options)
        return await cursor.to_list()

    try:
        calls = await found(queries.with_participants(first))
    except OperationFailure as error:
        if error.code not in _TOO_LARGE:
            raise
        whole = (await with_participants(db, await found(first), session)).whole
    else:
        whole = [_whole(call, call["participants"]) for call in calls]
    return whole[0] if whole else None


def _whole(call: Document, people: Sequence[Document]) -> Call:
    rows: list[Participant] = [_PARTICIPANTS.decode(person) for person in people]
    decoded: Call = _CALLS.decode(call)
    force_setattr(decoded, "participants", in_order_of_joining(rows))  # nobody else has it yet
    return decoded


class CallRows(NamedTuple):
    """Calls, and the people of each by its id, as they were read."""

    calls: Sequence[Document]
    people: Mapping[Any, Sequence[Document]]

    @property
    def whole(self) -> list[Call]:
        return [_whole(call, self.people[call["_id"]]) for call in self.calls]


async def with_participants(db: Database, calls: Sequence[Document], session: Session) -> CallRows:
    """By one more query."""
    people: dict[Any, list[Document]] = {call["_id"]: [] for call in calls}
    if people:
        where = queries.of_keys((call["conversationId"], call["_id"]) for call in calls)
        for person in await fetch(db, "CallParticipant", where, session):
            people[person["callSessionId"]].append(person)
    return CallRows(calls, people)


async def fetch(
    db: Database, collection: str, where: Filter, session: Session, **options: Any
) -> list[Document]:
    found = db[collection].find(where, session=session, batch_size=TOGETHER, **options)
    return await found.to_list()
