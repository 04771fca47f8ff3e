"""callstore seed"""

import click

from callstore import Calls, SeedReport
from callstore.cli.app import App, Command


@click.command(cls=Command)
@click.option("--calls", "count", type=click.IntRange(1, 100_000_000), required=True)
@click.option("--seed", "seed_", type=int, default=1, show_default=True, help="Which calls.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="UTC day before which the calls lie.  [default: today]",
)
@click.pass_obj
def seed(app: App, count: int, seed_: int, until: object) -> None:
    """Fill a database with realistic calls.

    They lie in the last 80 days, and are the same for the same --seed and day. Half of them are in
    one conversation and with one party: where a database hurts first.
    """
    from datetime import UTC, datetime

    from callstore.cli.output import facts, progress, show, some

    day = until.replace(tzinfo=UTC) if isinstance(until, datetime) else None
    with progress("seeding", count, quiet=app.json) as advance:

        async def work(calls: Calls) -> SeedReport:
            return await calls.seed(count, seed=seed_, until=day, progress=advance)

        report = app.run(work)
    if app.json:
        return app.print_json(report)
    return show(
        f"seeded {some(report.calls, 'call')} in {some(report.conversations, 'conversation')}",
        facts(
            [
                *((name, f"{count:,} rows") for name, count in report.rows.items()),
                ("busiest", f"--conversation {report.busy_conversation}"),
                ("", f"--party {report.busy_party.replace('u:', 'user:')}"),
            ]
        ),
    )
