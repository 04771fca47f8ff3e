"""`callstore privacy`: what is kept of a person."""

import os
import sys
from collections.abc import Callable
from importlib.resources import files
from typing import Any, BinaryIO

import click

from callstore import Calls, Party
from callstore.cli.app import App, Group, Storeless, unusable
from callstore.cli.arguments import PARTY
from callstore.cli.target import Target

FORMATS = ("json", "xml", "zip")


@click.group(cls=Group)
def privacy() -> None:
    """Give out what is kept of a person."""


@privacy.command()
@click.argument("party", type=PARTY, metavar="user:ID|guest:ID")
@click.option("--format", type=click.Choice(FORMATS), default="json", show_default=True)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    show_default="KIND-ID.FORMAT, here",
    help="Where it goes, which must not be there yet; - is stdout.",
)
@click.option("--by", metavar="NAME", help="Who does it, for the audit.")
@click.pass_obj
def export(app: App, party: Party, format: Any, output: str | None, by: str | None) -> None:
    """All that is kept of a person, as a file; zip has the recordings that they asked for too."""
    from callstore.cli.output import progress

    if output == "-":
        if app.json:
            unusable("--json and the export cannot both be on stdout.")
        opener = _stdout
        app.run(lambda calls: _written(calls, party, format, by, opener, lambda _: None))
        return
    target = Target(output)
    name = f"{party.kind}-{party.id}.{format}"
    try:
        with progress("exporting", None, quiet=app.json) as advance:
            manifest = app.run(
                lambda calls: _written(calls, party, format, by, lambda: target.open(name), advance)
            )
        target.finish()
    except BaseException:
        target.give_up()
        raise
    if app.json:
        app.print_json({"path": os.fspath(target.path), "manifest": manifest})
    else:
        from callstore.cli.export_views import show_manifest

        show_manifest(os.fspath(target.path), manifest)


async def _written(
    calls: Calls,
    party: Party,
    format: Any,
    by: str | None,
    opener: Callable[[], BinaryIO],
    advance: Callable[[int], object],
) -> Any:
    """The manifest of what was written."""
    stream = await calls.privacy.export(party, format=format, by=by)
    file = opener()
    try:
        async for chunk in stream:
            file.write(chunk)
            advance(len(chunk))
        file.flush()
    finally:
        await stream.aclose()
        if file is not sys.stdout.buffer:
            file.close()
    return stream.manifest


def _stdout() -> BinaryIO:
    return sys.stdout.buffer


@privacy.command(cls=Storeless)
@click.pass_obj
def xsd(app: App) -> None:
    """The XML Schema of an export, on stdout."""
    text = files("callstore").joinpath("privacy/export.xsd").read_text(encoding="utf-8")
    if app.json:
        app.print_json({"xsd": text})
    else:
        click.echo(text, nl=False)
