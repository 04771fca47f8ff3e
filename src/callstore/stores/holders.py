"""Who holds a lease, by a name that tells on the same machine whether it is still there."""

import os
import secrets
from pathlib import Path

_PROC = Path("/proc")


def new_holder() -> str:
    """A name for this process, another each time."""
    pid = os.getpid()
    return f"{_machine()} {pid} {_started(pid)} {secrets.token_hex(8)}"


def is_gone(holder: str) -> bool:
    """Whether it is a process of this machine that has ended. Of another machine's, and where the
    kernel says nothing of processes, nobody can tell: its lease has to run out."""
    match holder.split(" "):
        case [machine, pid, started, _] if machine and machine == _machine():
            return _started(int(pid)) != started
    return False


def _machine() -> str:
    """The boot, and the namespace that process ids are of; empty where it cannot be told."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When, since the boot, for ids are used again; empty for one that has ended (proc(5), stat:
    fields 3 and 22)."""
    try:
        state, *fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]
