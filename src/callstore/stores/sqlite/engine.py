"""The connections and the threads that use them.

One writer thread: SQLite has one writer anyway, and a thread keeps the event loop free while a
commit reaches the disk. Keyed reads run where they are asked, on a read-only connection of the
loop's thread; long ones on a reader thread. A database in memory has the writer's connection only.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from callstore.errors import StoreError, StoreUnavailable
from callstore.stores.protocol import Unwritable
from callstore.stores.sqlite import connection, queries

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class Engine:
    def __init__(self, path: Path | None, patience: float) -> None:
        """`path` None is a database in memory; `patience` seconds bound the wait for the lock."""
        self._patience = patience
        self._writes = ThreadPoolExecutor(1, "callstore-writer")
        self._writer = connection.open_writer(path, patience)
        self._path = path
        self._reads: ThreadPoolExecutor | None = None
        self._reader: sqlite3.Connection | None = None
        self._keyed: sqlite3.Connection | None = None
        self._closed = False

    def open_readers(self) -> None:
        """Once the schema is there: a read-only connection cannot make the file."""
        self._writer.execute("PRAGMA busy_timeout = 0")  # it only writes now, and waits `patiently`
        if self._path is not None:
            self._reads = ThreadPoolExecutor(1, "callstore-reader")
            self._reader = connection.open_reader(self._path, self._patience)
            self._keyed = connection.open_reader(self._path, self._patience)

    async def write(
        self, work: Work[T], patience: float | None = None, *, rehearsal: bool = False
    ) -> T:
        """`work` in one transaction: all of it is committed, or nothing; of a rehearsal nothing."""
        self._need_open()
        loop = asyncio.get_running_loop()
        limit = self._patience if patience is None else patience
        end = _take_back if rehearsal else _commit
        return await loop.run_in_executor(self._writes, self._transaction, work, limit, end)

    async def change(self, work: Work[T]) -> T:
        """As `write`, of what no caller's rows explain: StoreError where it is refused."""
        try:
            return await self.write(work)
        except (Unwritable, OverflowError, ValueError) as error:
            raise StoreError(f"the database refused this: {error}") from error

    async def checkpoint(self) -> None:
        """Brings what can be of the log into the file now, a little, so that no commit of others
        has to bring all of it later."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._writes, _checkpointed, self._writer, "PASSIVE")

    async def empty_log(self) -> bool:
        """Brings all of the log into the file; False where somebody reads what was there before."""
        self._need_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writes, _checkpointed, self._writer, "TRUNCATE")

    async def keyed(self, work: Work[T]) -> T:
        """A read of a few rows by key, in one snapshot."""
        self._need_open()
        if self._keyed is None:
            return await self.read(work)
        return _snapshot(self._keyed, work)

    async def read(self, work: Work[T]) -> T:
        """A read that may take its time, in one snapshot. Before the schema is there, and in
        memory, on the writer's connection."""
        self._need_open()
        loop = asyncio.get_running_loop()
        if self._reads is None or self._reader is None:
            return await loop.run_in_executor(self._writes, _snapshot, self._writer, work)
        return await loop.run_in_executor(self._reads, _snapshot, self._reader, work)

    def _need_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store was closed")

    async def close(self) -> None:
        self._closed = True
        loop = asyncio.get_running_loop()
        if self._keyed is not None:
            self._keyed.close()
        # The writer last: only it can bring the log into the file and remove it.
        for pool, db in ((self._reads, self._reader), (self._writes, self._writer)):
            if pool is not None and db is not None:
                await loop.run_in_executor(pool, db.close)
                pool.shutdown()

    def _transaction(
        self, work: Work[T], patience: float, end: Callable[[sqlite3.Connection], None]
    ) -> T:
        db = self._writer
        with connection.translated():
            connection.patiently(db, queries.BEGIN, time.monotonic() + patience)
            try:
                result = work(db)
                end(db)
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
        return result


def _commit(db: sqlite3.Connection) -> None:
    try:
        db.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_IOERR:
            raise
        # What reached the log may be found there when the file is opened again.
        message = f"the commit could not be brought to the disk: {error}"
        raise StoreUnavailable(message, outcome_unknown=True) from error


def _take_back(db: sqlite3.Connection) -> None:
    db.execute("ROLLBACK")


def _checkpointed(db: sqlite3.Connection, how: str) -> bool:
    with connection.translated():
        try:
            (busy, _, _) = db.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            return False
    return not busy


def _snapshot(db: sqlite3.Connection, work: Work[T]) -> T:
    try:
        with connection.translated():
            db.execute("BEGIN")
            try:
                return work(db)
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
    except (Unwritable, msgspec.MsgspecError) as error:
        raise StoreError(f"a stored row cannot be read: {error}") from error
