"""Who holds a lease, by a name that tells on the same machine whether it is still there."""

import os
import secrets
from pathlib import Path

_PROC = Path("/proc")


def new_holder() -> str:
    """A name for this process, another each time."""
    return f"{_machine()} {os.getpid()} {_started('self')} {secrets.token_hex(8)}"


def is_gone(holder: str) -> bool:
    """Whether it is a process of this machine that has ended for certain: no process has its id, or
    one that began at another time (ids are used again), or it waits to be reaped. Of another
    machine's, and where the kernel does not tell, nobody knows: its lease has to run out.

    Machines that were copied while they ran are taken for one until they boot again.
    """
    match holder.split(" "):
        case [machine, pid, started, _] if machine and started and machine == _machine():
            now = _started(pid)
            return _is_free(int(pid)) if now is None else now != started
    return False


def _machine() -> str:
    """The boot, and the namespace that process ids are of; empty where /proc is not about it."""
    try:
        if os.readlink(_PROC / "self") != str(os.getpid()):
            return ""
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: str) -> str | None:
    """When, since the boot; empty for one that only waits to be reaped (proc(5), stat: fields 3 and
    22). None: it is not told, which may be because it is another user's."""
    try:
        state, *fields = (_PROC / pid / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "" if state in "ZX" else fields[18]


def _is_free(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it is there, and not ours
    return False
