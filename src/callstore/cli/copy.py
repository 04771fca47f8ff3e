"""callstore copy"""

from typing import Any

import click

from callstore.cli.app import App, Failed, Storeless


@click.command(cls=Storeless)
@click.argument("src")
@click.argument("dst")
@click.option("--live", is_flag=True, help="Also while calls are live: copies again what changed.")
@click.pass_obj
def copy(app: App, src: str, dst: str, live: bool) -> None:
    """Copy all calls from the store at SRC to the one at DST.

    One that was cut off goes on; run once more, it brings what has changed since. At the end both
    sides are held against each other, row by row.
    """
    import asyncio

    from callstore import copy_calls
    from callstore.cli.output import steps_told

    with steps_told(quiet=app.json) as told:
        report = asyncio.run(copy_calls(src, dst, live=live, progress=told))
    if app.json:
        app.print_json(report)
    else:
        _show(report)
    if not report.verified:
        changed = [name for name, each in report.collections.items() if not each.same]
        raise Failed(
            "conflict",
            f"{', '.join(changed)} went on changing: stop what writes to SRC and copy once more",
        )


def _show(report: Any) -> None:
    from callstore.cli.grid import Grid
    from callstore.cli.output import show, some, word

    names = ("collection", "rows>", "written>", "deleted>", "left out>", "digest", "")
    table = Grid(*names, sparse=("deleted", "left out"))
    for name, each in report.collections.items():
        table.add_row(
            name,
            f"{each.rows:,}",
            f"{each.written:,}",
            f"{each.deleted:,}" if each.deleted else "",
            f"{each.left_out:,}" if each.left_out else "",
            each.digest[:16],
            word("the same") if each.same else word("differs"),
        )
    show(table)
    if left_out := sum(each.left_out for each in report.collections.values()):
        show(f"{some(left_out, 'row')} left out: expired for three days or more")
    if report.verified:
        rows = sum(each.rows for each in report.collections.values())
        show(f"{some(rows, 'row')} on both sides, the same")
