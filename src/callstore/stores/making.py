"""Rows out of the values that a store keeps of them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from callstore.schema.declaration import Field

R = TypeVar("R", bound=Struct)
Convert = Callable[[Any], Any]


def maker(
    row: type[R], fields: Iterable[Field], decoder: Callable[[Field], Convert | None]
) -> Callable[[Sequence[Any]], R]:
    """A function that makes a row of its values, in the order of `fields`; no decoder is asked
    about null. It is compiled, as dataclasses' methods are: a loop over the fields takes twice as
    long, and reading is half decoding."""
    known: dict[str, Any] = {"row": row}
    values, arguments = [], []
    for number, field in enumerate(fields):
        value = f"value{number}"
        values.append(value)
        if convert := decoder(field):
            known[f"decode{number}"] = convert
            value = f"None if {value} is None else decode{number}({value})"
        arguments.append(f"{field.attribute}={value}")
    unpacked, given = ", ".join(values), ", ".join(arguments)
    source = f"def make(values):\n {unpacked}, = values\n return row({given})"
    exec(source, known)  # noqa: S102 - names of the declaration, nothing from outside
    make: Callable[[Sequence[Any]], R] = known["make"]
    return make
