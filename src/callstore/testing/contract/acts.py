"""Privileged acts are written down before they begin, with who did them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from callstore import Calls, errors
from callstore.testing.contract.auditing import entries
from callstore.testing.contract.captions import say
from callstore.testing.contract.files import content
from callstore.testing.contract.recordings import available
from callstore.testing.contract.world import ANN, BOB, EVE, HALL, NOBODY_KNOWS, answered


class TestPrivilegedActs:
    async def acts(self, calls: Calls) -> list[tuple[str, str | None]]:
        found = await entries(calls)
        assert (await calls.audit.verify()).ok
        return [(entry.action, entry.by) for entry in found]

    async def test_each_is_written_down_with_who_did_it(self, calls: Calls) -> None:
        row = await available(calls)
        caption = await say(calls, row.call_session_id, BOB, "hello")
        await content(calls, row.id, start=5, by="eve")
        await calls.recordings.url(row.id, by="dan", expires=60)
        await calls.recordings.delete(row.id, by="cat")
        await calls.captions.delete(caption.id, by="bob")
        await calls.retention.run(by="cron")
        assert await self.acts(calls) == [
            ("recordings.open", "eve"),
            ("recordings.url", "dan"),
            ("recordings.delete", "cat"),
            ("captions.delete", "bob"),
            ("retention.run", "cron"),
        ]
        of_call = {"recordingId": row.id, "callId": row.call_session_id}
        opened, linked, deleted, unsaid, run = await entries(calls)
        assert opened.data == {**of_call, "start": 5, "end": row.file_size}
        assert linked.data == {**of_call, "expires": 60}
        assert deleted.data == of_call
        assert unsaid.data == {"captionId": caption.id, "callId": row.call_session_id}
        assert run.data is not None
        assert {entry.party_hash for entry in await entries(calls)} == {None}

    async def test_of_a_party_they_have_its_hash_and_never_its_id(self, calls: Calls) -> None:
        """And a dry run is no act."""
        hold = await calls.holds.place(party=EVE, reason="a", by="counsel")
        await calls.holds.release(hold.id, by="judge")
        stream = calls.privacy.export(EVE, format="json", by="support")
        assert EVE.id.encode() in b"".join([chunk async for chunk in stream])
        await calls.privacy.erase(EVE, dry_run=True, by="nobody")
        receipt = await calls.privacy.erase(EVE, by="dpo")
        await calls.privacy.delete_conversation(HALL, by="host")
        placed, released, exported, erased, deleted = await entries(calls)
        assert await self.acts(calls) == [
            ("hold.place", "counsel"),
            ("hold.release", "judge"),
            ("privacy.export", "support"),
            ("privacy.erase", "dpo"),
            ("privacy.delete_conversation", "host"),
        ]
        assert placed.data == released.data == {"holdId": hold.id}
        assert exported.data == {"format": "json"}
        assert erased.data == {
            "erasureId": receipt.id,
            "mode": "anonymise",
            "recordings": "requested",
        }
        assert deleted.data is not None
        assert deleted.data["conversationId"] == HALL
        hashed = receipt.party_hash
        about = [placed.party_hash, exported.party_hash, erased.party_hash]
        assert about == [hashed] * 3
        assert EVE.id not in str(await entries(calls))

    async def test_a_refused_one_too_once_what_it_is_about_was_found(self, calls: Calls) -> None:
        call = await answered(calls)
        running = await calls.recordings.start(call.id, ANN)
        with pytest.raises(errors.InvalidTransition):
            await calls.recordings.delete(running.id, by="ann")
        assert await self.acts(calls) == [("recordings.delete", "ann")]
        for wrong in self.unfounded(calls):
            with pytest.raises((errors.NotFound, errors.Invalid)):
                await wrong()
        with pytest.raises(errors.InvalidTransition):  # it has no file
            await calls.recordings.url(running.id)
        assert len(await entries(calls)) == 1

    def unfounded(self, calls: Calls) -> list[Callable[[], Awaitable[Any]]]:
        return [
            lambda: calls.recordings.delete(NOBODY_KNOWS),
            lambda: calls.recordings.delete(NOBODY_KNOWS, by="a\nb"),
            lambda: content(calls, NOBODY_KNOWS),
            lambda: calls.recordings.url(NOBODY_KNOWS),
            lambda: calls.captions.delete(NOBODY_KNOWS),
            lambda: calls.retention.run(by=""),
        ]

    async def test_it_is_there_before_the_act_begins(
        self, calls: Calls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = await available(calls)
        seen: list[Any] = []

        async def die(_: object) -> None:
            seen.extend(await self.acts(calls))
            raise KeyboardInterrupt

        monkeypatch.setattr(calls.recordings._uploads, "delete", die)
        with pytest.raises(KeyboardInterrupt):
            await calls.recordings.delete(row.id, by="ann")
        assert seen == [("recordings.delete", "ann")]

    async def test_an_act_that_cannot_be_written_down_is_not_done(
        self, calls: Calls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = await available(calls)

        async def away(*_: object, **__: object) -> None:
            raise errors.StoreUnavailable("gone")

        with monkeypatch.context() as patch:
            patch.setattr(calls._store.audit, "change", away)
            with pytest.raises(errors.StoreUnavailable):
                await calls.recordings.delete(row.id)
        assert (await calls.recordings.get(row.id)).status == "available"
        assert await content(calls, row.id)

    async def test_making_a_database_is_none_and_of_two_runs_at_once_one_is(
        self, calls: Calls
    ) -> None:
        assert await self.acts(calls) == []
        await asyncio.gather(*(calls.retention.run(by="ann") for _ in range(3)))
        acts = await self.acts(calls)
        assert set(acts) == {("retention.run", "ann")}
