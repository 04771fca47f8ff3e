"""Taking over a database that something else wrote: a look at all of it, then a batch of calls at a
time. What was taken over is passed by, so that one that was cut off goes on."""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from datetime import datetime

from callstore.calls.model import Row
from callstore.errors import Conflict
from callstore.ids import made_at
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

BATCH = 250  # calls looked at together
FEW = 20  # calls, of as many rows as they may have, written together
ROWS = 5000  # written together
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

    def check(self, report: AdoptionReport) -> None:
        """Conflict where they do not cover what the report tells."""
        refused = [trouble for trouble in report.troubles if not self.allow(trouble)]
        if not refused:
            return
        counts = ", ".join(f"{report.troubles[each]} {each}" for each in refused)
        first = next(problem for problem in report.problems if problem.kind == refused[0])
        raise Conflict(
            f"rows stand in the way ({counts}), {first}: `callstore schema plan` lists them."
            " Mend the impossible ones; --close-older and --drop-orphans do the rest"
        )


class Adoption:
    """`wanted` is the shape that the database is to have, `now` when it is taken over."""

    def __init__(
        self,
        structure: Structure,
        wanted: Shape,
        keeping: Keeping,
        progress: Progress,
        *,
        now: datetime,
    ) -> None:
        assert structure.adopting is not None
        self._structure = structure
        self._adopting = structure.adopting
        self._wanted = wanted
        self._keeping = keeping
        self._progress = progress
        self._now = now

    async def in_the_way(self) -> list[Change]:
        """Indexes that go: they would refuse or delete rows that callstore keeps."""
        found = changes(await self._structure.live(), self._wanted)
        return [
            change
            for change in found
            if (change.what, change.kind) == ("index", "unknown")
            and change.collection in COLLECTIONS
            and self._adopting.in_the_way(change.found, self._wanted[change.collection])
        ]

    async def survey(self) -> AdoptionReport:
        """Looks at everything; nothing is changed."""
        telling = _Telling(self._now)
        unusable = await self._adopting.unusable()
        for problem in unusable:
            telling.add(problem)
        if unusable:
            return telling.report([])
        async for problem in self._adopting.strays():
            telling.add(problem)
        older = _older(await self._adopting.live_calls())
        for call, newest in older.items():
            telling.add(_several(call, newest))
        async for found in self._batches("looking at calls"):
            for each in found:
                telling.count(each, *self._adopted(each, older))
        return telling.report([f"{c.collection} {c.name}" for c in await self.in_the_way()])

    async def run(self, choices: Choices, remove: Callable[[Change], Awaitable[None]]) -> None:
        """After a survey whose report the choices cover; `remove` takes an index away. Conflict
        where something else has written since what they do not cover; what was done before is
        kept."""
        indexes = await self.in_the_way()
        unique = [change for change in indexes if self._structure.is_unique(change.found)]
        for change in indexes:
            if change not in unique:  # rows must not vanish meanwhile
                await remove(change)
        await self._adopting.lift_rules(self._wanted)
        if choices.drop_orphans:
            await self._drop_orphans()
        older = _older(await self._adopting.live_calls())
        async for found in self._batches("taking over calls"):
            for ids in _portions(found):
                await self._take(ids, older, choices)
        # From here on nothing more comes that does not fit; what has come meanwhile is taken over.
        await self._adopting.hold_rules(self._wanted)
        older = _older(await self._adopting.live_calls())
        late = sorted({*await self._adopting.late(), *older})
        for first in range(0, len(late), FEW):
            await self._take(late[first : first + FEW], older, choices)
        for change in unique:  # by which rows were found
            await remove(change)

    async def _take(self, ids: list[str], older: dict[str, str], choices: Choices) -> None:
        await self._adopting.take_over(
            ids, lambda found: [self._decided(each, older, choices) for each in found]
        )

    def _decided(self, found: Found, older: dict[str, str], choices: Choices) -> Adopted:
        adopted, problems = self._adopted(found, older)
        if (newest := older.get(found.call["id"])) is not None:
            problems = [*problems, _several(found.call["id"], newest)]
        refused = [problem for problem in problems if not choices.allow(problem.kind)]
        if adopted is None or refused:
            raise Conflict(f"something still writes to this database: {(refused or problems)[0]}")
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
            if problem.kind != "orphan":  # it has come since the survey, and nobody may delete it
                continue
            ids = orphans[problem.collection]
            ids.append(problem.id)
            if len(ids) == BATCH:
                await self._adopting.delete(problem.collection, ids)
                ids.clear()
        for collection, ids in orphans.items():
            await self._adopting.delete(collection, ids)


def _portions(found: Iterable[Found]) -> Iterator[list[str]]:
    """The ids of calls to write together."""
    ids: list[str] = []
    rows = 0
    for each in found:
        count = sum(map(len, each.rows.values()))
        if ids and rows + count > ROWS:
            yield ids
            ids, rows = [], 0
        ids.append(each.call["id"])
        rows += count
    if ids:
        yield ids


def _older(live: Iterable[Raw]) -> dict[str, str]:
    """Calls that a newer one is live beside -> the newest."""
    found: dict[str, str] = {}
    by_room = sorted(live, key=_room)
    for _, calls in itertools.groupby(by_room, _room):
        *older, newest = sorted(calls, key=lambda call: (_made(call), call["id"]))
        found |= {call["id"]: newest["id"] for call in older}
    return found


def _room(call: Raw) -> str:
    return str(call.get("conversationId")).lower()


def _made(call: Raw) -> datetime:
    """As it will be once it is taken over."""
    at = call.get("createdAt")
    return at if isinstance(at, datetime) else made_at(call["id"])


def _several(call: str, newest: str) -> Problem:
    detail = f"{newest} is live in its conversation too, and newer"
    return Problem(kind="several_live", collection="CallSession", id=call, detail=detail)


class _Telling:
    """What a report is made of."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._expired: Counter[str] = Counter()
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
            self._expired.update(
                name
                for name, rows in adopted.kept.items()
                for row in rows
                if row.expires_at is not None and row.expires_at <= self._now
            )

    def report(self, indexes: list[str]) -> AdoptionReport:
        return AdoptionReport(
            rows=dict(self._rows),
            changes=dict(sorted(self._changes.items())),
            expired=dict(self._expired),
            troubles=dict(self._troubles),
            problems=self._problems,
            indexes=indexes,
        )
