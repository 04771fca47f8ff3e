"""`callstore schema`: which schema a database is at, and how it gets to this code's."""

from collections.abc import Callable
from typing import Any

import click

from callstore import Calls
from callstore.cli.app import App, Failed, Group, Storeless
from callstore.cli.arguments import BY


@click.group(cls=Group)
def schema() -> None:
    """Take a database's schema up and down, try its rules."""


@schema.command()
@click.pass_obj
def status(app: App) -> None:
    """Where the database is, and what `up` would do."""
    _answer(app, lambda calls, _: calls.schema.status())


@schema.command()
@click.pass_obj
def plan(app: App) -> None:
    """How the database differs from this code's schema; nothing is changed."""
    _answer(app, lambda calls, told: calls.schema.plan(progress=told))


@schema.command()
@click.option("--to", type=click.IntRange(0), help="Step to stop at.  [default: the last]")
@BY
@click.option(
    "--close-older",
    is_flag=True,
    help="Taking over: end all but the newest live call of a conversation, merge doubled rows.",
)
@click.option(
    "--drop-orphans", is_flag=True, help="Taking over: delete rows that belong to nothing."
)
@click.pass_obj
def up(app: App, to: int | None, by: str | None, close_older: bool, drop_orphans: bool) -> None:
    """Apply the steps that are missing. One that is cut off goes on with the next `up`.

    What Prisma or other code wrote into collections of the same names is taken over; `plan` tells
    beforehand what stands in the way.
    """
    choices = {"close_older": close_older, "drop_orphans": drop_orphans}
    _answer(app, lambda calls, told: calls.schema.up(to=to, by=by, progress=told, **choices))


@schema.command()
@click.option("--to", type=click.IntRange(0), required=True, help="Step to go back to; 0: nothing.")
@click.option("--yes", is_flag=True, help="Also where rows are lost.")
@BY
@click.pass_obj
def down(app: App, to: int, yes: bool, by: str | None) -> None:
    """Take steps back. Not while a call is under a hold."""
    _answer(app, lambda calls, told: calls.schema.down(to=to, yes=yes, by=by, progress=told))


@schema.command()
@click.pass_obj
def verify(app: App) -> None:
    """Try whether unique indexes and rules refuse what they must; nothing stays."""
    report = _answer(app, lambda calls, _: calls.schema.verify())
    failed = sum(not probe.ok for probe in report.probes)
    if failed:
        raise Failed(
            "schema_mismatch", f"{failed} of {len(report.probes)} probes failed; run schema plan"
        )


@schema.command(cls=Storeless)
@click.option(
    "--format",
    type=click.Choice(["json", "typescript", "zod", "prisma"]),
    required=True,
    help="JSON Schema, TypeScript types, Zod validators or a Prisma schema.",
)
@click.pass_obj
def export(app: App, format: Any) -> None:
    """The rows in other languages' words, for what reads and writes beside callstore."""
    from callstore import export_schema

    text = export_schema(format)
    if app.json:
        app.print_json({"format": format, "text": text})
    else:
        click.echo(text, nl=False)


def _answer(app: App, work: Callable[[Calls, Any], Any]) -> Any:
    from callstore.cli.output import steps_told

    with steps_told(quiet=app.json) as told:
        report = app.run(lambda calls: work(calls, told), check_schema=False)
    if app.json:
        app.print_json(report)
    else:
        from callstore.cli.schema_views import show_report

        show_report(report)
    return report
