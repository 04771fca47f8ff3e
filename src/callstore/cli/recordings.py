"""`callstore recordings`: a call's recordings, and their files."""

import hashlib
import os
import sys
from collections.abc import Callable
from typing import BinaryIO

import click

from callstore import Calls, Recording
from callstore.cli.app import App, Failed, Group, unusable
from callstore.cli.arguments import BY
from callstore.cli.target import Target


@click.group(cls=Group)
def recordings() -> None:
    """List a call's recordings, get and delete their files."""


@recordings.command("list")
@click.argument("call")
@click.pass_obj
def list_(app: App, call: str) -> None:
    """A call's recordings, in the order of their beginning."""
    rows = app.run(lambda calls: calls.recordings.list(call))
    if app.json:
        app.print_json(rows)
    else:
        from callstore.cli.recording_views import show_list

        show_list(rows)


@recordings.command()
@click.argument("id")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    show_default="ID.FORMAT, here",
    help="Where the file goes, which must not be there yet; - is stdout.",
)
@BY
@click.pass_obj
def get(app: App, id: str, output: str | None, by: str | None) -> None:
    """Get a recording's file, and hold it against its SHA-256."""
    from callstore.cli.output import progress

    if output == "-":
        if app.json:
            unusable("--json and the file cannot both be on stdout.")
        app.run(lambda calls: _download(calls, id, by, lambda _: sys.stdout.buffer, _unseen))
        return
    target = Target(output)
    try:
        with progress("getting it", None, quiet=app.json) as advance:
            row = app.run(lambda calls: _download(calls, id, by, target.open, advance))
        target.finish()
    except BaseException:
        target.give_up()
        raise
    if app.json:
        app.print_json({"path": os.fspath(target.path), "recording": row})
    else:
        from callstore.cli.output import bytes_of

        held = "its SHA-256 is as it should be" if row.sha256 else "nobody kept its SHA-256"
        click.echo(f"{target.path}: {bytes_of(row.file_size)}, {held}")


def _unseen(_: int) -> None:
    pass


async def _download(
    calls: Calls,
    id: str,
    by: str | None,
    opener: Callable[[str], BinaryIO],
    advance: Callable[[int], object],
) -> Recording:
    row, hashed = await calls.recordings.get(id), hashlib.sha256()
    chunks = await calls.recordings.open(id, by=by)
    file = opener(f"{row.id}.{row.format}")
    try:
        async for chunk in chunks:
            hashed.update(chunk)
            file.write(chunk)
            advance(len(chunk))
        file.flush()
    finally:
        if file is not sys.stdout.buffer:
            file.close()
    if row.sha256 is not None and hashed.hexdigest() != row.sha256:
        raise Failed("file_changed", f"{row.file_path} is not what was put there: do not use it")
    return row


@recordings.command()
@click.argument("id")
@BY
@click.pass_obj
def delete(app: App, id: str, by: str | None) -> None:
    """Delete a recording's file; that there was one stays known, as long as its call."""
    row = app.run(lambda calls: calls.recordings.delete(id, by=by))
    if app.json:
        app.print_json(row)
    else:
        from callstore.cli.output import moment

        click.echo(f"recording {row.id} was deleted at {moment(row.deleted_at)}")
