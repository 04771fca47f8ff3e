"""`open_calls`: the one place that picks a store and puts the parts together."""

import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from callstore.calls.describe import Describe
from callstore.calls.facade import Calls
from callstore.calls.parts import Parts
from callstore.captions.commands import AddCaptions, DeleteCaption, TranslateCaption
from callstore.captions.decide import decide_add, decide_delete, decide_translate
from callstore.captions.facade import Captions
from callstore.errors import Invalid, NotFound, SchemaMismatch
from callstore.ids import id_maker
from callstore.metrics import Tell, told
from callstore.privacy import decide as privacy
from callstore.privacy.audit import Audit
from callstore.privacy.erase import Erasing
from callstore.privacy.export import Export
from callstore.privacy.facade import Privacy
from callstore.privacy.holds import Holds
from callstore.quality.facade import Quality
from callstore.quality.live import Report, decide_report
from callstore.recordings import decide as recording
from callstore.recordings.facade import Recordings
from callstore.recordings.files import Files
from callstore.recordings.uploads import Uploads
from callstore.retention.doctor import Doctor
from callstore.retention.facade import Retention
from callstore.retention.sweep import Chores, Sweep
from callstore.schema.facade import Schema
from callstore.settings import Settings, load_settings
from callstore.stores.batch import Rules
from callstore.stores.group import Group
from callstore.stores.protocol import Store
from callstore.validation import cut, time

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
    metrics: Tell | None = None,
    check_schema: bool = True,
) -> AsyncIterator[Calls]:
    """The calls of the store at a URL: `sqlite:///path`, `memory:`, `mongodb://host/database` (and
    `mongodb+srv://`; without a name the database is `callstore`), or a scheme that an installed
    package serves (entry point group `callstore.stores`). None: `CALLSTORE_STORE`, else
    `sqlite:///callstore.db`.

    A new, empty database is brought to the current schema; one that needs a migration is refused
    with SchemaMismatch unless the settings say `auto_migrate`. `clock` gives aware UTC datetimes,
    `new_id` ids of 24 hex digits; both are also called from the writer's thread.

    `recordings` is where files of recordings are: `file:///path`, `s3://bucket/prefix` (with
    `?endpoint=`, `region=`, `path_style=true|false`), `gs://bucket/prefix`, `az://container/prefix`
    (with `?account=`, `endpoint=`), `memory:`; keys are looked for where the provider's own tools
    do. None: `CALLSTORE_RECORDINGS`, else the folder `recordings` beside an SQLite file.
    `metrics` is told what sweeps and retention do, and how long they take.
    `check_schema=False` opens a database of whatever schema, for `calls.schema` and nothing else.
    """
    chosen = load_settings(settings)
    ids, now = new_id or id_maker(), _working(clock or (lambda: datetime.now(UTC)))
    url = os.environ.get("CALLSTORE_STORE") or DEFAULT_STORE if store is None else store
    files = _open_files(recordings, url)
    async with opened_store(url, chosen, now, ids, check_schema=check_schema) as opened:
        rules = Rules(
            clock=now,
            new_id=ids,
            keep=chosen.keep_calls,
            liveness=chosen.liveness,
            deciders={
                Report: partial(decide_report, live_issues=chosen.live_issues, lines=chosen.lines),
                AddCaptions: decide_add,
                TranslateCaption: decide_translate,
                DeleteCaption: decide_delete,
                **recording.DECIDERS,
                **privacy.DECIDERS,
            },
        )
        group = Group(opened, rules, deadline=chosen.command_deadline)
        uploads = Uploads(opened, group, files, lambda: cut(now()))
        try:
            yield _calls(opened, group, uploads, now, ids, chosen, describe, told(metrics))
        finally:
            await uploads.close()
            await group.drain()


