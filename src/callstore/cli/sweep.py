"""`callstore sweep`: what has to be done when time goes by."""

import asyncio
import signal
from contextlib import suppress
from datetime import UTC, datetime

import click

from callstore import Calls, errors
from callstore.cli.app import App, Command, failure
from callstore.retention.sweep import SweepReport

RETENTION_EVERY = 3600.0  # seconds
WORDS = {
    "timed_out": "timed out",
    "lost": "lost",
    "switched": "switched",
    "expired_rings": "stopped ringing",
    "analysed": "analysed",
    "finished": "finished",
    "failed": "failed, see the log",
}


@click.command(cls=Command)
@click.option(
    "--every",
    type=click.FloatRange(0, 60, min_open=True),
    metavar="SECONDS",
    help="Again and again, until Ctrl-C or SIGTERM. At most 60.",
)
@click.pass_obj
def sweep(app: App, every: float | None) -> None:
    """Do what is due: time out calls, close lost parties, switch modes, analyse, finish uploads
    and deletions that were cut off.

    Nothing is done while another process sweeps. With --every what has expired is deleted once an
    hour, as by `callstore retention run`. With --every and --json there is one JSON
    document a line, one line a sweep.
    """
    if every is not None:
        app.run(lambda calls: _go_on(app, calls, every))
        return
    report = app.run(lambda calls: calls.sweep())
    if app.json:
        app.print_json(report)
    else:
        click.echo(_said(report) or "nothing to do")


async def _go_on(app: App, calls: Calls, every: float) -> None:
    """Sweeps until SIGTERM, which lets a sweep that runs come to its end, and cuts retention off
    where it is: what it has begun it takes back."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if not app.json:
        click.echo(f"sweeping every {every:g} s until Ctrl-C or SIGTERM", err=True)
    async with asyncio.TaskGroup() as tasks:
        retaining = tasks.create_task(_retain(calls, every))
        while not stop.is_set():
            try:
                _tell(app, await calls.sweep())
            except errors.StoreError as error:
                failure(error).show()  # it may pass: the next sweep does what is left
            with suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await stop.wait()
        retaining.cancel()  # what is cut off goes on when it is run again


async def _retain(calls: Calls, again: float) -> None:
    """Beside the sweeps, for it may take its time: who is lost must be found meanwhile. What
    failed is tried `again` after so many seconds."""
    while True:
        rest = RETENTION_EVERY
        try:
            await calls.retention.run(by="callstore sweep")
        except errors.StoreError as error:
            failure(error).show()
            rest = again
        await asyncio.sleep(rest)


def _tell(app: App, report: SweepReport) -> None:
    if app.json:
        app.print_json(report, line=True)
    elif said := _said(report):
        click.echo(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}  {said}")


def _said(report: SweepReport) -> str:
    counts = ((getattr(report, name), words) for name, words in WORDS.items())
    return ", ".join(f"{count:,} {words}" for count, words in counts if count)
