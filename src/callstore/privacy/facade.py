"""`calls.privacy`: what is kept of a person is given out, and goes; that of a conversation, too."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

from msgspec import Struct

from callstore.calls.model import Guest, Label, Party
from callstore.ids import Id
from callstore.privacy.audit import Audit
from callstore.privacy.erase import Erasing
from callstore.privacy.export import Export, ExportFormat, Exporting, Told
from callstore.privacy.model import EraseMode, EraseRecordings, Erasure, Receipt
from callstore.privacy.watch import Watcher
from callstore.reading import Bytes
from callstore.settings import Settings
from callstore.stores.protocol import Store
from callstore.validation import check


class _Asked(Struct, frozen=True, kw_only=True):
    dry_run: bool
    by: Label | None


class _Erase(_Asked, frozen=True, kw_only=True):
    party: Party
    mode: EraseMode
    recordings: EraseRecordings


class _DeleteGuest(_Asked, frozen=True, kw_only=True):
    guest_id: Id


class _DeleteConversation(_Asked, frozen=True, kw_only=True):
    conversation_id: Id


class _Export(Struct, frozen=True, kw_only=True):
    party: Party
    format: ExportFormat
    by: Label | None


class _Receipts(Struct, frozen=True, kw_only=True):
    party: Party | None


class Privacy:
    """Erasures and exports need CALLSTORE_SECRET: receipts and the audit name a party by a keyed
    hash."""

    def __init__(
        self,
        store: Store,
        erasing: Erasing,
        export: Export,
        audit: Audit,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        settings: Settings,
    ) -> None:
        self._papers = store.papers
        self._erasing = erasing
        self._export = export
        self._audit = audit
        self._clock = clock
        self._new_id = new_id
        self._settings = settings
        self.watch = Watcher(
            store,
            clock=clock,
            settings=settings,
            delete_conversation=self.delete_conversation,
            erase=self.erase,
            delete_guest=self.delete_guest,
        ).run

    async def erase(
        self,
        party: Party,
        *,
        mode: EraseMode = "anonymise",
        recordings: EraseRecordings = "requested",
        dry_run: bool = False,
        by: str | None = None,
    ) -> Receipt:
        """Everything of a party goes: what it said, how it sounded, its log, its devices, its name
        wherever it stands. `anonymise` leaves its rows in the history of others without it,
        `delete` does not. `recordings` says whose files go: those it asked for, all of calls it was
        in, none. A live party leaves first.

        What is held, or cannot be deleted now, stays `pending`, and is done by a sweep once that is
        over; so is what a crash cuts off. Once it is `done` nothing of the party is left here.
        Costs a command for each call that the party has in its log. `dry_run`: nothing goes; what
        would, is counted.
        """
        asked = check(_Erase, party=party, mode=mode, recordings=recordings, dry_run=dry_run, by=by)
        erasure = self._erasure(
            asked,
            party=asked.party.ref,
            party_hash=self._audit.hashed(asked.party),
            mode=asked.mode,
            recordings=asked.recordings,
        )
        data = {"erasureId": erasure.id, "mode": asked.mode, "recordings": asked.recordings}
        record = partial(self._audit.record, "privacy.erase", party=asked.party, data=data)
        return await self._do(asked, erasure, record)

    async def delete_guest(
        self, guest_id: str, *, dry_run: bool = False, by: str | None = None
    ) -> Receipt:
        """As `erase` with `delete`: guests are ephemeral."""
        asked = check(_DeleteGuest, guest_id=guest_id, dry_run=dry_run, by=by)
        guest = Guest(asked.guest_id)
        return await self.erase(guest, mode="delete", dry_run=asked.dry_run, by=asked.by)

    async def delete_conversation(
        self, conversation_id: str, *, dry_run: bool = False, by: str | None = None
    ) -> Receipt:
        """All calls of a conversation go, with all that is of them; a live one ends first, as
        `forced`. A held call stays, and goes by a sweep once it is no longer held."""
        asked = check(_DeleteConversation, conversation_id=conversation_id, dry_run=dry_run, by=by)
        erasure = self._erasure(
            asked,
            conversation_id=asked.conversation_id,
            mode="delete",
            recordings="participated",
        )
        data = {"erasureId": erasure.id, "conversationId": asked.conversation_id}
        record = partial(self._audit.record, "privacy.delete_conversation", data=data)
        return await self._do(asked, erasure, record)

    async def receipts(self, party: Party | None = None) -> list[Receipt]:
        """What became of erasures, of a party or of all; the latest first. They are kept for a year
        (`keep_audit_days`)."""
        asked = check(_Receipts, party=party)
        who = None if asked.party is None else self._audit.hashed(asked.party)
        return [_receipt(erasure) for erasure in await self._papers.erasures(who)]

    def export(
        self, party: Party, *, format: ExportFormat = "json", by: str | None = None
    ) -> Exporting:
        """All that is kept of the party, as bytes: `json` and `xml` are one document, `zip` has the
        files of the recordings that the party asked for too. Nothing that names somebody else is
        in it. An unknown party's is empty. May be awaited first; `manifest` has the counts when all
        was read. `by` is who does it.

        Costs 3 queries for each 100 calls, and for each of 5 collections 1 for as many of them as
        have 500 rows (of analyses 10); the events and recordings of others in these calls are read,
        too.
        """
        return Exporting(partial(self._begin_export, party, format, by))

    async def _begin_export(
        self, party: Party, format: ExportFormat, by: str | None, told: Told
    ) -> Bytes:
        asked = check(_Export, party=party, format=format, by=by)
        begun = await self._export.open(asked.party, asked.format, told)
        # It could be begun, and nothing is given out yet.
        data = {"format": asked.format}
        await self._audit.record("privacy.export", by=asked.by, party=asked.party, data=data)
        return begun

    def _erasure(self, asked: _Asked, **what: Any) -> Erasure:
        return Erasure(
            id=self._new_id(),
            status="pending",
            requested_by=asked.by,
            requested_at=self._clock(),
            **what,
        )

    async def _do(
        self, asked: _Asked, erasure: Erasure, record: Callable[..., Awaitable[object]]
    ) -> Receipt:
        if asked.dry_run:
            return _receipt(await self._erasing.rehearse(erasure), dry=True)
        await record(by=asked.by)
        return _receipt(await self._erasing.begin(erasure))


def _receipt(erasure: Erasure, *, dry: bool = False) -> Receipt:
    return Receipt(
        id=None if dry else erasure.id,
        party_hash=erasure.party_hash,
        conversation_id=erasure.conversation_id,
        mode=erasure.mode,
        recordings=erasure.recordings,
        status=erasure.status,
        counts=erasure.counts,
        kept=erasure.kept,
        requested_by=erasure.requested_by,
        requested_at=erasure.requested_at,
        done_at=erasure.done_at,
    )
