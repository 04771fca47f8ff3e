"""Reads and transactions: how many at once, for how long, and what became of a commit."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import pymongo
from msgspec import Struct
from pymongo import errors
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.read_preferences import ReadPreference

from callstore.errors import Busy, StoreError, StoreUnavailable
from callstore.stores.mongo import connection
from callstore.stores.mongo.connection import CatalogChanged, Client, Database, Lost
from callstore.stores.protocol import Unwritable, WriteConflict
from callstore.stores.waiting import back_off, turn

T = TypeVar("T")
Session = AsyncClientSession

AT_ONCE = 32
"""Operations on their way: beyond that, tasks that wait for the driver starve."""
_LONG_AT_ONCE = 8  # reads without a deadline: they leave the others their own
_ATTEMPT = 5.0  # seconds that one attempt may take: a primary that hangs is not waited for longer
LONG = 90.0
"""Seconds that many rows may take to be written: longer than a transaction of a process that was
killed keeps its rows."""


class Marker(Struct, frozen=True, kw_only=True):
    """A row that a transaction inserts, or makes match, or (None) deletes: where it is found so,
    and all `others` are, the transaction was committed, or what it does is done."""

    collection: str
    id: Any
    matching: dict[str, Any] | None = {}
    others: "tuple[Marker, ...]" = ()


Work = Callable[[Session], Awaitable[tuple[T, Marker | None]]]


class Engine:
    def __init__(self, url: str, patience: float) -> None:
        self._patience = patience
        self._client: Client = connection.connect(url)
        self.db: Database = connection.database(self._client)
        # What may lag behind: it goes where the URL's readPreference says.
        self.lagging: Database = self.db.with_options(read_preference=self._client.read_preference)
        self._gate = asyncio.Semaphore(AT_ONCE)  # first come, first served
        self._long_gate = asyncio.Semaphore(_LONG_AT_ONCE)
        self._closed = False
        self.sharded = False  # until the server was asked

    async def check_server(self) -> None:
        try:
            with pymongo.timeout(self._patience):
                self.sharded = await connection.check_server(self._client)
        except Unwritable as error:
            raise StoreError(f"the database does not let itself be asked: {error}") from error

    async def read(self, work: Callable[[Session], Awaitable[T]], *, long: bool = False) -> T:
        """Queries that see one and the same snapshot of what a majority has; again where that went
        while a migration changed the collections, for as long as one may take. A `long` one may
        take as long as it gets answers."""
        self._need_open()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        gate = self._long_gate if long else self._gate
        tries = 0
        while True:
            try:
                async with turn(gate, None if long else deadline):
                    # Done again it has its time anew: at the deadline's very end it would tell of
                    # that, and not of what it met.
                    until = deadline if tries == 0 else loop.time() + self._patience
                    limit = contextlib.nullcontext() if long else _limit(until, self._patience)
                    with _cancellable(), connection.translated(), limit:
                        async with self._client.start_session(snapshot=True) as session:
                            return await work(session)
            except CatalogChanged:
                if loop.time() >= deadline:
                    raise
            except (Unwritable, WriteConflict) as error:
                raise StoreError(f"the database could not read this: {error}") from error
            tries += 1
            await back_off(tries)

    async def write(self, work: Work[T], patience: float | None = None) -> T:
        """`work` in one transaction, again after conflicts until `patience` is at its end."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._patience if patience is None else patience)
        attempt = _ATTEMPT if patience is None else patience / 2
        tries = 0
        while True:
            try:
                return await self.transaction(work, deadline - loop.time(), attempt)
            except WriteConflict as conflict:
                tries += 1
                await back_off(tries)
                if loop.time() >= deadline:
                    raise Busy("others kept the rows busy until the deadline") from conflict

    async def change(self, work: Work[T], patience: float | None = None) -> T:
        """As `write`, of what no caller's rows explain: StoreError where it is refused."""
        with _refused():
            return await self.write(work, patience)

    async def transaction(
        self, work: Work[T], patience: float, attempt: float = _ATTEMPT, *, rehearsal: bool = False
    ) -> T:
        """`work` in one transaction: all of it is committed, or nothing; of a rehearsal nothing.

        WriteConflict where another writer was faster. Where the primary goes away it is done again
        on the next one; where a commit's result is unknown, only if a look finds no marker.
        """
        self._need_open()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        limit = partial(_limit, deadline, attempt)
        doubtful: tuple[T, Marker | None] | None = None
        tries = 0
        while True:
            try:
                async with self._session(deadline) as session:
                    with _cancellable(), connection.translated(), limit():
                        await session.start_transaction(
                            connection.SNAPSHOT, connection.MAJORITY, ReadPreference.PRIMARY
                        )
                        there = doubtful and await self._is_there(session, doubtful[1])
                        done, doubtful = doubtful if there else None, None
                        if done is None:
                            done = await work(session)
                    # A look, too: it sees what the primary has, which may still be lost with it.
                    if rehearsal or await _commit(session, deadline, limit):
                        return done[0]
                    doubtful = done
            except (WriteConflict, Unwritable, StoreUnavailable, Busy) as error:
                # In doubt nothing but a look that comes to its end says what became of it.
                if not doubtful and (not isinstance(error, Lost) or loop.time() >= deadline):
                    raise
            if loop.time() >= deadline:
                raise StoreUnavailable("no answer to a commit", outcome_unknown=True)
            tries += 1
            await back_off(tries)

    async def doing(self, work: Awaitable[T]) -> T:
        """What takes as long as it takes, in no transaction."""
        with _refused(), _cancellable(), connection.translated(), pymongo.timeout(None):
            return await work

    @contextlib.asynccontextmanager
    async def _session(self, deadline: float) -> AsyncIterator[Session]:
        """What is not committed within is aborted at its end."""
        async with turn(self._gate, deadline):
            session = self._client.start_session(causal_consistency=False)
            try:
                yield session
            finally:
                with pymongo.timeout(1):
                    await session.end_session()

    async def _is_there(self, session: Session, marker: Marker | None) -> bool:
        for one in (marker, *marker.others) if marker else ():
            query = {"_id": one.id, **(one.matching or {})}
            found = await self.db[one.collection].find_one(query, session=session)
            if (found is None) != (one.matching is None):
                return False
        return marker is not None

    def _need_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store was closed")

    async def close(self) -> None:
        self._closed = True
        await self._client.close()


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except Unwritable as error:
        raise StoreError(f"the database refused this: {error}") from error
    except WriteConflict as conflict:
        raise Busy(f"others were at it meanwhile: {conflict}") from conflict


@contextlib.contextmanager
def _cancellable() -> Iterator[None]:
    """Whoever is cancelled within hears of it behind, should it be lost: Python 3.11's wait_for, by
    which the driver sends, may lose it."""
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    yield
    if task.cancelling() > before:
        raise asyncio.CancelledError


def _limit(deadline: float, attempt: float) -> contextlib.AbstractContextManager[object]:
    left = deadline - asyncio.get_running_loop().time()
    return pymongo.timeout(max(min(left, attempt), 0.001))


async def _commit(
    session: Session,
    deadline: float,
    limit: Callable[[], contextlib.AbstractContextManager[object]],
) -> bool:
    """Asked until the answer is known. False: it is not committed, or the deadline has come."""
    while True:
        try:
            with limit():
                await session.commit_transaction()
                return True
        except errors.PyMongoError as error:
            unknown = error.has_error_label("UnknownTransactionCommitResult")
            if not unknown or asyncio.get_running_loop().time() >= deadline:
                return False
        await back_off(4)
