"""The contract, on a MongoDB replica set."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from callstore.testing.contract import *  # noqa: F403
from callstore.testing.contract.machine import check_calls
from callstore.testing.contract.moves import QUICK


@pytest.fixture
def fresh_store(fresh_mongo: Callable[[], str]) -> Callable[[], str]:
    return fresh_mongo


class TestLives:  # type: ignore[no-redef] # in place of the contract's
    def test_random_lives_go_as_in_the_plain_model(self, fresh_store: Callable[[], str]) -> None:
        """A quarter of the hundred: on a database of its own each takes seconds."""
        check_calls(fresh_store, replace(QUICK, lives=25))
