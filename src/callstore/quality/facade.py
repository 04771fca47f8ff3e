"""`calls.quality`: reports in, an analysis out."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from callstore.calls.arguments import OfCall
from callstore.calls.model import Call, Party, replace
from callstore.errors import Invalid, NotFound
from callstore.ids import Id
from callstore.quality.analyse import analyse
from callstore.quality.live import Report
from callstore.quality.model import Analytics, Issue, Sample
from callstore.quality.report import read
from callstore.settings import Settings
from callstore.stores.group import Group
from callstore.stores.protocol import Store
from callstore.validation import Time, check, cut

TOGETHER = 10_000  # samples that are marked in one transaction


class _Reported(Struct, frozen=True, kw_only=True):
    call_id: Id
    party: Party
    at: Time | None


class Quality:
    def __init__(
        self,
        store: Store,
        group: Group,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        settings: Settings,
    ) -> None:
        self._store = store
        self._group = group
        self._clock = clock
        self._new_id = new_id
        self._settings = settings

    async def report(
        self,
        call_id: str,
        party: Party,
        report: bytes | str | list[dict[str, Any]],
        *,
        at: datetime | None = None,
    ) -> list[Issue]:
        """Stores what counts of one getStats() report; the party's issues that are open now.

        The report is a list of stats, as JSON or decoded; its time is that of its latest entry,
        `at` counts only where it has none. Any party with a row in the call may report, until 5
        minutes after the call's end. With the setting live_issues=False the answer is empty.
        """
        now = self._clock()
        try:
            asked = check(_Reported, call_id=call_id, party=party, at=at)
        except Invalid as error:
            raise Invalid([*error.errors, *_errors_of(report, now)]) from None
        reading = read(report, now=now, at=asked.at)
        issues: list[Issue] = await self._group.submit(
            Report(call_id=asked.call_id, party=asked.party, reading=reading)
        )
        return issues

    async def analyse(self, call_id: str) -> Analytics:
        """Analyses the call from its stored samples, and stores the analysis.

        The same samples give the same analysis. Once samples have expired or were erased, the
        stored one stands and is returned as it is.
        """
        id = check(OfCall, call_id=call_id).call_id
        call = await self._store.call(id)
        if call is None:
            raise NotFound("call", id)
        samples = await self._store.samples(id)
        stored = await self._store.analytics(id)
        if stored is not None and _outlived(stored, samples):
            await self._mark(call, samples, stored.analyzed_at)  # one may have been cut off
            return stored
        # In a thread: an hour of a large call takes a second, and the loop has others to serve.
        made = await asyncio.to_thread(
            analyse,
            call,
            call.participants or [],
            await self._store.events(id, 0, None),
            samples,
            now=cut(self._clock()),
            new_id=self._new_id,
            lines=self._settings.lines,
        )
        if stored is not None:
            made = replace(made, id=stored.id, created_at=stored.created_at)
        if not await self._store.save_analysis(made):
            raise NotFound("call", id)  # it was deleted meanwhile
        await self._mark(call, samples, made.analyzed_at)
        return made

    async def _mark(self, call: Call, samples: Sequence[Sample], at: datetime) -> None:
        """Of a live call all are looked at again. What came meanwhile the next sweep sees, and with
        it all."""
        new = [] if call.live else [sample for sample in samples if not sample.analysed]
        for first in range(0, len(new), TOGETHER):
            await self._store.mark_analysed(new[first : first + TOGETHER], at)

    async def get(self, call_id: str) -> Analytics:
        """The stored analysis; NotFound where the call has none yet."""
        id = check(OfCall, call_id=call_id).call_id
        stored = await self._store.analytics(id)
        if stored is None:
            raise NotFound("analytics", id)
        return stored


def _errors_of(report: object, now: datetime) -> list[tuple[str, str]]:
    try:
        read(report, now=now, at=now)
    except Invalid as error:
        return error.errors
    return []


def _outlived(stored: Analytics, samples: list[Any]) -> bool:
    """Whether some sample that the stored analysis saw is gone."""
    now: dict[str, int] = {}
    for sample in samples:
        now[sample.participant_id] = now.get(sample.participant_id, 0) + 1
    return any(m.samples > now.get(m.participant_id, 0) for m in stored.participant_metrics)
