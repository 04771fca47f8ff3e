"""Real processes that work on one store at the same time."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
Worker = subprocess.Popen[str]


@contextmanager
def workers(task: str, url: str, arguments: Sequence[dict[str, Any]]) -> Iterator[list[Worker]]:
    """One process for each of `arguments`, ready to go; all are gone afterwards."""
    started = [
        subprocess.Popen(
            [sys.executable, str(WORKER), task, url, json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for given in arguments
    ]
    try:
        for worker in started:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        yield started
    finally:
        for worker in started:
            worker.kill()
            worker.communicate()


def go(worker: Worker) -> None:
    assert worker.stdin is not None
    worker.stdin.write("go\n")
    worker.stdin.flush()


def race(task: str, url: str, arguments: Sequence[dict[str, Any]]) -> list[list[list[str]]]:
    """What each process got, when all were told to go at once."""
    with workers(task, url, arguments) as started:
        for worker in started:
            go(worker)
        answers = [worker.communicate()[0] for worker in started]
        assert [worker.returncode for worker in started] == [0] * len(started)
    return [json.loads(answer) for answer in answers]


def kinds(results: list[list[list[str]]]) -> dict[str, int]:
    return dict(Counter(kind for one in results for kind, _ in one))


def ids(results: list[list[list[str]]], *kinds: str) -> set[str]:
    return {id for one in results for kind, id in one if kind in kinds}
