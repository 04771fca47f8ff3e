"""An exported XML document, read back by the shapes that it is of."""

import json
import xml.etree.ElementTree as ET
from typing import Any

import msgspec
from msgspec import inspect

from callstore.privacy.exported import SCHEMA, Document


def document(content: bytes) -> Document:
    root = ET.fromstring(content)
    assert root.tag == _named("export")
    kind = inspect.type_info(Document)
    return msgspec.convert(_value(root, kind), Document, strict=False)


def _named(name: str) -> str:
    return f"{{{SCHEMA}}}{name}"


def _value(element: ET.Element, kind: inspect.Type) -> Any:
    if isinstance(kind, inspect.UnionType):
        (kind,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
    if isinstance(kind, inspect.StructType):
        found = {f.encode_name: element.find(_named(f.encode_name)) for f in kind.fields}
        assert [child.tag for child in element] == [e.tag for e in found.values() if e is not None]
        return {
            field.encode_name: None if each is None else _value(each, field.type)
            for field in kind.fields
            for each in [found[field.encode_name]]
            if each is not None or field.required or field.default is None
        }
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return [_value(child, kind.item_type) for child in element]
    if isinstance(kind, inspect.DictType):
        anything = isinstance(kind.value_type, inspect.AnyType)
        read = json.loads if anything else str
        return {child.attrib["key"]: read(child.text or "") for child in element}
    return element.text or ""
