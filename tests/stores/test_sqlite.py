"""The contract, on SQLite files."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from callstore.testing.contract import *  # noqa: F403


@pytest.fixture
def fresh_store(tmp_path: Path) -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"sqlite:///{tmp_path}/{next(numbers)}.db"
