"""Writes what the newest schema step makes of each store, from the declaration.

Run it while the step is being made; once released, a step's file never changes.
"""

from pathlib import Path

import msgspec

from callstore.schema import steps
from callstore.schema.shape import CollectionShape, Shape
from callstore.schema.steps import HISTORY
from callstore.stores.mongo import shape as mongo
from callstore.stores.sqlite import shape as sqlite


def difference(before: Shape, after: Shape) -> dict[str, CollectionShape | None]:
    names = [*after, *(name for name in before if name not in after)]
    return {name: after.get(name) for name in names if after.get(name) != before.get(name)}


def main() -> None:
    newest = HISTORY.current
    path = Path(steps.__file__).with_name(f"{newest:04}.json")
    made = {
        store: difference(HISTORY.shape_at(store, newest - 1), declared())
        for store, declared in (("sqlite", sqlite.declared), ("mongodb", mongo.declared))
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")


if __name__ == "__main__":
    main()
