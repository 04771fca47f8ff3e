"""Databases that go up and down, are planned, verified, refused; on every store."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.stores import database
from tests.stores.filling import filled
from tests.stores.migrating import (
    BACKFILL,
    NEWEST,
    live_shape,
    schema_of,
)

from callstore import errors, open_calls
from callstore.schema.report import SchemaReport
from callstore.schema.shape import changes
from callstore.schema.steps import HISTORY, History, Step
from callstore.stores.leases import take
from callstore.stores.mongo import shape as mongo_shape
from callstore.stores.sqlite import shape as sqlite_shape
from callstore.testing.contract.world import ANN, ROOM, check_sound

DECLARED = {"sqlite": sqlite_shape.declared, "mongodb": mongo_shape.declared}


async def at_step(url: str, to: int) -> None:
    async with open_calls(url, check_schema=False) as calls:
        await calls.schema.up(to=to)


@pytest.mark.parametrize("store", DECLARED)
def test_the_newest_step_leads_to_what_is_declared(store: str) -> None:
    """If this fails while a step is being made: python scripts/freeze.py"""
    assert HISTORY.shape_at(store, HISTORY.current) == DECLARED[store]()


class TestUp:
    async def test_a_new_database_equals_one_that_went_through_every_step(
        self, new_url: str, tmp_path: Path
    ) -> None:
        async with open_calls(new_url, check_schema=False) as calls:
            for step in range(1, HISTORY.current + 1):
                report = await calls.schema.up(to=step)
                assert (report.version, len(report.applied)) == (step, step)
            assert changes(await live_shape(calls), HISTORY.shape_at(_kind(new_url), 99)) == []
            assert (await calls.schema.plan()).changes == []
        await filled(new_url)

    async def test_an_older_one_is_refused_with_what_to_do_and_keeps_its_rows_on_the_way(
        self, new_url: str
    ) -> None:
        await filled(new_url)
        async with open_calls(new_url, check_schema=False) as calls:
            await calls.schema.down(to=1, yes=True)
        before = database.rows(new_url)
        with pytest.raises(errors.SchemaMismatch, match="schema up"):
            async with open_calls(new_url):
                pass
        async with open_calls(new_url, settings={"auto_migrate": True}) as calls:
            await check_sound(calls)
        after = database.rows(new_url)
        for name, rows in before.items():  # what came with the step is beside it
            kept = [
                {field: new[field] for field in old}
                for old, new in zip(rows, after[name], strict=True)
            ]
            assert kept == rows

    async def test_it_tells_which_indexes_it_built(self, new_url: str) -> None:
        await filled(new_url)
        database.drop_index(new_url, "CallSession", "CallSession_history")
        told: list[tuple[str, int, int]] = []
        async with open_calls(new_url, check_schema=False) as calls:
            planned = (await calls.schema.plan()).changes
            assert [(p.action, p.name, p.rows) for p in planned] == [
                ("make", "CallSession_history", 31)
            ]
            assert planned[0].seconds is not None
            report = await calls.schema.up(progress=lambda *each: told.append(each))
        assert [(b.index, b.rows) for b in report.built] == [("CallSession_history", 31)]
        assert told[-1] == ("index CallSession_history", 31, 31)
        assert report.pending == []

    async def test_an_index_of_words_is_planned_to_take_longer(self, new_url: str) -> None:
        await filled(new_url)
        database.drop_index(new_url, "CallTranscription", "CallTranscription_spoken")
        if new_url.startswith("sqlite"):
            with database.sqlite_file(new_url) as db:
                db.execute("DROP TABLE CallTranscription_words")
        else:
            database.drop_index(new_url, "CallTranscription", "CallTranscription_words")
        async with open_calls(new_url, check_schema=False) as calls:
            planned = (await calls.schema.plan()).changes
        seconds = {p.name.partition("_")[2]: p.seconds or 0 for p in planned}
        assert 10 <= seconds["words"] / seconds["spoken"] <= 60

    async def test_what_a_step_takes_away_is_planned(self, new_url: str) -> None:
        await filled(new_url)
        fewer = History(
            steps=(*HISTORY.steps, Step(id=NEWEST + 1, name="no recordings", oldest_code=1)),
            made=lambda step: (
                HISTORY.made(step)
                if step <= NEWEST
                else {"sqlite": {"CallRecording": None}, "mongodb": {"CallRecording": None}}
            ),
        )
        async with open_calls(new_url) as calls:
            schema = schema_of(calls, fewer)
            (planned,) = (await schema.plan()).changes
            assert (planned.action, planned.what, planned.collection) == (
                "remove",
                "collection",
                "CallRecording",
            )
            await schema.up()
            assert "CallRecording" not in await live_shape(calls)

    async def test_what_it_does_not_know_it_leaves(self, new_url: str) -> None:
        await filled(new_url)
        database.add_index(new_url, "CallSession", "of_the_host", "type")
        async with open_calls(new_url) as calls:
            for report in (await calls.schema.plan(), await calls.schema.up()):
                assert report.pending == []
            planned = (await calls.schema.plan()).changes
        assert [(p.action, p.name, p.detail) for p in planned] == [("leave", "of_the_host", "type")]

    async def test_what_has_changed_is_told_and_mended(self, new_url: str) -> None:
        await filled(new_url)
        database.drop_index(new_url, "CallSession", "CallSession_oneLive")
        database.add_index(new_url, "CallSession", "CallSession_oneLive", "conversationId")
        async with open_calls(new_url, check_schema=False) as calls:
            (planned,) = (await calls.schema.plan()).changes
            assert (planned.action, planned.name) == ("change", "CallSession_oneLive")
            fields, *differences = planned.detail.split("; ")
            assert fields == "conversationId"
            told = " ".join(differences).lower()
            assert "unique" in told
            assert "where live" in told or '{"live": true}' in told
            assert (await calls.schema.up()).pending == []
            assert (await calls.schema.plan()).changes == []

    async def test_while_another_migrates_it_does_not(self, new_url: str) -> None:
        await filled(new_url)
        async with open_calls(new_url, check_schema=False) as calls:
            await calls._store.change_lease("schema", take("schema", "other", datetime.now(UTC)))
            before = await live_shape(calls)
            with pytest.raises(errors.Busy):
                await schema_of(calls).up()
            assert await live_shape(calls) == before

    @pytest.mark.parametrize("to", [-1, 1, HISTORY.current + 1])
    async def test_it_leads_nowhere_but_up(self, new_url: str, to: int) -> None:
        async with open_calls(new_url) as calls:
            with pytest.raises(errors.Invalid, match="/to"):
                await calls.schema.up(to=to)

    async def test_of_two_at_once_one_works(self, new_url: str) -> None:
        await filled(new_url)
        async with (
            open_calls(new_url, check_schema=False) as one,
            open_calls(new_url, check_schema=False) as two,
        ):
            results = await asyncio.gather(
                schema_of(one).up(), schema_of(two).up(), return_exceptions=True
            )
            # Whoever comes late is refused, or finds nothing left to do.
            assert {type(result) for result in results} <= {errors.Busy, SchemaReport}
            built = [each.built for each in results if isinstance(each, SchemaReport)]
            assert [len(each) for each in built if each] == [2]
            assert (await schema_of(one).up()).pending == []


class TestDown:
    async def test_each_way_is_in_the_audit_while_there_is_one(self, new_url: str) -> None:
        await filled(new_url)
        async with open_calls(new_url, check_schema=False) as calls:
            await schema_of(calls).up(by="ann")
            await schema_of(calls).up(by="eve")  # nothing is left to do
            await schema_of(calls).down(to=NEWEST, yes=True, by="bob")
            down, up = (await calls.audit.list(limit=2)).items
            assert (up.action, up.by, down.action, down.by) == (
                "schema.up", "ann", "schema.down", "bob"
            )  # fmt: skip
            assert (up.data or {})["from"] == (down.data or {})["to"] == NEWEST
            assert (await calls.audit.verify()).ok
            await calls.schema.down(to=1, yes=True, by="bob")  # which knew of no audit
            await calls.schema.up(by="cat")
            (entry,) = (await calls.audit.list()).items
            assert (entry.seq, entry.action, entry.by) == (1, "schema.up", "cat")

    async def test_rows_that_would_be_lost_are_named(self, new_url: str) -> None:
        await filled(new_url)
        before = database.rows(new_url)
        async with open_calls(new_url, check_schema=False) as calls:
            with pytest.raises(errors.Conflict, match=r"CallSession \(31 rows\).*--yes"):
                await calls.schema.down(to=0)
            assert database.rows(new_url) == before
            assert (await calls.schema.down(to=0, yes=True)).version == 0
        assert database.rows(new_url) == {}
        await filled(new_url)

    async def test_losing_rows_takes_a_yes_that_is_one(self, new_url: str) -> None:
        await filled(new_url)
        async with open_calls(new_url) as calls:
            with pytest.raises(errors.Invalid, match="/yes"):
                await calls.schema.down(to=0, yes="no")  # type: ignore[arg-type]

    async def test_it_is_alone_whatever_it_leads_to(self, new_url: str) -> None:
        await filled(new_url)
        async with open_calls(new_url) as calls:
            await calls._store.change_lease("schema", take("schema", "other", datetime.now(UTC)))
            for to in (0, 1):
                with pytest.raises(errors.Busy):
                    await calls.schema.down(to=to, yes=True)

    async def test_nothing_goes_under_a_hold(self, new_url: str) -> None:
        await filled(new_url)
        database.hold(new_url)
        async with open_calls(new_url, check_schema=False) as calls:
            for to in (0, 1):
                with pytest.raises(errors.Held) as held:
                    await calls.schema.down(to=to, yes=True)
                assert held.value.holds == ["e" * 24]
            assert (await calls.schema.status()).version == HISTORY.current

    async def test_a_hold_goes_neither_that_no_call_is_under_yet(self, new_url: str) -> None:
        async with open_calls(new_url) as calls:
            hold = await calls.holds.place(conversation_id=ROOM, reason="a lawsuit")
            with pytest.raises(errors.Held) as held:
                await calls.schema.down(to=0, yes=True)
            assert held.value.holds == [hold.id]
            await calls.holds.release(hold.id)
            assert (await calls.schema.down(to=0, yes=True)).version == 0

    async def test_rows_that_do_not_fit_stop_it(self, new_url: str) -> None:
        """An adopted call has an event that schema 1 does not know."""
        await filled(new_url)
        if new_url.startswith("sqlite"):
            with database.sqlite_file(new_url) as db:
                db.execute("UPDATE CallEvent SET type = 'call.adopted' WHERE seq = 1")
        else:
            with database.mongo_database(new_url) as db:
                db["CallEvent"].update_many({"seq": 1}, {"$set": {"type": "call.adopted"}})
        async with open_calls(new_url, check_schema=False) as calls:
            with pytest.raises(errors.Conflict, match=r"CallEvent.*do not fit"):
                await calls.schema.down(to=1, yes=True)
            assert (await calls.schema.status()).version == HISTORY.current
        async with open_calls(new_url) as calls:
            await calls.start(ROOM[:-1] + "5", ANN)

    async def test_a_later_database_is_taken_back_by_later_code(self, new_url: str) -> None:
        await filled(new_url)
        async with open_calls(new_url) as calls:
            await schema_of(calls).up(to=BACKFILL)
            made = await live_shape(calls)
        async with open_calls(new_url) as calls:  # which may still use it
            with pytest.raises(errors.SchemaMismatch, match="newer code"):
                await calls.schema.down(to=1)
            await calls.start(ROOM[:-1] + "5", ANN)  # and knows no note
            assert (await calls.schema.up()).pending == []
            assert await live_shape(calls) == made
            await schema_of(calls).up()
        assert all(row["note"] for row in database.rows(new_url)["CallSession"])
        with pytest.raises(errors.SchemaMismatch, match="newer callstore"):
            async with open_calls(new_url):
                pass


def _kind(url: str) -> str:
    return url.partition(":")[0]


@pytest.mark.parametrize("how", [{"validationLevel": "off"}, {"validationAction": "warn"}])
async def test_rules_that_refuse_nothing_are_told_and_mended(
    new_mongo: str, how: dict[str, str]
) -> None:
    await filled(new_mongo)
    with database.mongo_database(new_mongo) as db:
        db.command({"collMod": "CallSession", **how})
    async with open_calls(new_mongo, check_schema=False) as calls:
        (planned,) = (await calls.schema.plan()).changes
        assert (planned.action, planned.what) == ("change", "rules")
        assert (await calls.schema.up()).pending == []
        assert (await calls.schema.plan()).changes == []


async def test_an_index_of_another_kind_is_told(new_url: str) -> None:
    await filled(new_url)
    database.drop_index(new_url, "CallSession", "CallSession_history")
    database.add_index(new_url, "CallSession", "CallSession_history", "type")
    with pytest.raises(errors.SchemaMismatch, match="CallSession_history"):
        async with open_calls(new_url):
            pass


@pytest.mark.parametrize(
    "lost", ["TRIGGER CallTranscription_words_insert", "TABLE CallTranscription_words"]
)
async def test_an_index_of_words_that_is_not_kept_is_told_and_mended(
    tmp_path: Path, lost: str
) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    await filled(url)
    with database.sqlite_file(url) as db:
        db.execute(f"DROP {lost}")
    with pytest.raises(errors.SchemaMismatch, match="CallTranscription_words"):
        async with open_calls(url):
            pass
    async with open_calls(url, check_schema=False) as calls:
        assert (await calls.schema.up()).pending == []
    async with open_calls(url) as calls:
        call = await calls.live_in(ROOM)
        assert call is not None
        await calls.captions.add(call.id, ANN, segment_id="1", text="found again", language="en")
        assert len((await calls.captions.search("again", call_id=call.id)).items) == 1
        seeded, _ = await calls._store.rows("CallTranscription", None, 1000)
        for caption in seeded:
            page = await calls.captions.search(caption.words[0], call_id=caption.call_session_id)
            assert caption.id in {each.id for each in page.items}
