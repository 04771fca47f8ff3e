"""The contract, on an SQLite file."""

from pathlib import Path

import pytest

from callstore.testing.contract import *  # noqa: F403


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/calls.db"
