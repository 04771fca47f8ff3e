"""Who holds a lease is known to be gone once its process is, and never before."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from callstore import open_calls
from callstore.schema.model import Lease
from callstore.stores import holders
from callstore.stores.holders import is_gone, new_holder
from callstore.stores.leases import LEASE_FOR, take
from callstore.testing import FakeClock

SAY = "from callstore.stores.holders import new_holder; print(new_holder(), flush=True); input()"


def give(lease: Lease, _: Lease | None) -> Lease:
    return lease


@pytest.fixture
def linux() -> None:
    if not os.path.exists("/proc/self/stat"):
        pytest.skip("the kernel tells nothing of processes")


def test_this_process_is_there() -> None:
    assert not is_gone(new_holder())
    assert new_holder() != new_holder()


def test_a_process_is_gone_once_it_was_killed(linux: None) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        holder = process.stdout.readline().strip()
        assert not is_gone(holder)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie, until it is reaped
        assert is_gone(holder)
    assert is_gone(holder)


def test_another_of_the_same_id_is_not_the_same(linux: None) -> None:
    machine, pid, started, token = new_holder().split(" ")
    assert is_gone(" ".join([machine, pid, str(int(started) - 1), token]))
    assert not is_gone(" ".join(["another/1", pid, str(int(started) - 1), token]))
    assert not is_gone(" ".join(["", pid, "", token]))


@pytest.fixture
def other_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc that tells of this process only, as one that hides those of others does."""
    own = tmp_path / str(os.getpid())
    (own / "ns").mkdir(parents=True)
    (own / "ns" / "pid").touch()
    (own / "stat").write_text(f"{os.getpid()} (x) S " + " ".join(map(str, range(40))))
    (tmp_path / "self").symlink_to(own.name)
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("a-boot")
    monkeypatch.setattr(holders, "_PROC", tmp_path)
    return tmp_path


def test_who_is_hidden_is_not_taken_for_dead(other_proc: Path) -> None:
    machine, _, started, token = new_holder().split(" ")
    assert not is_gone(f"{machine} {os.getppid()} {started} {token}")
    assert is_gone(f"{machine} {2**22 + 1} {started} {token}")  # past what a kernel gives


def test_where_proc_is_of_another_namespace_nobody_can_tell(other_proc: Path) -> None:
    (other_proc / "self").unlink()
    (other_proc / "self").symlink_to("1")
    machine, *_ = new_holder().split(" ")
    assert machine == ""
    assert not is_gone(new_holder())


@pytest.mark.parametrize("holder", ["", "other", "a b c d", "0f" * 8])
def test_of_a_name_that_says_nothing_nobody_can_tell(holder: str) -> None:
    assert not is_gone(holder)


async def test_what_a_dead_process_held_is_free_at_once(linux: None) -> None:
    clock = FakeClock()
    machine, pid, started, token = new_holder().split(" ")
    dead = " ".join([machine, pid, str(int(started) - 1), token])
    async with open_calls("memory:", clock=clock) as calls:
        for holder, taken in (("another's", False), (dead, True)):
            held = Lease(
                id="x",
                holder=holder,
                until=clock() + LEASE_FOR,
                watching_since=None,
                last_run_at=clock(),
            )
            await calls._store.change_lease("x", partial(give, held))
            found = await calls._store.change_lease("x", take("x", "me", clock(), is_gone))
            assert (found is not None) == taken
