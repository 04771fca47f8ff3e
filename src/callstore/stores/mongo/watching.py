"""Follows deletions in the host's collections, by one change stream."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from bson import ObjectId, Timestamp
from pymongo import errors
from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference

from callstore.errors import NotFound, StoreError, StoreUnavailable
from callstore.ids import NOBODY
from callstore.stores.mongo.connection import Database, denied, translation
from callstore.stores.mongo.engine import Engine
from callstore.stores.protocol import Unwritable, WriteConflict
from callstore.stores.watching import Deletion, Seen

_log = logging.getLogger("callstore")

T = TypeVar("T")
Space = tuple[str, str]
"""(database, collection)"""
Change = Mapping[str, Any]
Stream = AsyncChangeStream[dict[str, Any]]

_AWAIT_MS = 500
_PATIENCE = 10  # seconds without an answer: a member that hangs is left
_ID_BYTES = 1024
"""What is longer is nobody's id, and with its token may be past what a change can be."""
_LOST = {136, 260, 280, 286}  # CappedPositionLost, InvalidResumeToken, Fatal, HistoryLost


class MongoWatching:
    """A `Watching`."""

    def __init__(self, engine: Engine) -> None:
        self._db = engine.db

    async def follow(
        self, collections: Sequence[str], place: str | None
    ) -> AsyncGenerator[Seen, None]:
        spaces = {self._space(name): name for name in collections}
        await self._check(spaces, begins=place is None)
        stream = await self._open(spaces, place)
        try:
            at = place or _place(stream, None)
            yield Seen(place=at)
            before = _token(place) if place else ""
            last: Change | None = None
            while True:
                change = await _answer(stream.try_next())
                if change is None:
                    at = _place(stream, last) or at
                    yield Seen(place=at)
                    continue
                last, at = change, _text(change)
                if _token(at) > before:  # else it is the one that was done
                    yield Seen(place=at, deletion=_deletion(change, spaces))
        finally:
            with contextlib.suppress(errors.PyMongoError, TimeoutError):
                async with asyncio.timeout(1):
                    await stream.close()

    def _space(self, name: str) -> Space:
        database, dot, collection = name.partition(".")
        return (database, collection) if dot else (self._db.name, name)

    def _database(self, name: str) -> Database:
        return self._db.client.get_database(
            name, read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("majority")
        )

    async def _check(self, spaces: Mapping[Space, str], *, begins: bool) -> None:
        """A name that was mistyped would be followed for ever without a word."""
        for database, collection in spaces:
            where = {"name": collection, "type": "collection"}
            if await _answer(self._database(database).list_collection_names(filter=where)):
                continue
            if begins:
                raise NotFound("collection", f"{database}.{collection}")
            _log.warning("there is no collection %s.%s any more", database, collection)

    async def _open(self, spaces: Mapping[Space, str], place: str | None) -> Stream:
        databases = {database for database, _ in spaces}
        one = self._database(next(iter(databases)))
        what = one if len(databases) == 1 else self._db.client
        how = _start(place) if place else {}
        return await _answer(what.watch(_pipeline(spaces), max_await_time_ms=_AWAIT_MS, **how))


def _pipeline(spaces: Mapping[Space, str]) -> list[dict[str, Any]]:
    at = [{"ns.db": db, "ns.coll": name} for db, name in spaces]
    onto = [{"to.db": db, "to.coll": name} for db, name in spaces]
    small = {"$lt": [{"$bsonSize": {"id": "$documentKey._id"}}, _ID_BYTES]}
    databases = sorted({db for db, _ in spaces})
    wanted = [
        {"operationType": "delete", "$or": at, "$expr": small},
        {"operationType": {"$in": ["drop", "rename"]}, "$or": at + onto},
        {"operationType": "dropDatabase", "ns.db": {"$in": databases}},
        {"operationType": "invalidate"},
    ]
    kept = dict.fromkeys(("operationType", "clusterTime", "ns", "to", "documentKey"), 1)
    return [{"$match": {"$or": wanted}}, {"$project": kept}]


# -- places: the token, and of a change also its time. A stream of other collections does not find
# the token of a change that it would not give: so it goes on at the change's time, and leaves out
# what is up to the token.


def _text(change: Change) -> str:
    time: Timestamp = change["clusterTime"]
    return f"{change['_id']['_data']} {time.time} {time.inc}"


def _place(stream: Stream, last: Change | None) -> str:
    token = stream.resume_token
    if token is None:
        return ""
    data: str = token["_data"]
    return _text(last) if last is not None and last["_id"]["_data"] == data else data


def _token(place: str) -> str:
    """Tokens sort as what they are of."""
    return place.split(" ")[0]


def _start(place: str) -> dict[str, Any]:
    match place.split(" "):
        case [_, time, inc]:
            return {"start_at_operation_time": Timestamp(int(time), int(inc))}
    return {"resume_after": {"_data": place}}


# -- what a stream says


def _deletion(change: Change, spaces: Mapping[Space, str]) -> Deletion | None:
    """None for an id that is none of callstore's. StoreError where the collection itself went."""
    kind = change["operationType"]
    if kind != "delete":
        where = ".".join(change.get("ns", {}).values()) or "what is followed"
        raise StoreError(
            f"{where}: {kind}. What it had did not go one by one, so nothing was erased for it: see"
            " to that, then start again with --from-now"
        )
    collection = spaces[change["ns"]["db"], change["ns"]["coll"]]
    id = change["documentKey"]["_id"]
    if isinstance(id, ObjectId) and str(id) != NOBODY:
        return Deletion(collection=collection, id=str(id))
    _log.warning("a row of %s was deleted whose id is no ObjectId: passed over", collection)
    return None


async def _answer(work: Awaitable[T]) -> T:
    with _translated():
        async with asyncio.timeout(_PATIENCE):
            return await work


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise StoreUnavailable("MongoDB does not answer") from error
    except errors.PyMongoError as error:
        if denied(error):
            raise StoreError(f"find and changeStream are needed, and refused: {error}") from error
        if isinstance(error, errors.OperationFailure) and error.code in _LOST:
            raise StoreError(
                "the database has no changes from so long ago any more: deletions since then may"
                " have been missed. Look for them (docs/watching.md says how), then start again"
                f" with --from-now: {error.details and error.details.get('errmsg')}"
            ) from error
        found = translation(error)
        if isinstance(found, WriteConflict):
            raise StoreUnavailable(str(found)) from error
        if isinstance(found, Unwritable):
            raise StoreError(f"the deletions cannot be followed: {found}") from error
        raise found from error
