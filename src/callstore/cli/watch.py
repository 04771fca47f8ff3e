"""`callstore watch`: what the host deletes goes here too."""

import asyncio
import signal
from datetime import UTC, datetime
from typing import Any

import click

from callstore import Calls
from callstore.cli.app import App, Command, unusable
from callstore.privacy.watch import Watched, WatchReport

COLLECTIONS = ("conversations", "users", "guests")


@click.command(cls=Command)
@click.option("--conversations", metavar="COLLECTION", help="The host's conversations.")
@click.option("--users", metavar="COLLECTION", help="Its registered users.")
@click.option("--guests", metavar="COLLECTION", help="Its anonymous participants.")
@click.option(
    "--mode",
    type=click.Choice(["anonymise", "delete"]),
    default="anonymise",
    show_default=True,
    help="What becomes of a user's rows.",
)
@click.option("--from-now", is_flag=True, help="Not from where the last watch ended.")
@click.option("--by", metavar="NAME", default="watch", show_default=True, help="For the audit.")
@click.pass_obj
def watch(app: App, /, **options: Any) -> None:
    """Follow what the host deletes in its MongoDB.

    Of a conversation that was deleted all calls are deleted, of a user or a guest all that is
    theirs is erased, until Ctrl-C or SIGTERM. A COLLECTION is in the store's own database, or is
    said as DATABASE.COLLECTION. A watch goes on where the last one ended; the first begins now.
    Several may run: one works, the others wait for it to end. With --json there is one JSON
    document a line, one line a deletion.
    """
    named = [name for each in COLLECTIONS if (name := options[each])]
    if not named:
        unusable("give at least one of --conversations, --users, --guests")
    if not app.json:
        said = f"following deletions of {', '.join(named)} until Ctrl-C or SIGTERM"
        click.echo(said, err=True)
    report = app.run(lambda calls: _follow(app, calls, options))
    if report.failed:
        click.echo(f"{report.failed} could not be followed, see the log", err=True)


async def _follow(app: App, calls: Calls, options: dict[str, Any]) -> WatchReport:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    return await calls.privacy.watch(stop=stop, tell=lambda one: _tell(app, one), **options)


def _tell(app: App, watched: Watched) -> None:
    """People are not named: the line may be kept for longer than they are."""
    receipt = watched.receipt
    if app.json:
        app.print_json({"what": watched.what, "receipt": receipt}, line=True)
        return
    name = f"conversation {watched.id}" if watched.what == "conversation" else watched.what
    became = "nothing of it here, or see the log"
    if receipt is not None:
        became = f"{receipt.status}, receipt {receipt.id}"
    click.echo(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}  {name}: {became}")
