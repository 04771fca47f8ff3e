"""An export as one JSON document, a piece at a time. Pure.

Everything stands on lines of its own; the manifest is the last one.
"""

from typing import Any

import msgspec

from callstore.privacy.exported import Manifest

_encode = msgspec.json.encode


class JsonWriter:
    """Gives the bytes of what it is told, in the order of the document's fields."""

    def __init__(self) -> None:
        self._first = True

    def begin(self) -> bytes:
        return b"{"

    def end(self, manifest: Manifest) -> bytes:
        """The last line, and what belongs between it and the rest is in `before_end`."""
        return b'"manifest":%b}\n' % _encode(manifest)

    def before_end(self) -> bytes:
        return b",\n"

    def field(self, name: str, value: Any) -> bytes:
        return self._after(b'"%b":%b' % (name.encode(), _encode(value)))

    def open(self, name: str) -> bytes:
        """A list of that name."""
        begun = self._after(b'"%b":[' % name.encode())
        self._first = True
        return begun

    def close(self, name: str) -> bytes:  # noqa: ARG002 - as the other writer
        self._first = False
        return b"]"

    def open_record(self, name: str) -> bytes:  # noqa: ARG002
        """One of a list that is written field by field."""
        begun = self._after(b"{")
        self._first = True
        return begun

    def close_record(self, name: str) -> bytes:  # noqa: ARG002
        self._first = False
        return b"}"

    def item(self, name: str, value: Any) -> bytes:  # noqa: ARG002
        return self._after(_encode(value))

    def _after(self, written: bytes) -> bytes:
        comma = b"\n" if self._first else b",\n"
        self._first = False
        return comma + written
