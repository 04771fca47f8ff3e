"""`callstore schema`: which schema a database is at."""

from typing import Any

import click

from callstore.cli.app import App, Group


@click.group(cls=Group)
def schema() -> None:
    """Show a database's schema, bring it up to date."""


@schema.command()
@click.pass_obj
def status(app: App) -> None:
    """Where the database is, and what `up` would do."""
    _answer(app, app.run(lambda calls: calls.schema.status(), check_schema=False))


@schema.command()
@click.pass_obj
def up(app: App) -> None:
    """Apply the steps that are missing, each whole or not at all."""
    _answer(app, app.run(lambda calls: calls.schema.up(), check_schema=False))


def _answer(app: App, report: Any) -> None:
    if app.json:
        app.print_json(report)
    else:
        from callstore.cli.grid import Grid
        from callstore.cli.output import facts, moment, show, word

        current = not report.pending and report.version >= report.code
        state = "up to date" if current else "behind: callstore schema up"
        if report.version > report.code:
            state = "ahead of this code"
        show(facts([("database", f"{report.version}, {state}"), ("this code", str(report.code))]))
        table = Grid("step>", "name", "applied")
        for step in report.applied:
            table.add_row(str(step.id), step.name, moment(step.applied_at))
        for name in report.pending:
            table.add_row("", name, word("missing"))
        if table.rows:
            show("", table)
