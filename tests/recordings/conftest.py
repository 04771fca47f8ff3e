"""A real S3 API on loopback, in a process of its own, and buckets of it."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from botocore.config import Config  # type: ignore[import-untyped]

KEY = {"AWS_ACCESS_KEY_ID": "a-key", "AWS_SECRET_ACCESS_KEY": "its-secret"}
_numbers = itertools.count()


@contextmanager
def s3_server(**env: str) -> Iterator[str]:
    """Its address."""
    code = (
        "import sys; from moto.server import ThreadedMotoServer as S;"
        "s = S(ip_address='127.0.0.1', port=0, verbose=False); s.start();"
        "print('http://%s:%s' % s.get_host_and_port(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **env},
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().decode().strip()
        finally:
            server.kill()


def s3_client(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEY["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"max_attempts": 1}),
    )


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)


class Bucket:
    """A new bucket, as callstore is told of it and as another client sees it."""

    def __init__(self, endpoint: str) -> None:
        self.client = s3_client(endpoint)
        self.name = f"bucket-{next(_numbers)}"
        self.client.create_bucket(Bucket=self.name)
        self.url = f"s3://{self.name}/calls?endpoint={endpoint}&region=us-east-1"

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name)
        return [each["Key"] for each in found.get("Contents", [])]

    def uploads(self) -> list[str]:
        """The multi-part uploads that are open."""
        found = self.client.list_multipart_uploads(Bucket=self.name)
        return [each["Key"] for each in found.get("Uploads", [])]


@pytest.fixture
def bucket(s3: str) -> Bucket:
    return Bucket(s3)


@pytest.fixture
def fresh_store(tmp_path: Path) -> Callable[[], str]:
    return lambda: f"sqlite:///{tmp_path}/{next(_numbers)}.db"
