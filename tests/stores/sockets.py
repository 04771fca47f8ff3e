"""PyMongo leaves a socket to the collector where it is cancelled while it connects. Where no member
answers that is expected: such sockets are collected by the test that knows why they are open."""

import gc
from collections.abc import Iterator

import pytest

LEFT_OPEN = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    yield
    gc.collect()
