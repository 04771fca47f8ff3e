"""The contract, on SQLite in memory, which only its opener can see."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from callstore.testing.contract import *  # noqa: F403
from callstore.testing.contract.machine import check_calls
from callstore.testing.contract.moves import QUICK

del TestSeveralOpeners, TestSweepLease  # noqa: F821


@pytest.fixture  # type: ignore[no-redef] # the contract's is a folder
def files_url() -> str:
    return "memory:"


@pytest.fixture
def fresh_store() -> Callable[[], str]:
    return lambda: "memory:"


class TestLives:  # type: ignore[no-redef] # in place of the contract's
    def test_random_lives_go_as_in_the_plain_model(self, fresh_store: Callable[[], str]) -> None:
        """Forty of the hundred: a file runs the same code."""
        check_calls(fresh_store, replace(QUICK, lives=40))
