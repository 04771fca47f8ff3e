"""`callstore retention`: what has expired, and its going."""

from datetime import UTC, datetime, timedelta

import click

from callstore import RetentionReport
from callstore.cli.app import App, Group
from callstore.cli.arguments import BY


@click.group(cls=Group)
def retention() -> None:
    """What has expired: show it, delete it."""


@retention.command()
@click.option(
    "--in",
    "days",
    type=click.FloatRange(0, 20_000),
    metavar="DAYS",
    help="As of so many days from now.  [default: now]",
)
@click.pass_obj
def plan(app: App, days: float | None) -> None:
    """What a run would delete, now or in some days; nothing is deleted.

    Rows say when they go once a sweep has stamped them, five minutes after their call's end.
    """
    at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    report = app.run(lambda calls: calls.retention.plan(now=at))
    if app.json:
        app.print_json(report)
    else:
        _show(report, "would go")


@retention.command()
@BY
@click.pass_obj
def run(app: App, by: str | None) -> None:
    """Delete what has expired: calls with all that is of them, samples, captions, files, the
    audit's oldest end.

    Nothing is done while another run is on its way. One that was cut off goes on when it is run
    again. `callstore sweep --every` does it once an hour.
    """
    from callstore.cli.output import progress

    with progress("rows", None, quiet=app.json) as advance:
        report = app.run(lambda calls: calls.retention.run(by=by, progress=advance))
    if app.json:
        app.print_json(report)
    else:
        _show(report, "went")


def _show(report: RetentionReport, went: str) -> None:
    from callstore.cli.grid import Grid
    from callstore.cli.output import moment, show, some

    if report.rows:
        table = Grid("collection", "rows>")
        for name, count in report.rows.items():
            table.add_row(name, f"{count:,}")
        show(table, "")
    rows = some(sum(report.rows.values()), "row")
    files = some(report.files, "file of a recording", "files of recordings")
    show(f"{rows} and {files} {went} as of {moment(report.now)}")
    if report.held:
        calls = some(report.held, "call stays", "calls stay")
        show(f"{calls} though the time has come: under a hold")
    if report.unstamped:
        calls = some(report.unstamped, "ended call is", "ended calls are")
        show(f"{calls} not stamped yet: a sweep does that, or a run")
    if report.failed:
        show(f"{some(report.failed, 'file')} could not be deleted: the log says why")
