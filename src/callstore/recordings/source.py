"""A stream on its way into object storage: counted, hashed and checked as it goes by."""

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator

from callstore.errors import Invalid

_PIECE = 1024 * 1024  # bytes hashed and handed on at once: the loop must not wait long


class Source:
    """An async iterator of at most 1 MiB at a time. What is wrong with the stream (Invalid) is
    raised before its end, as is what goes wrong with it: nothing of it becomes a file then."""

    def __init__(
        self, stream: AsyncIterable[bytes], *, size: int | None, sha256: str | None
    ) -> None:
        self._stream = aiter(stream)
        self._announced = size
        self._promised = sha256
        self._hash = hashlib.sha256()
        self._left = memoryview(b"")  # of the last chunk
        self._pulling: asyncio.Task[bytes | object] | None = None
        self._begun = self._stopped = False
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    async def begin(self) -> None:
        """Invalid if it is empty."""
        if not await self._pull():
            raise Invalid.field("/stream", "is empty")

    def stop(self) -> None:
        """Whoever waits for more, or asks for it later, gets Broken."""
        self._stopped = True
        if self._pulling is not None:
            self._pulling.cancel()

    async def aclose(self) -> None:
        """What the stream holds is let go now, not when somebody collects garbage; one that nothing
        was taken of can be put again."""
        if self._begun and (close := getattr(self._stream, "aclose", None)) is not None:
            await close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left and not await self._pull():
            self._check_end()
            raise StopAsyncIteration
        piece, self._left = bytes(self._left[:_PIECE]), self._left[_PIECE:]
        self._hash.update(piece)
        return piece

    async def _pull(self) -> bool:
        """Whether there is more; empty chunks are passed over."""
        while not self._left:
            if self._stopped:
                raise Broken(asyncio.CancelledError())
            self._begun = True
            self._pulling = asyncio.create_task(_next(self._stream))
            try:
                chunk = await self._pulling
            except asyncio.CancelledError:
                if self._stopped:
                    raise Broken(asyncio.CancelledError()) from None
                raise
            except Exception as error:
                raise Broken(error) from error
            finally:
                self._pulling = None
            if chunk is _END:
                return False
            if not isinstance(chunk, bytes | bytearray | memoryview):
                raise Invalid.field("/stream", "must be an async stream of bytes")
            self._left = memoryview(chunk).cast("B")
            self.size += len(self._left)
            if self._announced is not None and self.size > self._announced:
                raise Invalid.field("/size", f"is {self._announced}, but more bytes came")
        return True

    def _check_end(self) -> None:
        if self._announced is not None and self.size != self._announced:
            raise Invalid.field("/size", f"is {self._announced}, but {self.size} bytes came")
        if self._promised is not None and self._promised != self.sha256:
            raise Invalid.field("/sha256", f"is not that of what came, which is {self.sha256}")


class Broken(Exception):
    """The stream was stopped, or raised `cause`."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(repr(cause))
        self.cause = cause


_END = object()


async def _next(stream: AsyncIterator[bytes]) -> bytes | object:
    return await anext(stream, _END)  # no task can carry StopAsyncIteration
