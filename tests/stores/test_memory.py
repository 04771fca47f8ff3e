"""The contract, on SQLite in memory, which only its opener can see."""

import pytest

from callstore.testing.contract import *  # noqa: F403

del TestSeveralOpeners, TestSweepLease  # noqa: F821


@pytest.fixture
def store_url() -> str:
    return "memory:"
