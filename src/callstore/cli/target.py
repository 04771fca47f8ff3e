"""A file that is made, and is there when it is whole."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from callstore.cli.app import Failed


class Target:
    """Under another name until it is whole; nothing that is there is written over."""

    def __init__(self, output: str | None) -> None:
        """`output` is the file, or a folder for it; None: here."""
        self._output = output
        self.path = self._partial = Path()

    def open(self, name: str) -> BinaryIO:
        """`name` is the file's where nobody has said another."""
        self.path = Path(name if self._output is None else self._output)
        if self.path.is_dir():
            self.path /= name
        if self.path.exists():
            raise Failed("file_exists", f"{self.path} is there already; --output names another")
        made, partial = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        self._partial = Path(partial)
        return os.fdopen(made, "wb")

    def finish(self) -> None:
        if self.path.exists():
            raise Failed("file_exists", f"{self.path} has come meanwhile; --output names another")
        self._partial.chmod(0o666 & ~_umask())
        self._partial.rename(self.path)

    def give_up(self) -> None:
        with suppress(OSError):
            self._partial.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
