"""Opening an SQLite file: is it ours, which pragmas, what its errors mean."""

import contextlib
import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from callstore.errors import Busy, Conflict, SchemaMismatch, StoreUnavailable
from callstore.stores.protocol import Unwritable, WriteConflict

APPLICATION_ID = 0x63616C73  # "cals": marks a file as callstore's in its header

_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA cache_size = -65536",
)


def check_file(path: Path) -> bool:
    """Whether there is a callstore database at `path`; False where there is none yet.

    SchemaMismatch for any other file, which is left untouched.
    """
    # Not opened but by SQLite: closing a file by hand would drop the locks that connections of this
    # process hold on it, and the next process to close would remove the log they write to.
    try:
        if not _size(path):
            return False
    except (OSError, ValueError) as error:  # ValueError: not a name that a file can have
        raise StoreUnavailable(f"the database cannot be read: {error}") from error
    # Without a WAL to read, `immutable` keeps SQLite from leaving files beside a stranger's.
    mode = "mode=ro" if _size(path.with_name(path.name + "-wal")) else "immutable=1"
    try:
        with translated(), contextlib.closing(_connect(f"{path.absolute().as_uri()}?{mode}")) as db:
            db.execute("BEGIN")  # another may be making it: both, or neither
            (ours,) = db.execute("PRAGMA application_id").fetchone()
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except SchemaMismatch:
        raise _foreign(path) from None
    if ours != APPLICATION_ID and (ours or tables):
        raise _foreign(path)
    return bool(ours == APPLICATION_ID)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _foreign(path: Path) -> SchemaMismatch:
    return SchemaMismatch(f"{path} is not a callstore database; it was left as it is")


def open_writer(path: Path | None, patience: float) -> sqlite3.Connection:
    """`path` None is a database in memory."""
    target = ":memory:" if path is None else path.absolute().as_uri()
    return _opened(target, ("PRAGMA journal_mode = WAL", *_PRAGMAS), patience)


def open_reader(path: Path, patience: float) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return _opened(uri, ("PRAGMA cache_size = -16384",), patience)


def _opened(target: str, pragmas: Sequence[str], patience: float) -> sqlite3.Connection:
    with translated(), contextlib.ExitStack() as failed:
        db = failed.enter_context(contextlib.closing(_connect(target, patience)))
        for pragma in pragmas:
            patiently(db, pragma, time.monotonic() + patience)
        failed.pop_all()
    return db


def patiently(db: sqlite3.Connection, statement: str, deadline: float) -> None:
    """Executes what others may keep from its lock, again and again until `deadline`.

    SQLite's own back-off sleeps so long that a process can starve while others write without a
    pause, and does not wait at all where two make the same new file.
    """
    while True:
        try:
            db.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(random.uniform(0.0005, 0.002))


def _connect(target: str, patience: float = 5) -> sqlite3.Connection:
    # Each connection is used by one thread at a time, though not always by the one that made it.
    return sqlite3.connect(
        target,
        isolation_level=None,
        check_same_thread=False,
        uri=True,
        cached_statements=512,
        timeout=patience,
    )


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """SQLite's errors as callstore's; Unwritable for what only the statement's rows can explain."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translation(error) from error


@contextlib.contextmanager
def singly(message: str) -> Iterator[None]:
    """Conflict where a unique index has another row in place of one that is written within."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode in _TAKEN:
            raise Conflict(f"{message}: {error}") from error
        raise


_TAKEN = {
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
}


def _translation(error: sqlite3.Error) -> Exception:
    code = getattr(error, "sqlite_errorcode", None)
    match code & 0xFF if code is not None else None:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Busy("another process kept the database locked")
        case sqlite3.SQLITE_FULL:
            return StoreUnavailable(f"the disk, or the page limit, is full: {error}")
        case sqlite3.SQLITE_NOTADB:
            return SchemaMismatch("the file is not a callstore database; it was left as it is")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY:
            return StoreUnavailable(f"the database cannot be read or written: {error}")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_PERM | sqlite3.SQLITE_NOMEM:
            return StoreUnavailable(f"the database cannot be used: {error}")
        case sqlite3.SQLITE_SCHEMA:
            return WriteConflict("the schema changed meanwhile")
    return Unwritable(str(error))
