"""A file's bytes, as `recordings.open` gives them."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from typing import Any

Bytes = AsyncGenerator[bytes, None]


class Reading:
    """The bytes of a file, once: `async for` gives them. Awaiting it first gives itself; `aclose`
    is for who stops before the end."""

    def __init__(self, begin: Callable[[], Awaitable[Bytes]]) -> None:
        self._begin = begin
        self._bytes: Bytes | None = None

    def __await__(self) -> Generator[Any, None, "Reading"]:
        return self._begun().__await__()

    async def _begun(self) -> "Reading":
        if self._bytes is None:
            self._bytes = await self._begin()
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await self._begun()
        assert self._bytes is not None
        return await anext(self._bytes)

    async def aclose(self) -> None:
        if self._bytes is not None:
            await self._bytes.aclose()
