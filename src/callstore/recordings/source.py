"""A stream on its way into object storage: counted, hashed and checked as it goes by."""

import asyncio
import hashlib
import inspect
from collections.abc import AsyncIterable, AsyncIterator

from callstore.errors import Invalid, StoreError

_PIECE = 1024 * 1024  # bytes hashed and handed on at once: the loop must not wait long
_NONE = memoryview(b"")


class Broken(Exception):
    """The stream was stopped, or raised `cause`."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(repr(cause))
        self.cause = cause


class _End:
    """Of the stream, by `failure` or (None) its own."""

    def __init__(self, failure: BaseException | None) -> None:
        self.failure = failure


class Source:
    """An async iterator of at most 1 MiB at a time. What is wrong with the stream (Invalid) is
    raised before its end, as is what goes wrong with it: nothing of it becomes a file then.

    One task runs the stream from its first to its last step, as a loop over it would: whoever asks
    for the pieces may be another each time. It goes on when its last chunk is used up.
    """

    def __init__(
        self, stream: AsyncIterable[bytes], *, size: int | None, sha256: str | None
    ) -> None:
        self._stream = stream
        self._announced = size
        self._promised = sha256
        self._hash = hashlib.sha256()
        self._chunks: asyncio.Queue[object] = asyncio.Queue()
        self._running: asyncio.Task[None] | None = None
        self._stopped: BaseException | None = None
        self._left = _NONE  # of the last chunk
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    async def begin(self) -> None:
        """Invalid if it is empty."""
        if not await self._pull():
            raise Invalid.field("/stream", "is empty")

    def stop(self, cause: BaseException | None = None) -> None:
        """Whoever waits for more, or asks for it later, gets Broken."""
        if self._stopped is None:  # once: what the stream does at its end is not stopped
            self._stopped = cause or asyncio.CancelledError()
            if self._running is not None:
                self._running.cancel()

    async def aclose(self) -> None:
        """What the stream holds is let go now, not when somebody collects garbage; one that nothing
        was taken of is left as it is, and can be put again."""
        if self._running is not None:
            self.stop()
            await asyncio.wait([self._running])

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left and not await self._pull():
            self._check_end()
            raise StopAsyncIteration
        piece, self._left = bytes(self._left[:_PIECE]), self._left[_PIECE:]
        if not self._left:
            self._left = _NONE  # nothing of the chunk is held any more: its maker may use it again
        self._hash.update(piece)
        return piece

    async def _pull(self) -> bool:
        """Whether there is more; empty chunks are passed over."""
        while not self._left:
            if self._stopped is not None:
                raise Broken(self._stopped)
            if self._running is None:
                self._running = asyncio.create_task(self._run())
            else:
                self._chunks.task_done()
            chunk = await self._chunks.get()
            if isinstance(chunk, _End):
                self._chunks.put_nowait(chunk)  # for whoever asks again
                if chunk.failure is not None:
                    raise Broken(chunk.failure)
                return False
            self._left = _bytes_of(chunk)
            self.size += len(self._left)
            if self._announced is not None and self.size > self._announced:
                raise Invalid.field("/size", f"is {self._announced}, but more bytes came")
        return True

    async def _run(self) -> None:
        failure: BaseException | None = StoreError("the stream did not come to its end")
        try:
            failure = await self._steps()
            failure = await self._close() or failure
        finally:  # whatever else it raises: somebody waits for its end
            self._chunks.put_nowait(_End(self._stopped or failure))

    async def _steps(self) -> BaseException | None:
        """What the stream has failed with."""
        try:
            async for chunk in self._stream:
                self._chunks.put_nowait(chunk)
                del chunk
                await self._chunks.join()
                if self._stopped:
                    break
        except asyncio.CancelledError as error:
            return error if self._stopped else await self._cancelled(error)
        except Exception as error:  # noqa: BLE001 - it is the caller's
            return error
        return None

    async def _close(self) -> BaseException | None:
        try:
            closed = getattr(self._stream, "aclose", lambda: None)()
            if inspect.isawaitable(closed):
                await closed
        except Exception as error:  # noqa: BLE001 - it is the caller's
            return error
        return None

    async def _cancelled(self, error: asyncio.CancelledError) -> BaseException:
        """What a generator makes of a cancellation of its own that came while its last chunk was
        used up: a timeout around a `yield` makes TimeoutError of it."""
        try:
            if (throw := getattr(self._stream, "athrow", None)) is not None:
                await throw(error)
        except Exception as made:  # noqa: BLE001 - it is the caller's
            return made
        except asyncio.CancelledError:
            pass
        return StoreError("the stream has cancelled itself")

    def _check_end(self) -> None:
        if self._announced is not None and self.size != self._announced:
            raise Invalid.field("/size", f"is {self._announced}, but {self.size} bytes came")
        if self._promised is not None and self._promised != self.sha256:
            raise Invalid.field("/sha256", f"is not that of what came, which is {self.sha256}")


def _bytes_of(chunk: object) -> memoryview:
    if isinstance(chunk, bytes | bytearray | memoryview):
        try:
            whole = memoryview(chunk)
            return whole.cast("B") if whole.c_contiguous else memoryview(whole.tobytes())
        except ValueError:
            pass  # it was released
    raise Invalid.field("/stream", "must be an async stream of bytes")
