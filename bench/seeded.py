"""A database of realistic calls, by `callstore seed` as a process of its own."""

import os
import subprocess
import time
from dataclasses import dataclass

from bench.harness import NotMeasured
from bench.help import command


@dataclass(frozen=True)
class Seeding:
    """What it took."""

    seconds: float
    cpu: float  # seconds
    peak: int  # bytes of memory


def seed(store: str, calls: int) -> Seeding:
    """NotMeasured where the command fails; it says why on stderr."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [command(), "--store", store, "seed", "--calls", str(calls)],
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise NotMeasured(f"`callstore seed` ended with {process.returncode}")
    return Seeding(
        seconds=time.perf_counter() - began,
        cpu=used.ru_utime + used.ru_stime,
        peak=used.ru_maxrss * 1024,
    )
