"""The XML Schema of an export, made from its shapes. Pure. `export.xsd` is what it gives."""

from collections.abc import Iterator

from msgspec import Struct, inspect

from callstore.privacy.exported import SCHEMA, Document, singular

_SIMPLE: dict[type[inspect.Type], str] = {
    inspect.AnyType: "xs:string",  # a text, else JSON
    inspect.BoolType: "xs:boolean",
    inspect.DateTimeType: "xs:dateTime",
    inspect.FloatType: "xs:double",
    inspect.StrType: "xs:string",
}
_ENDLESS = 'minOccurs="0" maxOccurs="unbounded"'
_HEADER = f"""<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="{SCHEMA}"
    targetNamespace="{SCHEMA}" elementFormDefault="qualified">
  <xs:element name="export" type="{Document.__name__}"/>
"""


def xsd() -> str:
    document = inspect.type_info(Document)
    assert isinstance(document, inspect.StructType)
    found: dict[type[Struct], inspect.StructType] = {}
    _collect(document, found)
    types = "".join(line for kind in found.values() for line in _complex_type(kind))
    return f"{_HEADER}{types}</xs:schema>\n"


def _collect(kind: inspect.Type, found: dict[type[Struct], inspect.StructType]) -> None:
    """All Structs, in the order in which they are met."""
    if isinstance(kind, inspect.StructType):
        if kind.cls not in found:
            found[kind.cls] = kind
            for field in kind.fields:
                _collect(field.type, found)
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            _collect(each, found)
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        _collect(kind.item_type, found)


def _complex_type(kind: inspect.StructType) -> Iterator[str]:
    yield f'  <xs:complexType name="{kind.cls.__name__}">\n    <xs:sequence>\n'
    for field in kind.fields:
        yield from _element(field)
    yield "    </xs:sequence>\n  </xs:complexType>\n"


def _element(field: inspect.Field) -> Iterator[str]:
    kind, may_be_null = _not_null(field.type)
    optional = ' minOccurs="0"' if may_be_null or not field.required else ""
    named = f'<xs:element name="{field.encode_name}"'
    lines = _inner(kind, field.encode_name)
    if not lines:
        yield f'      {named} type="{_name(kind)}"{optional}/>\n'
        return
    yield f"      {named}{optional}>\n"
    yield from (f"        {line}\n" for line in lines)
    yield "      </xs:element>\n"


def _not_null(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    if isinstance(kind, inspect.UnionType):
        (only,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
        return only, kind.includes_none
    return kind, isinstance(kind, inspect.AnyType)


def _inner(kind: inspect.Type, name: str) -> list[str]:
    """Of what has no type of a name: the lines that say what is in it."""
    if isinstance(kind, inspect.LiteralType):
        values = (f'  <xs:enumeration value="{value}"/>' for value in kind.values)
        return _restriction("xs:string", *values)
    if isinstance(kind, inspect.StrType) and _plain(kind.pattern):
        pattern = f'  <xs:pattern value="{str(kind.pattern).strip("^$")}"/>'
        return _restriction("xs:string", pattern)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        item = f'<xs:element name="{singular(name)}" type="{_name(kind.item_type)}" {_ENDLESS}/>'
        return _sequence(item)
    if isinstance(kind, inspect.DictType):
        return _sequence(
            f'<xs:element name="entry" {_ENDLESS}>',
            "  <xs:complexType><xs:simpleContent>",
            f'    <xs:extension base="{_name(_not_null(kind.value_type)[0])}">',
            '      <xs:attribute name="key" type="xs:string" use="required"/>',
            "    </xs:extension>",
            "  </xs:simpleContent></xs:complexType>",
            "</xs:element>",
        )
    return []


def _plain(pattern: str | None) -> bool:
    """Whether XML Schema reads it as we do: of digits, as ids and hashes have it."""
    return pattern is not None and pattern.startswith("^[0-9a-f]")


def _restriction(base: str, *facets: str) -> list[str]:
    restricted = (f'<xs:restriction base="{base}">', *facets, "</xs:restriction>")
    return ["<xs:simpleType>", *(f"  {line}" for line in restricted), "</xs:simpleType>"]


def _sequence(*lines: str) -> list[str]:
    return [
        "<xs:complexType>",
        "  <xs:sequence>",
        *(f"    {line}" for line in lines),
        "  </xs:sequence>",
        "</xs:complexType>",
    ]


def _name(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.StructType):
        return str(kind.cls.__name__)
    if isinstance(kind, inspect.IntType):
        return "xs:nonNegativeInteger" if kind.ge == 0 else "xs:integer"
    return _SIMPLE[type(kind)]
