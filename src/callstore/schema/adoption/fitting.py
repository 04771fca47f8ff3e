"""JSON that another wrote, as far as it fits."""

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
    """None where it does not."""
    try:
        return msgspec.convert(value, annotation)
    except ValidationError:
        return None


def _fields(kind: type[Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)
