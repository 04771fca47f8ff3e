"""`calls.schema`: which schema a database is at, and how it gets to this code's."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from callstore.calls.model import Label
from callstore.errors import (
    Busy,
    Conflict,
    Held,
    Invalid,
    SchemaMismatch,
    StoreError,
    StoreUnavailable,
)
from callstore.privacy.audit import Audit
from callstore.schema.adopting import Adoption, Choices
from callstore.schema.adoption.adopt import Keeping
from callstore.schema.adoption.document import COLLECTIONS
from callstore.schema.migration import Migration
from callstore.schema.model import SchemaStep
from callstore.schema.papers import AUDIT
from callstore.schema.probes import ProbeOf, probes
from callstore.schema.report import Action, Planned, Probe, SchemaReport
from callstore.schema.shape import Change, Kind, Shape, changes, differing
from callstore.schema.steps import HISTORY, History, Step
from callstore.settings import Settings
from callstore.stores.protocol import Store
from callstore.stores.structure import Progress, untold
from callstore.validation import check


class Asked(Struct, frozen=True, kw_only=True):
    """The arguments of `up` and `down`."""

    to: Annotated[int, Meta(ge=0)]
    by: Label | None
    close_older: bool = False
    drop_orphans: bool = False
    yes: bool = False


class Schema:
    """`by` is the operator's name, for the audit. `progress` is told what is done, how much of it,
    and of how much."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        settings: Settings,
        history: History = HISTORY,
    ) -> None:
        self._store = store
        self._structure = store.structure
        self._clock = clock
        self._new_id = new_id
        self._keeping = Keeping(
            new_id=new_id, calls=settings.keep_calls, captions=settings.keep_captions
        )
        self._history = history
        self._audit = Audit(store.audit, clock=clock, new_id=new_id, settings=settings)

    async def status(self) -> SchemaReport:
        """Which steps the database has gone through, and what `up` would apply; nothing is
        changed, and no row is read. Of what newer code made, nothing is pending."""
        applied = await self._structure.applied()
        version = applied[-1].id if applied else 0
        # What newer code made, it also knows best what belongs there.
        short = await self._short_of(version) if 0 < version <= self._history.current else []
        return SchemaReport(
            version=version,
            code=self._history.current,
            applied=applied,
            foreign=[] if version else await self._foreign(),
            pending=[
                *(f"step {step.id}: {step.name}" for step in self._history.steps[version:]),
                *(f"{change.kind} {change}" for change in short),
            ],
        )

    async def _short_of(self, version: int) -> list[Change]:
        """What a step has made and is not there, or not so: a bulk load is on its way, or was cut
        off; or somebody has changed it."""
        return await self._migration(untold).short_of(self._shape(version))

    async def _foreign(self) -> list[str]:
        """The collections of callstore's names that are there, and not as it makes them."""
        live, wanted = await self._structure.live(), self._shape(self._history.current)
        names = wanted if self._structure.adopting else ()
        return [name for name in names if name in live and live[name].rules != wanted[name].rules]

    async def plan(self, *, progress: Progress = untold) -> SchemaReport:
        """What `up` would do, in `changes` and `adoption`; nothing is changed. Of what newer code
        made, nothing. Where there is something to take over it reads every row."""
        status = await self.status()
        if status.version > status.code:
            return status
        live, wanted = await self._structure.live(), self._shape(status.code)
        old = self._shape(status.version)
        adoption = self._adoption(progress) if status.foreign else None
        theirs = await adoption.in_the_way() if adoption else []
        theirs += self._migration(progress).in_the_way(live, wanted)
        known = {(each.collection, each.name) for each in theirs}
        before = self._shape(max(status.version - 1, 0))  # a `down` that was cut off brings it back
        for name, shape in (*before.items(), *old.items()):
            parts = ("", *self._structure.fields(shape), *shape.indexes)
            known |= {(name, part) for part in parts}
        found = changes(live, wanted)
        told = {(change.what, change.collection, change.name) for change in found}
        for each in self._migration(progress).gone(old, wanted):
            if each.collection in live and (each.what, each.collection, each.name) not in told:
                found.append(each)
        return replace(
            status,
            adoption=await adoption.survey() if adoption else None,
            changes=[await self._planned(change, live, known) for change in found],
        )

    async def _planned(self, change: Change, live: Shape, known: set[tuple[str, str]]) -> Planned:
        index = change.what == "index" and change.kind != "unknown"
        dropped = change.what == "collection" and change.kind == "unknown"
        touched = (index or dropped or change.kind == "changed") and change.collection in live
        rows = await self._structure.count(change.collection) if touched else 0
        return Planned(
            what=change.what,
            collection=change.collection,
            name=change.name,
            action=_ACTIONS[change.kind, (change.collection, change.name) in known],
            detail=self._detail(change),
            rows=rows,
            seconds=rows / self._structure.rows_per_second(change.wanted) if index else None,
        )

    def _detail(self, change: Change) -> str:
        """The fields of an index; of what is changed, what differs."""
        parts = []
        if change.what == "index":
            parts.append(", ".join(self._structure.fields_of(change.wanted or change.found)))
        if change.kind == "changed":
            parts += differing(change.found, change.wanted)
        return "; ".join(parts)

    async def up(
        self,
        *,
        to: int | None = None,
        by: str | None = None,
        close_older: bool = False,
        drop_orphans: bool = False,
        progress: Progress = untold,
    ) -> SchemaReport:
        """Applies what is missing, up to step `to` (None: all). What is cut off, at any point, the
        next `up` goes on with.

        Collections that something else wrote to the letter of the document are taken over. Where
        `plan` reports problems in them that is refused, before anything is changed, unless:
        `close_older` ends all but the newest of several live calls of a conversation, as lost, and
        makes one of rows that are there twice; `drop_orphans` deletes rows that belong to nothing.

        SchemaMismatch for what is past this code; Busy while another migrates; Conflict where rows
        do not fit, and what was done before is kept. It is in the audit when it is done: before
        there may be none. Making a new database is no act.
        """
        status = await self.status()
        most = max(status.code, status.version)
        asked = check(
            Asked,
            to=most if to is None else to,
            by=by,
            close_older=close_older,
            drop_orphans=drop_orphans,
        )
        if not status.version <= asked.to <= most:
            raise Invalid.field("/to", f"must be from {status.version}, where it is, to {most}")
        if status.version > status.code:
            self._check_usable(status.applied)
            return status  # newer code made it, and this may use it: nothing of it is for this
        migration = self._migration(progress)
        if status.foreign:
            adopted = await self._adopt(asked, migration, progress)
            await self._note("schema.up", asked, status)
            return adopted
        if not status.version:
            steps = [step.applied(self._clock()) for step in self._history.steps[: asked.to]]
            await self._structure.create(self._shape(asked.to), steps)
        elif status.version < asked.to or await migration.is_due(asked.to):
            # Not where nothing is left to do: several processes may make a new database at once.
            async with migration.alone():
                done = (await self.status()).version  # another may have migrated until just now
                for step in self._history.steps[done : asked.to]:
                    await migration.up(step)
                await migration.restore(done, asked.to)
            await self._note("schema.up", asked, status)
        return await self._told(migration)

    async def _note(
        self, action: Literal["schema.up", "schema.down"], asked: Asked, before: SchemaReport
    ) -> None:
        """Unless the schema that is asked for has no audit."""
        if AUDIT.name in self._shape(asked.to):
            data = {"from": before.version, "to": asked.to, "pending": before.pending}
            await self._audit.record(action, by=asked.by, data=data)

    async def _adopt(self, asked: Asked, migration: Migration, progress: Progress) -> SchemaReport:
        current = self._history.current
        if asked.to != current:
            raise Invalid.field("/to", f"what something else wrote is taken over as {current}")
        choices = Choices(close_older=asked.close_older, drop_orphans=asked.drop_orphans)
        adoption = self._adoption(progress)
        report = await adoption.survey()
        choices.check(report)
        async with migration.alone():
            if not (await self.status()).foreign:  # another took it over until just now
                return await self._told(migration)
            wanted = self._shape(current)
            own = {name: one for name, one in wanted.items() if name not in COLLECTIONS}
            await migration.reach(own)  # with indexes: a call may have to be taken over again
            await adoption.run(choices, migration.remove_index)
            await migration.reach(wanted)
            for step in self._history.steps:
                await self._structure.record(step.applied(self._clock()))
        return replace(await self._told(migration), adoption=report)

    async def down(
        self, *, to: int, by: str | None = None, yes: bool = False, progress: Progress = untold
    ) -> SchemaReport:
        """Takes steps back; to 0 drops everything that is callstore's, the audit too.

        Held while any call is under a hold, with the ids of holds, of many some; Conflict where
        rows would be lost, unless `yes`, or do not fit the step before: then it stays at the last
        one that they fit. SchemaMismatch for what newer code made; Invalid for a step that is above
        where it is; Busy while another migrates. Cut off, the next `up` or `down` takes it up.
        """
        asked = check(Asked, to=to, by=by, yes=yes)
        status = await self.status()
        if status.version > status.code:
            raise SchemaMismatch(
                f"newer code took the database to schema {status.version}: take it back with that"
            )
        if asked.to > status.version:
            raise Invalid.field("/to", f"must be at most {status.version}, where it is")
        migration = self._migration(progress)
        if asked.to < status.version:
            async with migration.alone():
                left = (await self.status()).version  # another may have migrated until just now
                steps = self._history.steps[asked.to : left][::-1]
                await self._check_lossless(migration, steps, yes=asked.yes)
                await self._note("schema.down", asked, status)
                if asked.to == 0:
                    await self._structure.drop()
                else:
                    for step in steps:
                        await migration.down(step)
        return await self._told(migration)

    async def _check_lossless(
        self, migration: Migration, steps: Sequence[Step], *, yes: bool
    ) -> None:
        if holds := await self._structure.holds():
            raise Held(f"there are holds in force, {holds[0]} is one: release them first", holds)
        lost = [part for step in steps for part in await migration.loses(step)]
        if lost and not yes:
            raise Conflict(f"this loses {', '.join(lost)}: say so with yes (--yes)")

    async def verify(self) -> SchemaReport:
        """Tries, in transactions that are rolled back, whether unique indexes and rules refuse what
        they must: `probes` says what came of each. SchemaMismatch unless the database is at this
        code's schema."""
        status = await self.status()
        if status.version != status.code:
            raise SchemaMismatch(
                f"the database is at schema {status.version}, and only what this code made, at"
                f" {status.code}, can be verified by it"
            )
        tried = [await self._tried(probe) for probe in probes(self._new_id, self._clock())]
        return replace(status, probes=tried)

    async def _tried(self, probe: ProbeOf) -> Probe:
        try:
            refusal = await self._structure.probe(probe.rows)
        except (Busy, StoreUnavailable):
            raise
        except StoreError as error:  # a row that the tried one needs
            ok, detail = False, str(error)
        else:
            ok = (refusal is not None) == probe.refused
            detail = refusal or "it was taken"
        return Probe(collection=probe.collection, name=probe.name, ok=ok, detail=detail)

    def _check_usable(self, applied: list[SchemaStep]) -> None:
        """SchemaMismatch for a database that has moved past this code."""
        oldest, code = max((step.oldest_code for step in applied), default=0), self._history.current
        if oldest > code:
            raise SchemaMismatch(
                f"the database is at schema {applied[-1].id} and needs code of schema {oldest} or"
                f" later; this code is of schema {code}: install a newer callstore"
            )

    def _shape(self, version: int) -> Shape:
        return self._history.shape_at(self._structure.kind, version)

    def _adoption(self, progress: Progress) -> Adoption:
        wanted = self._shape(self._history.current)
        return Adoption(self._structure, wanted, self._keeping, progress, now=self._clock())

    def _migration(self, progress: Progress) -> Migration:
        return Migration(self._store, self._history, self._clock, progress)

    async def _told(self, migration: Migration) -> SchemaReport:
        status = await self.status()
        return replace(status, built=migration.built, lost=await migration.lost())


_ACTIONS: dict[tuple[Kind, bool], Action] = {
    ("missing", False): "make",
    ("missing", True): "make",
    ("changed", False): "change",
    ("changed", True): "change",
    ("unknown", False): "leave",
    ("unknown", True): "remove",
}
"""By the kind of a difference, and whether callstore made what is there."""
