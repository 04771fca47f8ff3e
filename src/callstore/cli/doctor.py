"""`callstore doctor`: what disagrees in a database."""

import click

from callstore.cli.app import App, Command
from callstore.retention.doctor import DoctorReport


@click.command(cls=Command)
@click.option("--fix", is_flag=True, help="Mend what can be mended.")
@click.pass_obj
def doctor(app: App, fix: bool) -> None:
    """Find what does not agree, and mend it."""
    from callstore.cli.output import progress

    with progress("looking at calls", None, quiet=app.json) as advance:
        report = app.run(lambda calls: calls.doctor(fix=fix, progress=advance))
    if app.json:
        app.print_json(report)
    else:
        _show(report, fix)


def _show(report: DoctorReport, fix: bool) -> None:
    from callstore.cli.grid import Grid
    from callstore.cli.output import plain, show, some

    if report.findings:
        table = Grid("problem", "collection", "id", "detail", flowing=("detail",))
        for one in report.findings:
            table.add_row(one.problem, one.collection, one.id, plain(one.detail))
        show(table, "")
    found = some(len(report.findings), "finding") if report.findings else "all agrees"
    if report.findings:
        found += f", {report.fixed:,} mended" if fix else "; --fix mends what can be"
    files = f" and {some(report.files, 'file')} of recordings" if report.files else ""
    show(f"looked at {some(report.calls, 'call')}{files}: {found}")
