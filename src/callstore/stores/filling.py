"""What a fill makes of a row, whatever a store keeps its values as."""

from collections.abc import Callable
from typing import Any

from callstore.schema import tables
from callstore.schema.declaration import Field
from callstore.schema.steps import Fill, Values
from callstore.stores.making import Convert

Converter = Callable[[Field], Convert | None]


def filled(fill: Fill, kept: Values, *, decoder: Converter, encoder: Converter) -> Values:
    """The values that it writes, by those that it reads, both as they are kept. A field that is not
    declared is kept as it is."""
    fields = {field.name: field for field in tables.BY_NAME[fill.collection].fields}

    def converted(name: str, value: Any, converter: Converter) -> Any:
        convert = converter(fields[name]) if name in fields else None
        return value if convert is None or value is None else convert(value)

    made = fill.change({name: converted(name, kept[name], decoder) for name in fill.reads})
    return {name: converted(name, made[name], encoder) for name in fill.writes}
