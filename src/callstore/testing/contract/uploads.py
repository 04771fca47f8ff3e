"""Uploads: whole, or nothing of them is left, whatever happens on the way."""

import asyncio
import contextvars
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from callstore import Calls, errors
from callstore.calls.model import replace
from callstore.recordings.model import Recording
from callstore.testing.clock import FakeClock
from callstore.testing.contract.files import content, paths, storage
from callstore.testing.contract.races import at_once, kinds
from callstore.testing.contract.recordings import SOUND, available, stopped, stream
from callstore.testing.contract.world import ANN, Opening, answered, outcome_of


async def waits(calls: Calls, recording_id: str) -> None:
    """It has no file, nothing of one is left, and one can be put."""
    row = await calls.recordings.get(recording_id)
    assert (row.status, row.file_path, row.underway) == ("processing", "", None)
    assert (row.file_size, row.sha256) == (0, None)
    assert await paths(calls) == []
    assert (await calls.recordings.put(recording_id, stream(SOUND))).status == "available"


class TestUploads:
    @pytest.mark.parametrize(
        ("chunks", "announced", "wrong"),
        [
            ([], {}, "/stream"),
            ([b"", b""], {}, "/stream"),
            ([SOUND], {"size": len(SOUND) - 1}, "/size"),
            ([SOUND], {"size": len(SOUND) + 1}, "/size"),
            ([SOUND], {"sha256": "0" * 64}, "/sha256"),
            ([SOUND], {"sha256": "0" * 64 + "\n"}, "/sha256"),
            ([SOUND], {"sha256": "0" * 63 + "A"}, "/sha256"),
            ([SOUND], {"size": 0}, "/size"),
            ([SOUND, "text"], {}, "/stream"),
            ([SOUND, None], {}, "/stream"),
            ([SOUND] * 1000, {"sha256": "0" * 64}, "/sha256"),
        ],
    )
    async def test_what_is_not_what_was_announced_leaves_nothing(
        self, calls: Calls, chunks: list[Any], announced: dict[str, Any], wrong: str
    ) -> None:
        row = await stopped(calls)
        with pytest.raises(errors.Invalid) as refusal:
            await calls.recordings.put(row.id, stream(*chunks), **announced)
        assert [at for at, _ in refusal.value.errors] == [wrong]
        await waits(calls, row.id)

    @pytest.mark.parametrize("after", [0, 1, 1500])
    async def test_a_source_that_breaks_leaves_nothing_and_its_own_error(
        self, calls: Calls, after: int
    ) -> None:
        row = await stopped(calls)

        async def breaking() -> AsyncIterator[bytes]:
            for _ in range(after):
                yield SOUND
            raise FileNotFoundError("the mixer is gone")

        with pytest.raises(FileNotFoundError, match="mixer"):
            await calls.recordings.put(row.id, breaking())
        await waits(calls, row.id)

    @pytest.mark.parametrize("after", [0, 1, 1500])
    async def test_an_upload_that_is_cancelled_leaves_nothing(
        self, calls: Calls, after: int
    ) -> None:
        row, reached = await stopped(calls), asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(after):
                yield SOUND
            reached.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(calls.recordings.put(row.id, endless()))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await waits(calls, row.id)

    async def test_one_that_is_given_up_moves_neither_version_nor_events(
        self, calls: Calls
    ) -> None:
        row = await stopped(calls)
        ended = await calls.end(row.call_session_id)
        with pytest.raises(errors.Invalid, match="/size"):
            await calls.recordings.put(row.id, stream(SOUND), size=5)
        after = await calls.get(ended.id)
        assert (after.version, after.event_count) == (ended.version, ended.event_count)

    async def test_it_can_be_put_again_whenever_it_was_cancelled(self, calls: Calls) -> None:
        call = await answered(calls)
        for moment in range(24):
            row = await stopped(calls, call)
            task = asyncio.create_task(calls.recordings.put(row.id, stream(b"first", b"try")))
            await asyncio.sleep(moment * 0.0003)
            for _ in range(moment % 3 + 1):
                task.cancel()
                await asyncio.sleep(0)
            await asyncio.wait([task])
            row = await calls.recordings.get(row.id)
            if row.status != "available":
                row = await calls.recordings.put(row.id, stream(b"again"))
            assert await content(calls, row.id) in (b"firsttry", b"again")
        assert len(await paths(calls)) == 24

    async def test_a_stream_runs_as_a_loop_over_it_would(self, calls: Calls) -> None:
        """In one task, and until its next step nothing is held of what it gave."""
        place = contextvars.ContextVar("place", default="outside")

        async def source() -> AsyncIterator[Any]:
            buffer = bytearray()
            token = place.set("inside")
            async with asyncio.timeout(60):
                for n in range(4):
                    buffer += SOUND
                    yield memoryview(buffer)[:: n % 2 + 1]
                    buffer.clear()
            place.reset(token)

        row = await stopped(calls)
        assert (await calls.recordings.put(row.id, source())).file_size == 3 * len(SOUND)
        late = await stopped(calls, await calls.get(row.call_session_id))

        async def slow() -> AsyncIterator[bytes]:
            async with asyncio.timeout(0.01):
                yield SOUND
                await asyncio.Event().wait()

        with pytest.raises(TimeoutError):
            await calls.recordings.put(late.id, slow())

    @pytest.mark.parametrize("end", ["raises", "is no coroutine", "of another kind"])
    async def test_a_stream_that_ends_badly_hangs_nobody(self, calls: Calls, end: str) -> None:
        class Odd:
            left = 3

            def __aiter__(self) -> "Odd":
                return self

            async def __anext__(self) -> bytes:
                self.left -= 1
                if self.left:
                    return SOUND
                raise Unheard if end == "of another kind" else StopAsyncIteration

            def aclose(self) -> Any:
                if end == "raises":
                    raise OSError("cannot be closed")

        class Unheard(BaseException):
            pass

        row = await stopped(calls)
        async with asyncio.timeout(5):
            if end == "is no coroutine":
                assert (await calls.recordings.put(row.id, Odd())).status == "available"
                return
            failure = errors.StoreError if end == "of another kind" else OSError
            with pytest.raises(failure):
                await calls.recordings.put(row.id, Odd())
        await waits(calls, row.id)

    async def test_what_is_under_way_when_all_is_closed_is_given_up(self, opening: Opening) -> None:
        reached = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield SOUND
            reached.set()
            await asyncio.Event().wait()

        async with opening() as opened:
            row = await stopped(opened)
            task = asyncio.create_task(opened.recordings.put(row.id, endless()))
            await reached.wait()
            left = storage(opened)
        with pytest.raises(errors.StoreUnavailable, match="closed"):
            await task
        assert [path async for some in left.list() for path in some] == []

    async def test_a_stream_is_closed_when_its_upload_is_over_and_not_when_it_never_began(
        self, calls: Calls
    ) -> None:
        row, closed = await stopped(calls), []

        async def source() -> AsyncIterator[bytes]:
            try:
                for _ in range(3):
                    yield SOUND
            finally:
                closed.append(True)

        with pytest.raises(errors.Invalid, match="/size"):
            await calls.recordings.put(row.id, source(), size=5)
        assert closed == [True]
        other = await calls.recordings.start(row.call_session_id, ANN)
        again = source()
        with pytest.raises(errors.InvalidTransition, match="running"):
            await calls.recordings.put(other.id, again)
        assert (await calls.recordings.put(row.id, again)).file_size == 3 * len(SOUND)
        await calls.recordings.stop(other.id)

    async def test_a_sweep_leaves_an_upload_alone_for_a_day(
        self, calls: Calls, clock: FakeClock
    ) -> None:
        row, reached, go_on = await stopped(calls), asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield SOUND
            reached.set()
            await go_on.wait()
            yield SOUND

        task = asyncio.create_task(calls.recordings.put(row.id, slow()))
        await reached.wait()
        day = clock() + timedelta(days=1)
        report = await calls.sweep(now=day - timedelta(milliseconds=1))
        assert (report.finished, report.failed) == (0, 0)
        assert (await calls.recordings.get(row.id)).underway == "upload"
        assert (await calls.sweep(now=day)).finished == 1
        assert (await calls.recordings.get(row.id)).status == "failed"
        go_on.set()
        assert isinstance(await outcome_of(task), errors.Conflict | errors.StoreUnavailable)
        assert await paths(calls) == []
        assert (await calls.recordings.get(row.id)).status == "failed"

    async def test_what_is_being_deleted_is_not_put_again(self, calls: Calls) -> None:
        row = await available(calls)
        await calls._store.put_rows("CallRecording", [replace(row, underway="delete")])
        with pytest.raises(errors.InvalidTransition, match="being deleted"):
            await calls.recordings.open(row.id)
        with pytest.raises(errors.InvalidTransition, match="deleted"):
            await calls.recordings.put(row.id, stream(SOUND), sha256=row.sha256)
        assert await paths(calls) == []

    async def test_of_two_uploads_at_once_one_is_taken(self, calls: Calls) -> None:
        row = await stopped(calls)
        results = await at_once(
            calls.recordings.put(row.id, stream(*[bytes([n]) * 1000] * 50)) for n in range(5)
        )
        assert kinds(results) == {"Recording": 1, "Conflict": 4}
        (taken,) = (n for n, result in enumerate(results) if isinstance(result, Recording))
        assert await content(calls, row.id) == bytes([taken]) * 50_000
        assert len(await paths(calls)) == 1

    async def test_it_is_put_once_it_was_stopped_and_never_again(self, calls: Calls) -> None:
        call = await answered(calls)
        row = await calls.recordings.start(call.id, ANN)
        with pytest.raises(errors.InvalidTransition, match="running"):
            await calls.recordings.put(row.id, stream(SOUND))
        await calls.recordings.stop(row.id)
        done = await calls.recordings.put(row.id, stream(SOUND))
        assert await calls.recordings.put(row.id, stream(b"x"), sha256=done.sha256) == done
        with pytest.raises(errors.InvalidTransition, match="available"):
            await calls.recordings.put(row.id, stream(SOUND))
        assert await content(calls, row.id) == SOUND

    async def test_it_may_come_long_after_the_call(self, calls: Calls, clock: FakeClock) -> None:
        row = await stopped(calls)
        ended = await calls.end(row.call_session_id)
        clock.advance(86_399)
        await calls.recordings.put(row.id, stream(SOUND), content_type="audio/webm; codecs=opus")
        after = await calls.get(row.call_session_id)
        assert (after.version, after.ended_at) == (ended.version + 1, ended.ended_at)
        assert (await calls.recordings.get(row.id)).content_type == "audio/webm; codecs=opus"

    @pytest.mark.parametrize(
        "kind", ["video/webm\n", "", "video", "video/", "a/b\nX-Y: z", "a/b; \x00", "ä/b"]
    )
    async def test_a_content_type_is_one(self, calls: Calls, kind: str) -> None:
        row = await stopped(calls)
        with pytest.raises(errors.Invalid, match="/content_type"):
            await calls.recordings.put(row.id, stream(SOUND), content_type=kind)
