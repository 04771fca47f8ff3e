"""Adding rows in bulk: indexes of an empty database are built once, at the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from callstore.schema.shape import Change, Shape, changes
from callstore.schema.steps import HISTORY
from callstore.stores.structure import Progress, Structure, untold


@asynccontextmanager
async def bulk_load(structure: Structure, progress: Progress = untold) -> AsyncIterator[None]:
    """While it lasts, rows are added in bulk: indexes of an empty database are built at its end, of
    which `progress` is told. Unique ones stay: what they forbid is forbidden meanwhile."""
    if await structure.count("CallSession"):
        yield
        return
    for change in _dispensable(structure, await structure.live()):
        await structure.remove(change)
    try:
        yield
    finally:
        for change in changes(await structure.live(), _wanted(structure)):
            if change.what == "index" and change.kind == "missing":
                await structure.apply(change, progress)


def _wanted(structure: Structure) -> Shape:
    return HISTORY.shape_at(structure.kind, HISTORY.current)


def _dispensable(structure: Structure, live: Shape) -> list[Change]:
    return [
        Change(kind="unknown", what="index", collection=collection, name=name)
        for collection, shape in _wanted(structure).items()
        for name, definition in shape.indexes.items()
        if name in live[collection].indexes and not structure.is_unique(definition)
    ]
