"""Bytes that are read as they are asked for: a recording's, an export's."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from typing import Any, Self

Bytes = AsyncGenerator[bytes, None]


class Reading:
    """The bytes, once: `async for` gives them. Awaiting it first gives itself, and raises what is
    wrong; `aclose` is for who stops before the end."""

    def __init__(self, begin: Callable[[], Awaitable[Bytes]]) -> None:
        self._begin = begin
        self._bytes: Bytes | None = None

    def __await__(self) -> Generator[Any, None, Self]:
        return self._begun().__await__()

    async def _begun(self) -> Self:
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
