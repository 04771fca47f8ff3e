"""Reaching a replica set: the client's defaults, is it one we can use, what its errors mean."""

import contextlib
import re
import warnings
from collections.abc import Iterator
from textwrap import shorten
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from bson import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from pymongo import AsyncMongoClient, errors
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from callstore.errors import Conflict, Invalid, StoreUnavailable
from callstore.stores.protocol import Unwritable, WriteConflict

Client = AsyncMongoClient[dict[str, Any]]
Database = AsyncDatabase[dict[str, Any]]

DEFAULT_DATABASE = "callstore"
SNAPSHOT = ReadConcern("snapshot")
MAJORITY = WriteConcern("majority")
# Naive datetimes are UTC, as the codec expects them; a date that Python cannot have, in a field of
# the host's, is no reason not to read the row.
_OPTIONS = CodecOptions[dict[str, Any]](datetime_conversion=DatetimeConversion.DATETIME_AUTO)
_NAME = re.compile(r"[\w-]{0,63}")
_OLDEST = 17  # the wire version of MongoDB 6.0

_DEFAULTS = {
    "appname": "callstore",
    "connectTimeoutMS": 2000,  # also after what silence of its monitor a member counts as gone
    "heartbeatFrequencyMS": 2000,
    "serverSelectionTimeoutMS": 5000,
}
"""Of what the URL does not say. A new primary is found within seconds."""


def connect(url: str) -> Client:
    """Invalid for a URL that is none; nothing is reached yet."""
    try:
        parts = urlsplit(url)
        given = {name.lower() for name, _ in parse_qsl(parts.query)}
        defaults = {name: v for name, v in _DEFAULTS.items() if name.lower() not in given}
        if not _NAME.fullmatch(unquote(parts.path[1:])):
            raise ValueError("a database's name has up to 63 letters, digits, - and _")
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an option that is none is only warned of
            # What takes long, as an index, takes as long as it does; all else has a deadline.
            options: dict[str, Any] = {**defaults, "socketTimeoutMS": None, "timeoutMS": None}
            return AsyncMongoClient(url, **options)
    except (errors.PyMongoError, ValueError, TypeError, KeyError, OSError, UserWarning) as error:
        raise Invalid.field("/store", f"is not a MongoDB URL: {error}") from None


def database(client: Client) -> Database:
    """The URL's, else `callstore`. Reads come from the primary, and writes are majority's, whatever
    the URL says."""
    found = client.get_default_database(DEFAULT_DATABASE)
    return found.with_options(
        codec_options=_OPTIONS,
        read_preference=ReadPreference.PRIMARY,
        write_concern=MAJORITY,
        read_concern=ReadConcern("majority"),
    )


async def check_server(client: Client) -> bool:
    """Whether it is a sharded cluster. StoreUnavailable for a server that callstore cannot use,
    with what to do about it."""
    with translated():
        hello = await client.admin.command("hello")
    sharded = hello.get("msg") == "isdbgrid"
    if not sharded and "setName" not in hello:
        raise StoreUnavailable(
            "this mongod is a standalone, and callstore needs transactions: start it with"
            " --replSet rs0 and run rs.initiate() once; one member is enough"
        )
    if hello["maxWireVersion"] < _OLDEST:
        raise StoreUnavailable("callstore needs MongoDB 6.0 or newer; this server is older")
    return sharded


class Lost(StoreUnavailable):
    """The primary was not reached, or went away: what was asked of it may be asked again."""


class CatalogChanged(Lost):
    """A collection or an index was made or went while it was read."""


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """The driver's errors as callstore's; Unwritable for what only the rows can explain."""
    try:
        yield
    except errors.PyMongoError as error:
        raise translation(error) from error
    except (BSONError, OverflowError, UnicodeError) as error:
        raise Unwritable(str(error)) from error


@contextlib.contextmanager
def singly(message: str) -> Iterator[None]:
    """Conflict where a unique index has another row in place of one that is written within: of
    rows that are moved nobody decides anew, as of commands."""
    try:
        yield
    except errors.PyMongoError as error:
        if _DUPLICATE in _codes(error):
            raise Conflict(f"{message}: {_message(error)}") from error
        raise


_WRITE_CONFLICT, _LOCK_TIMEOUT, _DUPLICATE = 112, 24, 11000
_DENIED = {13, 18, 8000}  # Unauthorized, AuthenticationFailed, Atlas
_SHUTTING_DOWN = {91, 11600, 11602}
_CATALOG_CHANGED = {175, 239, 246}  # QueryPlanKilled, SnapshotTooOld, SnapshotUnavailable
_TOO_LONG = 290  # for the server's transactionLifetimeLimitSeconds


def translation(error: errors.PyMongoError) -> Exception:
    codes = set(_codes(error))
    if codes & {_WRITE_CONFLICT, _LOCK_TIMEOUT, _DUPLICATE}:
        return WriteConflict(_message(error))
    if denied(error):
        said = shorten(_message(error), 150)  # the command is in it, which may be a validator's
        return StoreUnavailable(f"the database refused the credentials: {said}")
    if error.timeout and not isinstance(error, errors.ServerSelectionTimeoutError):
        return Lost(f"MongoDB did not answer in time: {_message(error)}")
    unreachable = (errors.ConnectionFailure, errors.ConfigurationError)  # a name in no DNS
    if isinstance(error, unreachable) or codes & _SHUTTING_DOWN:
        return Lost(f"MongoDB cannot be reached: {_message(error)}")
    if codes & _CATALOG_CHANGED:
        return CatalogChanged(f"the collections changed meanwhile: {_message(error)}")
    if error.has_error_label("TransientTransactionError") or _TOO_LONG in codes:
        return Lost(f"the transaction was cut off: {_message(error)}")
    if isinstance(error, errors.InvalidOperation) and "close" in str(error):
        return StoreUnavailable("the store was closed")
    return Unwritable(_message(error))


def denied(error: errors.PyMongoError) -> bool:
    return bool(set(_codes(error)) & _DENIED)


def _codes(error: errors.PyMongoError) -> Iterator[int]:
    if isinstance(error, errors.BulkWriteError):
        yield from (each["code"] for each in error.details.get("writeErrors", ()))
    elif isinstance(error, errors.OperationFailure) and error.code is not None:
        yield error.code


def _message(error: errors.PyMongoError) -> str:
    if isinstance(error, errors.BulkWriteError):
        return "; ".join(e["errmsg"] for e in error.details.get("writeErrors", ())) or str(error)
    return str(error).split(", Topology Description:")[0].split(", full error:")[0]
