"""A server that fails when it is told to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo import MongoClient

Document = dict[str, Any]
Failing = Callable[..., Any]


@pytest.fixture
def failing(client: MongoClient[Document]) -> Failing:
    """The server fails the next `times` of a command, in a way that `data` says."""

    @contextmanager
    def failing(command: str, times: int = 1, **data: Any) -> Iterator[None]:
        how = {"failCommands": [command], "appName": "callstore", **data}
        point = {"configureFailPoint": "failCommand", "mode": {"times": times}, "data": how}
        client.admin.command(point)
        try:
            yield
        finally:
            client.admin.command({**point, "mode": "off"})

    return failing
