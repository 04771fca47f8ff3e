"""What SQLite files are opened, what others are told, and that they are left as they are."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from callstore import errors, open_calls
from callstore.testing.contract.world import ANN, BOB, ROOM
from callstore.testing.data import conversation


def inside(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


async def refused(path: Path | str, kind: type[errors.StoreError]) -> errors.StoreError:
    with pytest.raises(kind) as refusal:
        async with open_calls(f"sqlite:///{path}"):
            pass
    assert type(refusal.value) is kind
    return refusal.value


@contextlib.contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Every file's bytes stay as they are, and none is left beside them."""
    before = inside(folder)
    yield
    after = inside(folder)
    assert set(after) == set(before)
    assert after == before


AS_NOBODY = """
import asyncio, os, sys
import callstore.stores.sqlite.store
from callstore import errors, open_calls
async def main():
    try:
        async with open_calls("sqlite:///" + sys.argv[1]) as calls:
            await calls.end("c" * 24)
    except errors.CallstoreError as error:
        print(type(error).__name__)
os.setuid(65534)
asyncio.run(main())
"""


def opened_as_nobody(path: Path) -> tuple[str, str]:
    """What a process without rights prints when it opens the store and works on it."""
    for above in path.parents:
        if "pytest" in above.name:  # pytest's own folders are its user's alone
            above.chmod(above.stat().st_mode | 0o055)
    # Nobody may not write coverage's data either.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-c", AS_NOBODY, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    return done.stdout, done.stderr


def overwrite(path: Path, start: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:start] + b"\xff" * (len(whole) - start))


@pytest.fixture
async def ours(tmp_path: Path) -> Path:
    """A callstore database with a call in it."""
    path = tmp_path / "calls.db"
    async with open_calls(f"sqlite:///{path}") as calls:
        await calls.start(ROOM, ANN, invite=[BOB])
    return path


