"""`callstore audit`: who did what that not everybody may, and whether that is all of it."""

from typing import Any, get_args

import click

from callstore import Party
from callstore.cli.app import App, Failed, Group
from callstore.cli.arguments import PARTY, TIME, next_page
from callstore.privacy.model import Action


@click.group(cls=Group)
def audit() -> None:
    """List privileged acts, verify that none was changed or removed."""


@audit.command("list")
@click.option("--since", type=TIME, metavar="TIME", help="ISO 8601; UTC where it names no zone.")
@click.option("--action", type=click.Choice(get_args(Action)))
@click.option(
    "--party",
    type=PARTY,
    metavar="user:ID|guest:ID",
    help="About a party, whose keyed hash is looked for: needs CALLSTORE_SECRET.",
)
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@click.option("--cursor", metavar="TEXT", help="Of the page to show; each page names the next.")
@click.pass_context
def list_(ctx: click.Context, /, party: Party | None, **asked: Any) -> None:
    """Privileged acts, newest first."""
    app: App = ctx.obj
    page = app.run(lambda calls: calls.audit.list(party=party, **asked))
    if app.json:
        app.print_json(page)
    else:
        from callstore.cli.audit_views import show_page

        show_page(page, next_page(ctx, page.next) if page.next else None)


@audit.command()
@click.pass_obj
def verify(app: App) -> None:
    """Follow the chain from the oldest entry to the newest.

    Exit 1 where an entry was changed, removed, reordered or put there. Keep the head that it prints
    somewhere else: who can write the whole database can make the whole chain anew.
    """
    report = app.run(lambda calls: calls.audit.verify())
    if app.json:
        app.print_json(report)
    else:
        from callstore.cli.audit_views import show_report

        show_report(report)
    if not report.ok:
        raise Failed(
            "audit_broken",
            f"entry {report.first_bad} is the first that was changed, removed, reordered or put"
            " there; see docs/audit.md for what to do",
        )
