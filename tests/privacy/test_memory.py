"""Memory does not grow with the history, nor with a call that is long."""

import gc
import tracemalloc
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from callstore import Calls, Caption, Participant, open_calls
from callstore.calls.model import party_from_ref
from callstore.ids import id_maker
from callstore.privacy.export import ExportFormat
from callstore.quality.model import KindStats, Sample
from callstore.testing import FakeClock
from callstore.testing.contract.world import ANN, answered, row_of

Peak = tuple[int, int]
"""How many bytes were in use at once, and how many were given."""


async def peak_of(calls: Calls, party: Any, format: ExportFormat) -> Peak:
    gc.collect()
    gc.freeze()  # so that what is new is quickly collected
    tracemalloc.start()
    given = 0
    async for some in calls.privacy.export(party, format=format):
        given += len(some)
        gc.collect()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    gc.unfreeze()
    return peak, given


async def test_4000_calls_take_no_more_than_200(tmp_path: Path) -> None:
    formats: list[ExportFormat] = ["xml", "zip"]  # which has the JSON
    peaks: dict[int, list[Peak]] = {}
    for count in (400, 8000):  # half of them are hers
        async with opened(tmp_path, str(count)) as calls:
            party = party_from_ref((await calls.seed(count)).busy_party)
            for _ in range(2 if count == 400 else 1):  # something is made once
                peaks[count] = [await peak_of(calls, party, format) for format in formats]
    for few, many in zip(peaks[400], peaks[8000], strict=True):
        assert many[1] > 10 * few[1]
        assert many[0] < 1.3 * few[0] + 200_000


def opened(folder: Path, name: str) -> AbstractAsyncContextManager[Calls]:
    return open_calls(
        f"sqlite:///{folder}/{name}.db", recordings="memory:", settings={"secret": "s"}
    )


async def test_a_call_of_20000_samples_and_captions_takes_no_more_than_one_of_2000(
    tmp_path: Path,
) -> None:
    clock, peaks = FakeClock(), {}
    for count in (2000, 20_000):
        async with opened(tmp_path, str(count)) as calls:
            call = await answered(calls)
            row = await row_of(calls, call.id, ANN)
            await calls._store.add_rows(rows_of(row, count, clock()))
            peaks[count] = await peak_of(calls, ANN, "json")
    assert peaks[20_000][1] > 9 * peaks[2000][1]
    assert peaks[20_000][0] < 1.3 * peaks[2000][0] + 200_000


def rows_of(row: Participant, count: int, at: datetime) -> dict[str, list[Any]]:
    new_id, times = id_maker(), [at + timedelta(milliseconds=n) for n in range(count)]
    own: dict[str, Any] = {
        "conversation_id": row.conversation_id,
        "call_session_id": row.call_session_id,
        "participant_id": row.id,
    }
    said: dict[str, Any] = {"text": "word " * 20, "language": "en"}
    return {
        "CallQualitySample": [
            Sample(id=new_id(), at=at, audio=KindStats(packets_received=7), **own) for at in times
        ],
        "CallTranscription": [
            Caption(id=new_id(), segment_id=str(n), timestamp=at, created_at=at, **said, **own)
            for n, at in enumerate(times)
        ],
    }