class TestOurOwn:
    async def test_closing_leaves_one_file(self, ours: Path) -> None:
        assert list(inside(ours.parent)) == ["calls.db"]

    async def test_opening_and_reading_changes_no_byte(self, ours: Path) -> None:
        with untouched(ours.parent):
            async with open_calls(f"sqlite:///{ours}") as calls:
                assert await calls.live_in(ROOM)

    async def test_an_empty_file_is_a_new_database(self, tmp_path: Path) -> None:
        (tmp_path / "calls.db").touch()
        async with open_calls(f"sqlite:///{tmp_path}/calls.db") as calls:
            await calls.start(ROOM, ANN)

    @pytest.mark.parametrize("name", ["a b.db", "a?b.db", "a#b.db", "a%20b.db", "é.db", "a'b.db"])
    async def test_any_name_will_do(self, tmp_path: Path, name: str) -> None:
        async with open_calls(f"sqlite:///{tmp_path}/{name}") as calls:
            await calls.start(ROOM, ANN)
        assert list(inside(tmp_path)) == [name]

    async def test_a_relative_path_is_below_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        async with open_calls("sqlite:///calls.db"):
            pass
        assert list(inside(tmp_path)) == ["calls.db"]

    async def test_the_environment_names_the_store(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CALLSTORE_STORE", f"sqlite:///{tmp_path}/named.db")
        async with open_calls():
            pass
        assert list(inside(tmp_path)) == ["named.db"]

    async def test_it_works_on_after_a_crash_left_its_log(self, ours: Path, tmp_path: Path) -> None:
        crashed = tmp_path / "crashed"
        crashed.mkdir()
        async with open_calls(f"sqlite:///{ours}") as calls:
            await calls.start(conversation(2), ANN)
            for name in inside(tmp_path):
                shutil.copy(tmp_path / name, crashed)
        async with open_calls(f"sqlite:///{crashed}/calls.db") as calls:
            assert await calls.live_in(conversation(2))
            assert (await calls.doctor()).findings == []


class TestOthers:
    async def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("dear diary, " * 100)
        with untouched(tmp_path):
            refusal = await refused(tmp_path / "notes.txt", errors.SchemaMismatch)
        assert "notes.txt" in str(refusal)

    @pytest.mark.parametrize("journal", ["delete", "wal"])
    async def test_somebody_elses_database(self, tmp_path: Path, journal: str) -> None:
        path = tmp_path / "other.db"
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA journal_mode = {journal}")
            db.execute("CREATE TABLE t (x)")
            db.commit()
        with untouched(tmp_path):
            await refused(path, errors.SchemaMismatch)

    async def test_somebody_elses_database_while_they_write_to_it(self, tmp_path: Path) -> None:
        path = tmp_path / "other.db"
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode = wal")
            db.execute("CREATE TABLE t (x)")
            db.execute("INSERT INTO t VALUES (1)")
            db.commit()
            before = inside(tmp_path)
            await refused(path, errors.SchemaMismatch)
            after = inside(tmp_path)
            assert set(after) == set(before)
            assert after["other.db"] == before["other.db"]
            assert after["other.db-wal"] == before["other.db-wal"]
            assert db.execute("SELECT x FROM t").fetchall() == [(1,)]

    async def test_somebody_elses_database_that_crashed(self, tmp_path: Path) -> None:
        """All of it is in the log that lies beside an empty file."""
        crashed = tmp_path / "crashed"
        crashed.mkdir()
        with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as db:
            db.execute("PRAGMA journal_mode = wal")
            db.execute("CREATE TABLE t (x)")
            for name in ("other.db", "other.db-wal"):
                shutil.copy(tmp_path / name, crashed)
        before = inside(crashed)
        await refused(crashed / "other.db", errors.SchemaMismatch)
        after = inside(crashed)
        after.pop("other.db-shm", None)  # whoever reads a log needs it
        assert after == before

    async def test_an_empty_database_that_another_application_marked(self, tmp_path: Path) -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as db:
            db.execute("PRAGMA application_id = 7")
        with untouched(tmp_path):
            await refused(tmp_path / "other.db", errors.SchemaMismatch)

    async def test_a_directory(self, tmp_path: Path) -> None:
        (tmp_path / "calls.db").mkdir()
        with untouched(tmp_path / "calls.db"):
            await refused(tmp_path / "calls.db", errors.StoreUnavailable)

    async def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        await refused(tmp_path / "missing" / "calls.db", errors.StoreUnavailable)
        assert not (tmp_path / "missing").exists()

    async def test_a_path_through_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with untouched(tmp_path):
            await refused(tmp_path / "file" / "calls.db", errors.StoreUnavailable)

    async def test_a_name_that_is_too_long(self, tmp_path: Path) -> None:
        await refused(tmp_path / ("x" * 300), errors.StoreUnavailable)

    async def test_a_name_that_is_no_text(self, tmp_path: Path) -> None:
        with pytest.raises(errors.CallstoreError):
            async with open_calls(f"sqlite:///{tmp_path}/\ud800.db"):
                pass
        assert inside(tmp_path) == {}

    async def test_a_path_with_doubled_slashes_is_that_file(self, tmp_path: Path) -> None:
        async with open_calls(f"sqlite:////{tmp_path}//calls.db") as calls:
            await calls.start(ROOM, ANN)
        assert list(inside(tmp_path)) == ["calls.db"]

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")
    @pytest.mark.parametrize(("mode", "folder"), [(0o000, 0o777), (0o444, 0o755)])
    async def test_a_file_of_somebody_elses(self, ours: Path, mode: int, folder: int) -> None:
        os.chmod(ours, mode)
        os.chmod(ours.parent, folder)
        with untouched(ours.parent):
            assert opened_as_nobody(ours) == ("StoreUnavailable\n", "")


class TestDamaged:
    async def test_a_database_that_was_cut_off(self, ours: Path) -> None:
        os.truncate(ours, 5000)
        await refused(ours, errors.StoreUnavailable)

    async def test_a_header_with_garbage_behind_it(self, tmp_path: Path) -> None:
        (tmp_path / "calls.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 8000)
        with untouched(tmp_path):
            await refused(tmp_path / "calls.db", errors.SchemaMismatch)

    async def test_a_page_that_was_overwritten(self, ours: Path) -> None:
        """Its header is whole; what lies behind is not."""
        overwrite(ours, 4096)
        with pytest.raises(errors.StoreError):
            async with open_calls(f"sqlite:///{ours}") as calls:
                await calls.live_in(ROOM)


class TestSchemaVersions:
    def step(self, path: Path, id: int, oldest: int) -> None:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("INSERT INTO CallSchema VALUES (?, 'later', 1e12, ?)", (id, oldest))
            db.commit()

    async def test_one_that_has_moved_past_this_code_is_refused(self, ours: Path) -> None:
        self.step(ours, 99, 99)
        with untouched(ours.parent):
            refusal = await refused(ours, errors.SchemaMismatch)
        assert "99" in str(refusal)

    async def test_a_later_one_that_this_code_may_still_use_is_opened(self, ours: Path) -> None:
        self.step(ours, 99, 1)
        async with open_calls(f"sqlite:///{ours}") as calls:
            assert await calls.live_in(ROOM)

    async def test_one_that_was_never_finished_is_refused_unless_it_may_be_migrated(
        self, tmp_path: Path
    ) -> None:
        """Nothing is there but the mark: it is new."""
        path = tmp_path / "calls.db"
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA application_id = 0x63616C73")
        async with open_calls(f"sqlite:///{path}") as calls:
            await calls.start(ROOM, ANN)
