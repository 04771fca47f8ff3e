"""`open_calls`: the one place that picks a store and puts the parts together."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from callstore.calls.describe import Describe
from callstore.calls.facade import Calls
from callstore.errors import Invalid, SchemaMismatch
from callstore.ids import id_maker
from callstore.quality.live import Report, decide_report
from callstore.schema.facade import check_usable
from callstore.schema.steps import CURRENT, STEPS
from callstore.settings import Settings, load_settings
from callstore.stores.group import Group, Rules
from callstore.stores.protocol import Store

DEFAULT_STORE = "sqlite:///callstore.db"


@asynccontextmanager
async def open_calls(
    store: str | None = None,
    *,
    recordings: str | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    clock: Callable[[], datetime] | None = None,
    new_id: Callable[[], str] | None = None,
    describe: Describe | None = None,
    check_schema: bool = True,
) -> AsyncIterator[Calls]:
    """The calls of the store at a URL: `sqlite:///path`, `memory:`, or a scheme that an installed
    package serves (entry point group `callstore.stores`). None: `CALLSTORE_STORE`, else
    `sqlite:///callstore.db`.

    A new, empty database is brought to the current schema; one that needs a migration is refused
    with SchemaMismatch unless the settings say `auto_migrate`. `clock` gives aware UTC datetimes,
    `new_id` ids of 24 hex digits. `recordings` is the URL of the object storage, None
    `CALLSTORE_RECORDINGS`, else a folder beside the database; nothing is recorded yet.
    `check_schema=False` opens a database of whatever schema, for `calls.schema` and nothing else.
    """
    if recordings is not None and not isinstance(recordings, str):
        raise Invalid.field("/recordings", "must be a URL")
    chosen = load_settings(settings)
    ids, now = new_id or id_maker(), clock or (lambda: datetime.now(UTC))
    opened = _open_store(store or os.environ.get("CALLSTORE_STORE") or DEFAULT_STORE, chosen)
    try:
        if check_schema:
            await _prepare(opened, chosen, now)
        opened.ready()
        rules = Rules(
            clock=now,
            new_id=ids,
            keep=chosen.keep_calls,
            liveness=chosen.liveness,
            deciders={
                Report: partial(decide_report, live_issues=chosen.live_issues, lines=chosen.lines)
            },
        )
        group = Group(opened, rules, deadline=chosen.command_deadline)
        try:
            yield Calls(opened, group, clock=now, new_id=ids, settings=chosen, describe=describe)
        finally:
            await group.drain()
    finally:
        await opened.close()


def _open_store(url: object, settings: Settings) -> Store:
    if not isinstance(url, str) or "\0" in url:
        raise Invalid.field("/store", "must be a URL such as sqlite:///calls.db")
    scheme, colon, rest = url.partition(":")
    if url == "memory:" or (scheme == "sqlite" and rest.startswith("///") and len(rest) > 3):
        from callstore.stores.sqlite.store import SqliteStore

        path = None if url == "memory:" else Path(rest[3:])
        return SqliteStore(path, patience=settings.command_deadline)
    if scheme == "sqlite":
        raise Invalid.field("/store", "must be sqlite:///path, with three slashes")
    from importlib.metadata import entry_points

    for entry in entry_points(group="callstore.stores", name=scheme):
        opened: Store = entry.load()(url, settings)
        return opened
    raise Invalid.field("/store", f"there is no store for {scheme + colon!r}")


async def _prepare(store: Store, settings: Settings, now: Callable[[], datetime]) -> None:
    applied = await store.schema()
    check_usable(applied)
    version = applied[-1].id if applied else 0
    if version < CURRENT:
        if applied and not settings.auto_migrate:
            raise SchemaMismatch(
                f"the database is at schema {version}, this code at {CURRENT}:"
                " run `callstore schema up`, or set auto_migrate"
            )
        await store.migrate(STEPS, now)
    if missing := await store.missing_indexes():
        if not settings.auto_migrate:
            raise SchemaMismatch(
                f"a bulk load was interrupted, and indexes are missing ({', '.join(missing)}):"
                " run `callstore schema up`"
            )
        await store.build_indexes()
