"""The contract, on a MongoDB replica set."""

from collections.abc import Callable

import pytest

from callstore.testing.contract import *  # noqa: F403


@pytest.fixture
def fresh_store(fresh_mongo: Callable[[], str]) -> Callable[[], str]:
    return fresh_mongo