def _calls(
    store: Store,
    group: Group,
    uploads: Uploads,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    settings: Settings,
    describe: Describe | None,
    tell: Tell,
) -> Calls:
    of: dict[str, Any] = {"clock": lambda: cut(clock()), "settings": settings}
    quality = Quality(store, group, new_id=new_id, **of)
    audit = Audit(store.audit, new_id=new_id, **of)
    holds = Holds(store, group, audit, new_id=new_id, **of)
    erasing = Erasing(store, group, uploads, **of)
    export = Export(store, uploads, audit.about, clock=of["clock"], describe=describe)
    retention = Retention(store, uploads, audit, holds.settle, tell, **of)
    chores = Chores(quality.analyse, uploads.finish, holds.settle, erasing.finish, retention.stamp)
    return Calls(
        Parts(
            store=store,
            group=group,
            describe=describe,
            audit=audit,
            captions=Captions(store, group, audit),
            quality=quality,
            recordings=Recordings(store, group, uploads, audit, **of),
            retention=retention,
            privacy=Privacy(store, erasing, export, audit, new_id=new_id, **of),
            holds=holds,
            schema=Schema(store, new_id=new_id, **of),
            sweep=Sweep(store, group, chores, tell, **of),
            doctor=Doctor(store, group, uploads, **of),
            **of,
        )
    )


@asynccontextmanager
async def opened_store(
    url: object,
    settings: Settings,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    *,
    check_schema: bool = True,
    may_make: bool = True,
    may_finish: bool = False,
) -> AsyncIterator[Store]:
    """The store at a URL, at this code's schema. NotFound where there is none yet, unless it may be
    made. Indexes that a bulk load has left out are missing, unless it may finish them."""
    opened = _open_store(url, settings, may_make=may_make)
    try:
        if check_schema:
            schema = Schema(opened, clock=clock, new_id=new_id, settings=settings)
            await _prepare(schema, settings, url, may_make=may_make, may_finish=may_finish)
        opened.ready()
        yield opened
    finally:
        await opened.close()


def _working(clock: Callable[[], datetime]) -> Callable[[], datetime]:
    try:
        time(clock())
    except ValueError as error:
        raise Invalid.field("/clock", str(error)) from None
    return clock


def _open_store(url: object, settings: Settings, *, may_make: bool) -> Store:
    if not isinstance(url, str) or "\0" in url:
        raise Invalid.field("/store", "must be a URL such as sqlite:///calls.db")
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower()
    named = rest.startswith("///") and rest not in ("///", "///:memory:")
    if url == "memory:" or (scheme == "sqlite" and named):
        from callstore.stores.sqlite.store import SqliteStore

        path = None if url == "memory:" else Path(rest[3:])
        if path is not None and not may_make and not path.exists():
            raise NotFound("database", url)
        return SqliteStore(path, patience=settings.command_deadline)
    if scheme in ("mongodb", "mongodb+srv"):
        from callstore.stores.mongo.store import MongoStore

        return MongoStore(url, patience=settings.command_deadline)
    if url == "sqlite:///:memory:":
        raise Invalid.field("/store", "a database in memory is memory:")
    if scheme == "sqlite":
        raise Invalid.field("/store", "must be sqlite:///path, with three slashes")
    from importlib.metadata import entry_points

    for entry in entry_points(group="callstore.stores", name=scheme):
        opened: Store = entry.load()(url, settings)
        return opened
    raise Invalid.field("/store", f"there is no store for {scheme + colon!r}")


def _open_files(url: object, store: object) -> Files | None:
    """None: nobody has said where files go, and there is no place that all who share the store
    would find."""
    if url is None:
        url = os.environ.get("CALLSTORE_RECORDINGS") or None
    if url is None and store == "memory:":
        url = "memory:"
    if url is None and str(store).lower().startswith("sqlite:"):
        database = Path(str(store)[len("sqlite:///") :]).absolute()
        url = database.with_name("recordings").as_uri()
    return None if url is None else Files(url)


async def _prepare(
    schema: Schema, settings: Settings, url: object, *, may_make: bool, may_finish: bool
) -> None:
    """Brings a new database to the schema; refuses one that is not at it."""
    status = await schema.status()
    if not (status.version or status.foreign or may_make):
        raise NotFound("database", re.sub("//[^/]*@", "//", str(url)))  # no password
    if status.foreign and not settings.auto_migrate:
        raise SchemaMismatch(
            f"something else wrote {', '.join(status.foreign)} of this database: `callstore schema"
            " plan` tells what taking it over would do, `callstore schema up` does it"
        )
    may_finish = may_finish and status.version == status.code
    if status.version and status.pending and not (settings.auto_migrate or may_finish):
        raise SchemaMismatch(
            f"the database is at schema {status.version}, this code at {status.code}"
            f" ({'; '.join(status.pending)}): run `callstore schema up`, unless one runs already or"
            " calls are being loaded in bulk; or set auto_migrate"
        )
    if status.pending or status.version > status.code:
        await schema.up()
