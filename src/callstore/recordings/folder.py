"""What object storage does not do on a folder: durable, whole and nowhere else. Blocking."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from callstore.errors import NotFound

_PARTIAL = re.compile(r"#\d+$")
"""What a file that is being written ends with, until it is whole."""


def make(root: Path) -> None:
    """It and what is above it, where that is not there, durably."""
    if root.is_dir():
        return
    make(root.parent)
    root.mkdir(exist_ok=True)
    _sync(root.parent)


def place(root: Path, path: str) -> Path:
    """Where `path` lies; NotFound where that would be outside, by whatever name or link."""
    steps = path.removeprefix("/").split("/")
    found = root.joinpath(*steps)
    if "\0" in path or {"", ".", ".."} & {*steps} or not _is_within(found, root):
        raise NotFound("recording file", path)
    return found


def _is_within(found: Path, root: Path) -> bool:
    try:
        return found.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of links
        return False


def settle(root: Path, path: str) -> None:
    """The file, its name and its folder's survive a loss of power."""
    file = place(root, path)
    _sync(file)
    for folder in (file.parent, *file.parent.parents):
        _sync(folder)
        if folder == root:
            break


def opened(root: Path, path: str, start: int) -> BinaryIO:
    """The file, to be read from there."""
    file = place(root, path).open("rb")
    file.seek(start)
    return file


def remove(root: Path, path: str) -> None:
    """The file and what an upload that was cut off has left of it, durably; and its folder, where
    that is empty then."""
    file = place(root, path)
    try:
        for name in os.listdir(file.parent):
            if whole(name) == file.name:
                (file.parent / name).unlink(missing_ok=True)
        _sync(file.parent)
    except (FileNotFoundError, NotADirectoryError):
        return
    if file.parent != root:
        with suppress(OSError):  # others are in it
            file.parent.rmdir()


def walk(root: Path) -> Iterator[str]:
    """Every file's path, those that are not whole too."""
    for folder, _, names in os.walk(root, onerror=_refuse) if root.is_dir() else ():
        for name in names:
            path = (Path(folder) / name).relative_to(root)
            yield os.fsencode(path).decode(errors="replace")


def _refuse(error: OSError) -> None:
    raise error  # what cannot be looked into is not empty


def whole(path: str) -> str:
    """The path of the file that this one is, or is being written to be."""
    return _PARTIAL.sub("", path)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
