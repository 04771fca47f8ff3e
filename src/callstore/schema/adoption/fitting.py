"""JSON that another wrote, as far as it fits."""

import math
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, ValidationError

S = TypeVar("S", bound=Struct)


def fitting(value: object, kind: type[S]) -> S | None:
    """What of a JSON object fits a Struct whose fields may all be null: the rest is null. None
    where nothing does."""
    if not isinstance(value, dict):
        return None
    fitted = kind(**{f.name: fit(value.get(f.encode_name), f.type) for f in _fields(kind)})
    return fitted if any(each is not None for each in msgspec.structs.astuple(fitted)) else None


def fit(value: object, annotation: Any) -> Any:
    """None where it does not, and for numbers that are none, which JSON cannot have."""
    try:
        return msgspec.convert(_finite(value), annotation)
    except ValidationError:
        return None


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {name: _finite(item) for name, item in value.items()}
        case list():
            return [_finite(item) for item in value]
        case float() if not math.isfinite(value):
            return None
    return value


def _fields(kind: type[Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)
