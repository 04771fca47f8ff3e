"""Object storage, by URL: a folder, S3 and what speaks its language, Google's, Azure's, memory."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from callstore.errors import (
    CallstoreError,
    Invalid,
    NotFound,
    StoreError,
    StoreUnavailable,
)
from callstore.reading import Bytes
from callstore.recordings import folder
from callstore.recordings.source import Broken, Source
from callstore.tasks import to_its_end

PART = 8 * 1024 * 1024  # bytes of a part of an upload: S3 takes 10,000 of them
_PARTS_AT_ONCE = 4  # as many are in memory
_CHUNK = 1024 * 1024  # bytes read at a time
_CLIENT = {"connect_timeout": "5s", "timeout": "60s"}
_RETRY = {"max_retries": 4, "retry_timeout": timedelta(seconds=20)}

_BUCKET = re.compile(r"[\w.-]+\Z", re.ASCII)
Option = Callable[[str], tuple[str, Any]]


def _flag(name: str, *, negated: bool = False) -> Option:
    def option(value: str) -> tuple[str, Any]:
        if value not in ("true", "false"):
            raise ValueError("must be true or false")
        return name, (value == "true") != negated

    return option


def _word(name: str) -> Option:
    def option(value: str) -> tuple[str, Any]:
        if not re.fullmatch(r"[\w.-]+", value, re.ASCII):
            raise ValueError("must be a word")
        return name, value

    return option


def _address(value: str) -> tuple[str, Any]:
    host = r"([\w.-]+|\[[0-9a-f:]+\])"
    if not re.fullmatch(rf"https?://{host}(:\d{{1,5}})?(/[\w./-]*)?", value, re.ASCII):
        raise ValueError("must be an address such as http://127.0.0.1:9000")
    return "endpoint", value


_OPTIONS: dict[str, dict[str, Option]] = {
    "s3": {
        "endpoint": _address,
        "region": _word("region"),
        "path_style": _flag("virtual_hosted_style_request", negated=True),
    },
    "gs": {},
    "az": {"account": _word("account_name"), "endpoint": _address},
}


class Files:
    """The files of one place. Paths are relative to it. Raises StoreUnavailable when it cannot be
    reached or written, StoreError when it refuses; no error of a driver gets out."""

    def __init__(self, url: object) -> None:
        """Invalid for what is no such URL. Nothing is made, and nobody is asked, before the first
        use."""
        parts = _parts(url)
        self._parts = parts
        self.root = Path(unquote(parts.path)) if parts.scheme == "file" else None
        self._config = _config(parts)

    @cached_property
    def _store(self) -> Any:
        from obstore import store

        scheme, bucket = self._parts.scheme, self._parts.netloc
        prefix = unquote(self._parts.path).strip("/") or None
        if self.root is not None:
            return store.LocalStore(self.root)
        if scheme == "memory":
            return store.MemoryStore()
        kinds = {"s3": store.S3Store, "gs": store.GCSStore, "az": store.AzureStore}
        plain = str(self._config.get("endpoint", "")).startswith("http:")
        return kinds[scheme](
            bucket,
            prefix=prefix,
            config=self._config,
            client_options={**_CLIENT, "allow_http": plain},
            retry_config=_RETRY,
        )

    async def put(self, path: str, source: Source, content_type: str) -> None:
        """A file of all that comes, whole and durable, or none. Takes a few parts of memory."""
        import obstore

        # A folder keeps none, and refuses them.
        kept = None if self.root is not None else {"Content-Type": content_type}
        with self._translated(path, "written"):
            if self.root is not None:
                await asyncio.to_thread(folder.make, self.root)
            await self._inside(path)
            # Cancelled, it would leave a multi-part upload open: its source stops it.
            upload = obstore.put_async(
                self._store,
                path,
                source,
                chunk_size=PART,
                max_concurrency=_PARTS_AT_ONCE,
                attributes=kept,
            )
            await to_its_end(upload, source.stop)
            if self.root is not None:
                await asyncio.to_thread(folder.settle, self.root, path)

    async def read(self, path: str, start: int, end: int) -> Bytes:
        """The bytes from `start` up to `end`, of a file that has as many. NotFound without one."""
        with self._translated(path, "read"):
            came = 0
            async with aclosing(self._chunks(path, start, end)) as chunks:
                async for chunk in chunks:
                    came += len(chunk)
                    yield chunk
        if came != end - start:
            raise StoreError(f"{path} has ended after {came} bytes of {end - start}")

    async def _chunks(self, path: str, start: int, end: int) -> Bytes:
        import obstore

        if self.root is not None:
            # The driver reads a folder 8 KiB at a time: more than twenty times as slow.
            with await asyncio.to_thread(folder.opened, self.root, path, start) as file:
                while chunk := await asyncio.to_thread(file.read, min(_CHUNK, end - start)):
                    yield chunk
                    start += len(chunk)
            return
        got = await obstore.get_async(self._store, path, options={"range": (start, end)})
        async for some in got.stream(min_chunk_size=_CHUNK):
            yield bytes(some)

    async def size(self, path: str) -> int | None:
        """In bytes; None: there is no such file."""
        import obstore

        try:
            with self._translated(path, "looked at"):
                await self._inside(path)
                head = await obstore.head_async(self._store, path)
                return int(head["size"])
        except NotFound:
            return None

    async def remove(self, path: str, *, known: bool = True) -> None:
        """The file, and on a folder what an upload that was cut off has left; nothing where there
        is none, or where a file of this path cannot be. A folder that is not there is away, unless
        nobody has `known` it yet."""
        with suppress(NotFound), self._translated(path, "removed"):
            if self.root is not None:
                if known:
                    self._need_root()
                await asyncio.to_thread(folder.remove, self.root, path)
            else:
                await self._remove(path)

    async def _remove(self, path: str) -> None:
        import obstore

        try:
            await obstore.delete_async(self._store, path)
        except FileNotFoundError:  # it is not there, or the bucket is not
            async for _ in self.list():
                return

    async def sign(self, path: str, expires: timedelta) -> str | None:
        """A URL that gives the file to whoever has it; None where that cannot be made."""
        import obstore

        if self._parts.scheme not in _OPTIONS:
            return None
        with self._translated(path, "signed"):
            return await obstore.sign_async(self._store, "GET", path, expires)

    async def list(self) -> AsyncIterator[list[str]]:
        """The paths of all files, some at a time; on a folder also of what is not whole."""
        import obstore

        with self._translated("", "listed"):
            if self.root is not None:
                yield await asyncio.to_thread(lambda root: [*folder.walk(root)], self.root)
                return
            async for some in obstore.list(self._store):
                yield [meta["path"] for meta in some]

    async def _inside(self, path: str) -> None:
        if self.root is None:
            return
        self._need_root()
        await asyncio.to_thread(folder.place, self.root, path)

    def _need_root(self) -> None:
        if self.root is not None and not self.root.is_dir():
            raise StoreUnavailable(f"{self.root.as_uri()} is not there")

    @contextmanager
    def _translated(self, path: str, done: str) -> Iterator[None]:
        from obstore import exceptions

        where = f"{self._parts.scheme}://{self._parts.netloc}{self._parts.path}"
        try:
            yield
        except (CallstoreError, Broken):
            raise
        except FileNotFoundError as error:
            if done == "written":
                raise StoreUnavailable(f"{where} is not there: {_first_line(error)}") from error
            raise NotFound("recording file", path) from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise StoreError(f"{where} refuses the key: {_first_line(error)}") from error
        except (PermissionError, IsADirectoryError) as error:  # of this one: others may go
            raise StoreError(f"{path or where} cannot be {done}: {_first_line(error)}") from error
        except Exception as error:
            # The driver's panics have no class that could be named.
            if isinstance(error, ValueError) and done != "written":  # a path that cannot be
                raise NotFound("recording file", path) from error
            said = f"{path or where} cannot be {done}: {_first_line(error)}"
            raise StoreUnavailable(said) from error


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:300]


def _config(parts: SplitResult) -> dict[str, Any]:
    """What the URL's options say, in the words of the driver."""
    options, config = _OPTIONS.get(parts.scheme, {}), {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in options:
            known = ", ".join(options) or "none"
            said = f"{name!r} is no option of {parts.scheme}:, which has {known}"
            raise Invalid.field("/recordings", said)
        try:
            key, config_value = options[name](value)
        except ValueError as error:
            raise Invalid.field("/recordings", f"{name} {error}") from None
        if key in config:
            raise Invalid.field("/recordings", f"{name} is there twice")
        config[key] = config_value
    return config


def _parts(url: object) -> SplitResult:
    if not isinstance(url, str) or "\0" in url or "%00" in url or url.strip() != url:
        raise Invalid.field("/recordings", "must be a URL such as file:///var/calls")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise Invalid.field("/recordings", f"is no URL: {error}") from None
    if url == "memory:":
        return parts
    if parts.scheme not in ("file", *_OPTIONS):
        said = f"{parts.scheme + ':'!r} is none of file:, s3:, gs:, az:, memory:"
        raise Invalid.field("/recordings", said)
    path = unquote(parts.path)
    if "#" in url or {".", ".."} & {*path.split("/")}:
        raise Invalid.field("/recordings", "must have no # and no . or .. in it")
    if parts.scheme == "file":
        if parts.netloc or not path.startswith("/") or not path.strip("/"):
            raise Invalid.field("/recordings", "a folder is file:///path, with three slashes")
    elif not _BUCKET.match(parts.netloc):
        raise Invalid.field("/recordings", f"must be {parts.scheme}://bucket/prefix, without a key")
    return parts
