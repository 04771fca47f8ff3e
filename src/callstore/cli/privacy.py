"""`callstore privacy`: what is kept of a person."""

import os
import sys
from collections.abc import Callable
from importlib.resources import files
from typing import Any, BinaryIO

import click

from callstore import Calls, Party, Receipt
from callstore.cli.app import App, Group, Storeless, unusable
from callstore.cli.arguments import BY, PARTY, party_option
from callstore.cli.target import Target

FORMATS = ("json", "xml", "zip")


@click.group(cls=Group)
def privacy() -> None:
    """Erase what is kept of a person or a conversation, and give it out."""


@privacy.command()
@click.argument("party", type=PARTY)
@click.option("--format", type=click.Choice(FORMATS), default="json", show_default=True)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    show_default="KIND-ID.FORMAT, here",
    help="Where it goes, which must not be there yet; - is stdout.",
)
@BY
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

        show_manifest(manifest, os.fspath(target.path))


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


DRY_RUN = click.option("--dry-run", is_flag=True, help="Delete nothing; count what would go.")


@privacy.command()
@click.argument("party", type=PARTY)
@click.option(
    "--mode",
    type=click.Choice(["anonymise", "delete"]),
    default="anonymise",
    show_default=True,
    help="Whether the party's rows stay in the history of others, without it.",
)
@click.option(
    "--files",
    "recordings",  # as the library has it; --recordings is where they are
    type=click.Choice(["requested", "participated", "keep"]),
    default="requested",
    show_default=True,
    help="Which recordings go: those the party asked for, all of calls it was in, none.",
)
@DRY_RUN
@BY
@click.pass_obj
def erase(
    app: App, party: Party, mode: Any, recordings: Any, dry_run: bool, by: str | None
) -> None:
    """Erase a person: what they said, how it sounded, their log, their name wherever it stands.

    What is held stays pending, and is done by a sweep once it no longer is.
    """

    async def work(calls: Calls) -> Receipt:
        return await calls.privacy.erase(
            party, mode=mode, recordings=recordings, dry_run=dry_run, by=by
        )

    _show(app, app.run(work))


@privacy.command("delete-conversation")
@click.argument("conversation")
@DRY_RUN
@BY
@click.pass_obj
def delete_conversation(app: App, conversation: str, dry_run: bool, by: str | None) -> None:
    """Delete all calls of a conversation; a live one ends first, a held one stays."""

    async def work(calls: Calls) -> Receipt:
        return await calls.privacy.delete_conversation(conversation, dry_run=dry_run, by=by)

    _show(app, app.run(work))


@privacy.command("delete-guest")
@click.argument("guest")
@DRY_RUN
@BY
@click.pass_obj
def delete_guest(app: App, guest: str, dry_run: bool, by: str | None) -> None:
    """Erase a guest, rows and all."""

    async def work(calls: Calls) -> Receipt:
        return await calls.privacy.delete_guest(guest, dry_run=dry_run, by=by)

    _show(app, app.run(work))


@privacy.command()
@party_option("Of one party only.")
@click.pass_obj
def receipts(app: App, party: Party | None) -> None:
    """What became of erasures and deletions, the latest first."""
    found = app.run(lambda calls: calls.privacy.receipts(party))
    if app.json:
        app.print_json(found)
    else:
        from callstore.cli.privacy_views import show_receipts

        show_receipts(found)


def _show(app: App, receipt: Receipt) -> None:
    if app.json:
        app.print_json(receipt)
    else:
        from callstore.cli.privacy_views import show_receipt

        show_receipt(receipt)
