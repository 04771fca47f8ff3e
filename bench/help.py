"""`callstore --help` as a process of its own."""

import subprocess
import sys
import time
from pathlib import Path

from bench.harness import Figure, NotMeasured, Options, at_most, percentile

COMMAND = Path(sys.executable).with_name("callstore")


def command() -> str:
    """The installed command; NotMeasured where it does not run."""
    try:
        done = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotMeasured(f"{COMMAND} cannot be started: {error.strerror}") from None
    if done.returncode:
        raise NotMeasured(f"`callstore --help` fails: {done.stderr.strip().splitlines()[-1]}")
    return str(COMMAND)


def _once(name: str) -> float:
    began = time.perf_counter()
    subprocess.run([name, "--help"], stdout=subprocess.DEVNULL, check=True)
    return 1e3 * (time.perf_counter() - began)


def run(options: Options) -> list[Figure]:
    name = command()
    times = [_once(name) for _ in range(options.rounds)]
    return [
        Figure("callstore --help, best", min(times), "ms", at_most(200)),
        Figure("callstore --help, median", percentile(times, 0.5), "ms"),
    ]
