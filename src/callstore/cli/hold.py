"""`callstore hold`: what may not be deleted."""

from datetime import datetime

import click

from callstore import Calls, Hold, Party
from callstore.cli.app import App, Group
from callstore.cli.arguments import BY, TIME, party_option

ON = (
    click.option("--call", "call_id", metavar="ID", help="On a call."),
    click.option("--conversation", "conversation_id", metavar="ID", help="On all of its calls."),
    party_option("On all calls that the party was in, or was called to."),
)


@click.group(cls=Group)
def hold() -> None:
    """Place legal holds, release and list them.

    Nothing under a hold expires, is erased or is deleted.
    """


@hold.command()
@ON[0]
@ON[1]
@ON[2]
@click.option("--reason", required=True, metavar="TEXT", help="Why: a case, a request.")
@click.option("--until", type=TIME, help="Then it is released by itself.")
@BY
@click.pass_obj
def place(
    app: App,
    call_id: str | None,
    conversation_id: str | None,
    party: Party | None,
    reason: str,
    until: datetime | None,
    by: str | None,
) -> None:
    """Hold a call, a conversation or a party: exactly one of them."""

    async def work(calls: Calls) -> Hold:
        return await calls.holds.place(
            call_id=call_id,
            conversation_id=conversation_id,
            party=party,
            reason=reason,
            until=until,
            by=by,
        )

    _show(app, app.run(work), "is in force")


@hold.command()
@click.argument("id")
@BY
@click.pass_obj
def release(app: App, id: str, by: str | None) -> None:
    """Release a hold: what is under no other falls back under the rules."""
    _show(app, app.run(lambda calls: calls.holds.release(id, by=by)), "is released")


@hold.command("list")
@ON[0]
@ON[1]
@ON[2]
@click.option("--all", "released", is_flag=True, help="Those that were released, too.")
@click.pass_obj
def list_(
    app: App,
    call_id: str | None,
    conversation_id: str | None,
    party: Party | None,
    released: bool,
) -> None:
    """The holds in force, the latest first; with --call and the like, those placed on it."""

    async def work(calls: Calls) -> list[Hold]:
        return await calls.holds.list(
            call_id=call_id, conversation_id=conversation_id, party=party, released=released
        )

    holds = app.run(work)
    if app.json:
        app.print_json(holds)
    else:
        from callstore.cli.privacy_views import show_holds

        show_holds(holds)


def _show(app: App, hold: Hold, state: str) -> None:
    if app.json:
        app.print_json(hold)
    else:
        click.echo(f"hold {hold.id} {state}")
