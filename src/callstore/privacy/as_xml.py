"""An export as one XML document, a piece at a time. Pure.

A field is an element of its name, null is none, a list holds elements of its name's singular, a
mapping `entry` elements with a key. Of what may be any JSON value, a text stands as it is and the
rest as JSON; in a mapping to such values all are JSON. The manifest is the last line.
"""

import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, get_args
from xml.sax.saxutils import escape, quoteattr

import msgspec
from msgspec import UNSET, Struct

from callstore.privacy.exported import SCHEMA, Manifest, singular

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACED = "\ufffd"
_KEPT = {"\r": "&#13;"}  # else a parser makes it a line's end


class XmlWriter:
    """Gives the bytes of what it is told, in the order of the document's fields."""

    def begin(self) -> bytes:
        return b'<?xml version="1.0" encoding="UTF-8"?>\n<export xmlns="%b">\n' % SCHEMA.encode()

    def end(self, manifest: Manifest) -> bytes:
        return element("manifest", manifest).encode() + b"</export>\n"

    def before_end(self) -> bytes:
        return b""

    def field(self, name: str, value: Any) -> bytes:
        written = element(name, value)
        return f"{written}\n".encode() if written else b""

    item = field

    def open(self, name: str) -> bytes:
        return f"<{name}>\n".encode()

    def close(self, name: str) -> bytes:
        return f"</{name}>\n".encode()

    open_record, close_record = open, close


def text(value: str) -> str:
    """What XML 1.0 cannot hold (control characters, U+FFFE, U+FFFF) becomes U+FFFD."""
    return escape(_NO_XML.sub(_REPLACED, value), _KEPT)


def element(name: str, value: Any, kind: Any = None) -> str:
    """Empty for null. `kind` is the field's annotation."""
    if value is None or value is UNSET:
        return ""
    if kind is Any and not isinstance(value, str):
        value = _json(value)
    return f"<{name}>{_inside(name, value, kind)}</{name}>"


def _inside(name: str, value: Any, kind: Any) -> str:
    if isinstance(value, Struct):
        return "".join(_fields(value))
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        said = _json if _holds_anything(kind) else str
        return "".join(_entry(key, said(each)) for key, each in value.items())
    if isinstance(value, list | tuple):
        return "".join(element(singular(name), each) for each in value)
    if isinstance(value, datetime):
        return str(msgspec.to_builtins(value))
    return text(_json(value))


def _entry(key: str, value: str) -> str:
    return f"<entry key={quoteattr(_NO_XML.sub(_REPLACED, key), _KEPT)}>{text(value)}</entry>"


def _fields(value: Struct) -> list[str]:
    written = []
    for attribute, name, kind, left_out in _shape(type(value)):
        given = getattr(value, attribute)
        if left_out is None or given != left_out():
            written.append(element(name, given, kind))
    return written


@cache
def _shape(kind: type[Struct]) -> list[tuple[str, str, Any, Callable[[], Any] | None]]:
    """Of each field: attribute, name, annotation, and where JSON leaves its default out, what
    makes that."""
    sparse = kind.__struct_config__.omit_defaults
    return [
        (f.name, f.encode_name, f.type, _default(f) if sparse else None)
        for f in msgspec.structs.fields(kind)
    ]


def _holds_anything(kind: Any) -> bool:
    return kind is Any or any(map(_holds_anything, get_args(kind)))


def _default(field: msgspec.structs.FieldInfo) -> Callable[[], Any] | None:
    if field.default_factory is not msgspec.NODEFAULT:
        make: Callable[[], Any] = field.default_factory
        return make
    return None if field.required else lambda: field.default


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
