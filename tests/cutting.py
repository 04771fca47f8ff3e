"""A process that is killed at one step further in each of its lives, until it comes through."""

import asyncio
import functools
import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


class Steps:
    """A step begins and ends; at the one whose turn it is, the process is killed."""

    def __init__(self, last: int) -> None:
        self.left = last

    def tick(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def cut(self, owner: Any, names: Iterable[str]) -> None:
        """Each of these is a step from now on."""
        for name in names:
            self._cut(owner, name)

    def _cut(self, owner: Any, name: str) -> None:
        work = getattr(owner, name)

        @functools.wraps(work)
        async def cut_async(*args: Any, **options: Any) -> Any:
            self.tick()
            done = await work(*args, **options)
            self.tick()
            return done

        @functools.wraps(work)
        def cut(*args: Any, **options: Any) -> Any:
            self.tick()
            done = work(*args, **options)
            self.tick()
            return done

        setattr(owner, name, cut_async if inspect.iscoroutinefunction(work) else cut)


def live_on(life: Callable[[Steps, str], Awaitable[None]], ids: Sequence[str]) -> None:
    """Each life has an id of its own, and is a fork of a process that has imported everything and
    opened nothing. Says how many lives it took."""
    for last, id in enumerate(ids, 1):
        pid = os.fork()
        if pid == 0:
            asyncio.run(life(Steps(last), id))  # type: ignore[arg-type]
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            continue
        if status != 0:
            sys.exit(f"life {last} ended with {status}")
        sys.stdout.write(str(last))
        return
    sys.exit("there were too few")


def lives(module: str, *args: str) -> int:
    """How many it took; all but the last were killed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *args],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
