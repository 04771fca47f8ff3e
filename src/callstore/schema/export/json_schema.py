"""A JSON Schema (draft 2020-12) of the rows as callstore's JSON has them."""

from typing import Any

import msgspec

from callstore.schema.export.rows import COLLECTIONS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{name}"


def render() -> str:
    names = {collection.row.__name__: collection.name for collection in COLLECTIONS}
    _, found = msgspec.json.schema_components(
        [collection.row for collection in COLLECTIONS], ref_template=_REF
    )
    definitions = {names.get(name, name): _renamed(each, names) for name, each in found.items()}
    for collection in COLLECTIONS:
        definitions[collection.name] |= {
            "title": collection.name,
            # what is stored is there, also where an input might leave it out
            "required": [field.name for field in collection.fields],
        }
    document = {
        "$schema": _DIALECT,
        "title": "callstore",
        "$defs": dict(sorted(definitions.items())),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """References to rows by their collections' names."""
    match value:
        case {"$ref": str(ref)}:
            name = ref.removeprefix(_REF.format(name=""))
            return {**value, "$ref": _REF.format(name=names.get(name, name))}
        case dict():
            return {key: _renamed(item, names) for key, item in value.items()}
        case list():
            return [_renamed(item, names) for item in value]
    return value
