"""`callstore audit`: who did what that not everybody may, and whether that is all of it."""

from typing import Any, get_args

import click

from callstore import Party
from callstore.cli.app import App, Failed, Group
from callstore.cli.arguments import SINCE, next_page, paged, party_option
from callstore.privacy.model import Action


@click.group(cls=Group)
def audit() -> None:
    """List privileged acts, verify that none was changed or removed."""


@audit.command("list")
@SINCE
@click.option("--action", type=click.Choice(get_args(Action)))
@party_option("About a party, whose keyed hash is looked for: needs CALLSTORE_SECRET.")
@paged
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
