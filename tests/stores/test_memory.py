"""The contract, on SQLite in memory, which only its opener can see."""

from collections.abc import Callable

import pytest

from callstore.testing.contract import *  # noqa: F403

del TestSeveralOpeners, TestSweepLease  # noqa: F821


@pytest.fixture  # type: ignore[no-redef] # the contract's is a folder
def files_url() -> str:
    return "memory:"


@pytest.fixture
def fresh_store() -> Callable[[], str]:
    return lambda: "memory:"
