"""Random lives of random parties on a real store, held against a plain model of the rules."""

import tempfile
from itertools import count
from pathlib import Path

import pytest

from callstore.testing.contract.machine import calls_test, check_calls
from callstore.testing.contract.moves import QUICK

TestLivesInMemory = calls_test(lambda: "memory:", QUICK)


@pytest.mark.timeout(240)
def test_lives_on_files() -> None:
    numbers = count()
    with tempfile.TemporaryDirectory() as folder:
        check_calls(lambda: f"sqlite:///{Path(folder)}/{next(numbers)}.db", QUICK)
