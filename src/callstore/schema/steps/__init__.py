"""The steps a database has gone through, oldest first.

What a database looks like after a step stands in a file of the step's number, for each store: the
collections that the step made or changed, null for one it removed. The files are frozen when they
ship (`scripts/freeze.py`); a step leads from one shape to the next by their difference, and back.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from msgspec import Struct

from callstore.schema.model import SchemaStep
from callstore.schema.shape import CollectionShape, Shape

Values = dict[str, Any]


class Fill(Struct, frozen=True, kw_only=True):
    """A change of the rows themselves. `where` names those that lack it, as an index's does, and
    no row that has been filled. From the values of `reads`, `change` makes those of `writes`."""

    collection: str
    where: Values
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    change: Callable[[Values], Values]


class Step(Struct, frozen=True, kw_only=True):
    """`oldest_code`: the oldest schema version whose code can still use the database after it.

    For no downtime a change is three steps, each its own release: one that adds what is new, one
    whose code writes it and that fills old rows, one that demands it and takes the old away. A step
    that takes a field away is for no code that still names it.
    """

    id: int
    name: str
    oldest_code: int
    fills: tuple[Fill, ...] = ()
    undo: tuple[Fill, ...] = ()  # on the way down, before what was added is taken away

    def applied(self, at: datetime) -> SchemaStep:
        return SchemaStep(id=self.id, name=self.name, applied_at=at, oldest_code=self.oldest_code)


Made = dict[str, dict[str, CollectionShape | None]]
"""What a step made: store -> collection -> its shape, None for one that was removed."""


class History(Struct, frozen=True, kw_only=True):
    """All steps, and what each made. Versions are steps' numbers; 0 is an empty database."""

    steps: tuple[Step, ...]
    made: Callable[[int], Made]

    @property
    def current(self) -> int:
        return self.steps[-1].id

    def shape_at(self, store: str, version: int) -> Shape:
        """What a store's database looks like after this step; after the last, if that is later."""
        shape: dict[str, CollectionShape | None] = {}
        for step in self.steps[:version]:
            shape |= self.made(step.id)[store]
        return {name: one for name, one in shape.items() if one is not None}


@cache
def frozen(step: int) -> Made:
    text = resources.files(__name__).joinpath(f"{step:04}.json").read_bytes()
    return msgspec.json.decode(text, type=Made)


HISTORY = History(
    steps=(
        Step(id=1, name="calls, their log and their quality", oldest_code=1),
        Step(id=2, name="captions, recordings, adopted calls", oldest_code=1),
    ),
    made=frozen,
)
