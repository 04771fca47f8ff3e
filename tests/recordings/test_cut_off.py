"""kill -9 at every step of put and delete: after the next sweep nothing is half there."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.cutting import lives
from tests.recordings.conftest import Bucket

from callstore import Calls, open_calls
from callstore.testing.contract.files import content, paths
from callstore.testing.contract.recordings import available, stopped
from callstore.testing.contract.world import answered

CUT = "tests.recordings.cut"
LIVES = 40


@pytest.fixture(params=["sqlite, folder", "mongodb, s3"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The URLs of a store and of object storage."""
    if request.param == "sqlite, folder":
        return f"sqlite:///{tmp_path}/calls.db", (tmp_path / "files").as_uri()
    bucket: Bucket = request.getfixturevalue("bucket")
    return request.getfixturevalue("empty_mongo"), bucket.url


def there(recordings: str) -> list[str]:
    """All that is in a folder, by the file system's own account."""
    root = Path(urlsplit(recordings).path)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def check_nothing_is_half_there(calls: Calls, call_id: str, recordings: str) -> list[str]:
    """After a sweep; gives which state each recording is in."""
    report = await calls.sweep()  # at once: the dead are known on their own machine
    assert report.failed == 0
    assert (await calls.sweep()).finished == 0
    assert (await calls.doctor()).findings == []
    rows = await calls.recordings.list(call_id)
    assert {row.underway for row in rows} == {None}
    listed = await paths(calls)
    assert sorted(listed) == sorted(row.file_path for row in rows if row.file_path)
    if recordings.startswith("file:"):
        assert there(recordings) == sorted(listed)
    for row in rows:
        assert (row.status == "available") == bool(row.file_path)
        if row.status == "available":
            assert len(await content(calls, row.id)) == row.file_size
    return [row.status for row in rows]


async def test_put(places: tuple[str, str]) -> None:
    store, recordings = places
    async with open_calls(store, recordings=recordings) as calls:
        call = await answered(calls)
        rows = [await stopped(calls, call) for _ in range(LIVES)]
    took = await asyncio.to_thread(lives, CUT, "put", *places, *(row.id for row in rows))
    assert took > 15
    async with open_calls(store, recordings=recordings) as calls:
        states = await check_nothing_is_half_there(calls, call.id, recordings)
        # Up to the one that was killed when it was committed; the last came through.
        committed = states.index("available")
        assert 10 < committed < took
        assert states[:took] == ["processing"] * committed + ["available"] * (took - committed)


async def test_delete(places: tuple[str, str]) -> None:
    store, recordings = places
    async with open_calls(store, recordings=recordings) as calls:
        call = await answered(calls)
        rows = [await available(calls, call=call) for _ in range(LIVES)]
    took = await asyncio.to_thread(lives, CUT, "delete", *places, *(row.id for row in rows))
    assert took > 6
    async with open_calls(store, recordings=recordings) as calls:
        states = await check_nothing_is_half_there(calls, call.id, recordings)
        # Up to the one that was killed when it was said that the file is to go.
        said = states.index("deleted")
        assert 0 < said < took
        assert states[:took] == ["available"] * said + ["deleted"] * (took - said)
