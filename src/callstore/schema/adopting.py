"""Taking over a database that something else wrote: a look at all of it, then a batch of calls at a
time. What was taken over is passed by, so that one that was cut off goes on."""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterable

from callstore.calls.model import Row
from callstore.errors import Conflict
from callstore.schema.adoption.adopt import Keeping, adopt, changed
from callstore.schema.adoption.document import COLLECTIONS
from callstore.schema.adoption.model import (
    Adopted,
    AdoptionReport,
    Found,
    Problem,
    Raw,
    Trouble,
)
from callstore.schema.shape import Change, Shape, changes
from callstore.stores.structure import Progress, Structure

BATCH = 250  # calls
_TOLD = 100  # problems of a kind


class Choices(Row, frozen=True, kw_only=True):
    """What may be done about problems. `close_older`: of several live calls in a conversation all
    but the newest end as lost, and rows that are there twice become one. `drop_orphans`: rows whose
    call or participant is not there are deleted."""

    close_older: bool
    drop_orphans: bool

    def allow(self, trouble: Trouble) -> bool:
        if trouble == "orphan":
            return self.drop_orphans
        return trouble != "impossible" and self.close_older


class Adoption:
    """`wanted` is the shape that the database is to have."""

    def __init__(
        self, structure: Structure, wanted: Shape, keeping: Keeping, progress: Progress
    ) -> None:
        assert structure.adopting is not None
        self._structure = structure
        self._adopting = structure.adopting
        self._wanted = wanted
        self._keeping = keeping
        self._progress = progress

    async def in_the_way(self) -> list[Change]:
        """Indexes that go: they would refuse or delete rows that callstore keeps."""
        found = changes(await self._structure.live(), self._wanted)
        return [
            change
            for change in found
            if (change.what, change.kind) == ("index", "unknown")
            and change.collection in COLLECTIONS
            and self._adopting.in_the_way(change.found)
        ]

    async def survey(self) -> AdoptionReport:
        """Looks at everything; nothing is changed."""
        telling = _Telling()
        async for problem in self._adopting.strays():
            telling.add(problem)
        older = _older(await self._adopting.live_calls())
        for call, newest in older.items():
            telling.add(_several(call, newest))
        async for found in self._batches("looking at calls"):
            for each in found:
                telling.count(each, *self._adopted(each, older))
        return telling.report([f"{c.collection} {c.name}" for c in await self.in_the_way()])

    async def run(self, report: AdoptionReport, choices: Choices) -> None:
        """Conflict, before anything is changed, where the choices do not cover what the report
        tells."""
        _check(report, choices)
        indexes = await self.in_the_way()
        unique = [change for change in indexes if self._structure.is_unique(change.found)]
        for change in indexes:
            if change not in unique:  # rows must not vanish meanwhile
                await self._structure.remove(change)
        await self._drop_orphans()
        older = _older(await self._adopting.live_calls())
        async for found in self._batches("taking over calls"):
            if calls := [self._now(each, older) for each in found]:
                await self._adopting.put(calls)
        for change in unique:  # by which rows were found
            await self._structure.remove(change)

    def _now(self, found: Found, older: dict[str, str]) -> Adopted:
        adopted, problems = self._adopted(found, older)
        if adopted is None:
            raise Conflict(f"something still writes to this database: {_said(problems[0])}")
        return adopted

    def _adopted(self, found: Found, older: dict[str, str]) -> tuple[Adopted | None, list[Problem]]:
        return adopt(found, older=found.call["id"] in older, keeping=self._keeping)

    async def _batches(self, what: str) -> AsyncIterator[list[Found]]:
        calls = await self._structure.count(COLLECTIONS[0])
        done, after = 0, None
        while True:
            found, after = await self._adopting.found(after, BATCH)
            yield found
            if after is None:
                break
            done += BATCH
            self._progress(what, min(done, calls), calls)
        self._progress(what, calls, calls)

    async def _drop_orphans(self) -> None:
        orphans: dict[str, list[str]] = {name: [] for name in COLLECTIONS}
        async for problem in self._adopting.strays():
            ids = orphans[problem.collection]
            ids.append(problem.id)
            if len(ids) == BATCH:
                await self._adopting.delete(problem.collection, ids)
                ids.clear()
        for collection, ids in orphans.items():
            await self._adopting.delete(collection, ids)


def _older(live: Iterable[Raw]) -> dict[str, str]:
    """Calls that a newer one is live beside -> the newest."""
    found: dict[str, str] = {}
    by_room = sorted(live, key=lambda call: str(call.get("conversationId")))
    for _, calls in itertools.groupby(by_room, lambda call: call.get("conversationId")):
        *older, newest = sorted(calls, key=lambda call: (str(call.get("createdAt")), call["id"]))
        found |= {call["id"]: newest["id"] for call in older}
    return found


def _several(call: str, newest: str) -> Problem:
    detail = f"{newest} is live in its conversation too, and newer"
    return Problem(kind="several_live", collection="CallSession", id=call, detail=detail)


def _check(report: AdoptionReport, choices: Choices) -> None:
    refused = [trouble for trouble in report.troubles if not choices.allow(trouble)]
    if not refused:
        return
    counts = ", ".join(f"{report.troubles[each]} {each}" for each in refused)
    first = next(problem for problem in report.problems if problem.kind == refused[0])
    raise Conflict(
        f"rows stand in the way ({counts}), {_said(first)}: `callstore schema plan` lists them."
        " Mend the impossible ones; --close-older and --drop-orphans do the rest"
    )


def _said(problem: Problem) -> str:
    return f"{problem.collection} {problem.id}: {problem.detail}"


class _Telling:
    """What a report is made of."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()
        self._changes: Counter[str] = Counter()
        self._troubles: Counter[Trouble] = Counter()
        self._problems: list[Problem] = []

    def add(self, problem: Problem) -> None:
        self._troubles[problem.kind] += 1
        if self._troubles[problem.kind] <= _TOLD:
            self._problems.append(problem)

    def count(self, found: Found, adopted: Adopted | None, problems: list[Problem]) -> None:
        for problem in problems:
            self.add(problem)
        self._rows.update({name: len(rows) for name, rows in found.rows.items()})
        if adopted is not None:
            self._changes.update(changed(found, adopted))

    def report(self, indexes: list[str]) -> AdoptionReport:
        return AdoptionReport(
            rows=dict(self._rows),
            changes=dict(sorted(self._changes.items())),
            troubles=dict(self._troubles),
            problems=self._problems,
            indexes=indexes,
        )
