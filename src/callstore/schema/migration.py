"""From one schema version to another: the steps between, one at a time, each resumable.

A step's work is the difference of what is there from what should be, so one that was cut off at any
point goes on where it was.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from callstore.errors import Busy, Conflict
from callstore.schema import tables
from callstore.schema.report import Built
from callstore.schema.shape import Change, CollectionShape, Shape, changes
from callstore.schema.steps import Fill, History, Step
from callstore.stores.holding import holding
from callstore.stores.protocol import Store
from callstore.stores.structure import Progress

LEASE = "schema"
_TOGETHER = 1000  # rows


class Migration:
    """`built` and `lost` tell afterwards what became of indexes: `lost` of those that went here
    and have no other in their place."""

    def __init__(
        self,
        store: Store,
        history: History,
        clock: Callable[[], datetime],
        progress: Progress,
    ) -> None:
        self._store = store
        self._history = history
        self._structure = store.structure
        self._clock = clock
        self._progress = progress
        self.built: list[Built] = []
        self._removed: list[Change] = []

    async def up(self, step: Step) -> None:
        before, after = self._shape(step.id - 1), self._shape(step.id)
        await self._reach_by_filling(after, step.fills)
        await self._remove(before, after)
        await self._structure.record(step.applied(self._clock()))

    async def is_due(self, version: int) -> bool:
        """Whether anything of this step, which was applied, is missing, differs, or was brought
        back by a `down` that was cut off. In rows of MongoDB a field of those is not looked for."""
        before = self._shape(version - 1)
        parts = {
            (name, part)
            for name, shape in before.items()
            for part in (*self._structure.fields(shape), *shape.indexes)
        }
        found = changes(await self._structure.live(), self._shape(version))
        return any(c.kind != "unknown" or (c.collection, c.name) in parts for c in found)

    async def restore(self, since: int, version: int) -> None:
        """Makes the step whole, and takes away what a `down` from `since` has brought back."""
        await self.reach(self._shape(version))
        await self._remove(self._shape(max(since - 1, 0)), self._shape(version))

    async def down(self, step: Step) -> None:
        before, after = self._shape(step.id - 1), self._shape(step.id)
        try:
            await self._reach_by_filling(before, step.undo)
        except Conflict:  # rows do not fit: what was taken back before them comes again
            await self.reach(after, as_far_as_rows_fit=True)
            raise
        await self._remove(after, before)
        await self._structure.forget(step.id)

    async def _reach_by_filling(self, wanted: Shape, fills: Sequence[Fill]) -> None:
        if fills:
            await self.reach(wanted, as_far_as_rows_fit=True)
        for fill in fills:
            await self._fill(fill)
        await self.reach(wanted)

    async def _fill(self, fill: Fill) -> None:
        """The rows that lack it, each once: older code may go on making some."""
        what = f"filling {fill.collection}"
        lacking = await self._structure.count(fill.collection, fill.where)
        done, after = 0, None
        while keys := await self._structure.lacking(fill, after, _TOGETHER):
            await self._structure.fill(fill, keys)
            done, after = done + len(keys), keys[-1]
            self._progress(what, min(done, lacking), lacking)
        if done < lacking:  # others have filled the rest, or deleted it
            self._progress(what, lacking, lacking)

    async def reach(self, wanted: Shape, *, as_far_as_rows_fit: bool = False) -> None:
        """Makes what is missing of the shape, and changes what differs. Conflict where rows do not
        fit, unless they may be made to."""
        for change in self.in_the_way(await self._structure.live(), wanted):
            await self.remove_index(change)
        for change in await self.short_of(wanted):
            began = time.monotonic()
            if (change.what, change.kind) == ("index", "changed"):
                self._removed.append(change)
            try:
                await self._structure.apply(change, self._progress)
            except Conflict:
                if not as_far_as_rows_fit:
                    raise
                continue
            if change.what == "index":
                await self._note(change, time.monotonic() - began)

    def in_the_way(self, live: Shape, wanted: Shape) -> list[Change]:
        """Indexes of other names, by which the engine refuses to build ones of the shape."""
        identity = self._structure.identity
        return [
            change
            for change in changes(live, wanted)
            if (change.what, change.kind) == ("index", "unknown")
            and identity(change.found) in map(identity, wanted[change.collection].indexes.values())
        ]

    async def short_of(self, wanted: Shape) -> list[Change]:
        """What is missing of the shape, and what differs."""
        found = changes(await self._structure.live(), wanted)
        return [change for change in found if change.kind != "unknown"]

    async def _note(self, change: Change, seconds: float) -> None:
        rows = await self._structure.count(change.collection)
        self.built.append(
            Built(collection=change.collection, index=change.name, rows=rows, seconds=seconds)
        )

    async def _remove(self, old: Shape, new: Shape) -> None:
        """What the one shape has and the other has not; nothing that is somebody else's."""
        live = await self._structure.live()
        for change in changes(live, new):
            ours = change.collection in old and change.name in old[change.collection].indexes
            if change.what == "index" and change.kind == "unknown" and ours:
                await self.remove_index(change)
        for change in self.gone(old, new):
            if change.collection in live:
                await self._structure.remove(change)

    def gone(self, old: Shape, new: Shape) -> list[Change]:
        """The fields and collections that the one has and the other has not."""
        fields = self._structure.fields
        less = [
            Change(kind="unknown", what="field", collection=name, name=field)
            for name in old
            if name in new
            for field in fields(old[name])
            if field not in fields(new[name])
        ]
        return less + [
            Change(kind="unknown", what="collection", collection=name)
            for name in old
            if name not in new
        ]

    async def remove_index(self, change: Change) -> None:
        await self._structure.remove(change)
        self._removed.append(change)

    async def lost(self) -> list[str]:
        """The queries that had an index before, and have none now."""
        live = await self._structure.live()
        found = (
            self._query(gone)
            for gone in self._removed
            if gone.collection in live
            if not self._structure.is_replaced(gone.found, live[gone.collection])
        )
        return list(dict.fromkeys(found))  # what was changed at the second try went twice

    def _query(self, gone: Change) -> str:
        """By its fields, and by what the index serves, where it is as this code declares it; of
        others, a stranger's or an older step's, only the name is known."""
        newest = self._shape(self._history.current).get(gone.collection, CollectionShape())
        declared = newest.indexes.get(gone.name) == gone.found
        serves = _SERVES.get(gone.name) if declared else None
        fields = ", ".join(self._structure.fields_of(gone.found))
        return f"{gone.collection} by {fields} ({serves or f'index {gone.name}'})"

    def _shape(self, version: int) -> Shape:
        return self._history.shape_at(self._structure.kind, version)

    async def loses(self, step: Step) -> list[str]:
        """What would be lost with the rows on the way down from this step."""
        gone = self.gone(self._shape(step.id), self._shape(step.id - 1))
        live, lost = await self._structure.live(), []
        for change in gone:
            name = change.collection
            if name not in live or name in _UNMISSED:
                continue
            if change.what == "collection" and (rows := await self._structure.count(name)):
                lost.append(f"{name} ({rows} rows)")
            if change.what == "field" and await self._structure.has_values(name, change.name):
                lost.append(f"{name}.{change.name}")
        return lost

    def alone(self) -> AbstractAsyncContextManager[str]:
        """While it lasts no other migrates this database: Busy for them."""
        refusal = Busy("another migrates this database; if it died, its lease ends in a minute")
        return holding(self._store, LEASE, self._clock, refusal=refusal)


_UNMISSED = {each.name for each in tables.APART}
_SERVES = {
    index.name: index.serves
    for collection in tables.COLLECTIONS
    for index in (*collection.indexes, *collection.mongo_indexes)
}
