"""`callstore calls`: look into the store, and end what nobody ends."""

from typing import Any, Literal, get_args

import click

from callstore import Calls, Party, errors
from callstore.calls.model import CallType, Direction, Outcome, Response
from callstore.cli.app import App, Group, unusable
from callstore.cli.arguments import PARTY, SINCE, TIME, next_page, paged, party_option

OF_HISTORY = ("min_duration",)
OF_LOG = ("direction", "response", "unseen")


@click.group(cls=Group)
def calls() -> None:
    """List calls, show one, end one."""


@calls.command("list")
@click.option("--conversation", metavar="ID", help="The history of a conversation.")
@party_option("The log of a party; with --conversation, the calls there that they were in.")
@click.option("--outcome", type=click.Choice(get_args(Outcome)))
@click.option("--type", type=click.Choice(get_args(CallType)))
@SINCE
@click.option("--until", type=TIME)
@click.option("--min-duration", type=click.IntRange(min=0), metavar="SECONDS", help="Of a history.")
@click.option("--direction", type=click.Choice(get_args(Direction)), help="Of a log.")
@click.option("--response", type=click.Choice(get_args(Response)), help="Of a log.")
@click.option("--unseen", is_flag=True, help="Of a log: missed calls not seen yet.")
@paged
@click.pass_context
def list_(
    ctx: click.Context, /, conversation: str | None, party: Party | None, **asked: Any
) -> None:
    """A conversation's history or a party's log, newest first."""
    app: App = ctx.obj
    if conversation is None and party is None:
        unusable("Whose calls? Give --conversation ID or --party user:ID.")
    foreign = OF_HISTORY if conversation is None else OF_LOG
    for name in foreign:
        if asked.pop(name):
            whose = "a conversation's history" if conversation is None else "a party's log"
            unusable(f"--{name.replace('_', '-')} does not go with this; it is for {whose}.")

    async def work(calls: Calls) -> Any:
        if conversation is not None:
            return await calls.history(conversation, party=party, **asked)
        assert party is not None
        return await calls.log(party, **asked)

    page = app.run(work)
    if app.json:
        app.print_json(page)
    else:
        from callstore.cli import call_views

        call_views.page(page, next_page(ctx, page.next) if page.next else None)


@calls.command()
@click.argument("id")
@click.pass_obj
def show(app: App, id: str) -> None:
    """One call with its people, its score and its issues."""

    async def work(calls: Calls) -> Any:
        call = await calls.get(id)
        try:
            return call, await calls.quality.get(id)
        except errors.NotFound:
            return call, None

    call, analytics = app.run(work)
    if app.json:
        import msgspec

        app.print_json({**msgspec.to_builtins(call), "analytics": analytics})
    else:
        from callstore.cli import call_views

        call_views.call(call, analytics)


@calls.command()
@click.argument("id")
@click.option("--by", type=PARTY, show_default="the host", help="Who ends it.")
@click.option(
    "--reason",
    type=click.Choice(["normal", "forced", "error"]),
    default="normal",
    show_default=True,
)
@click.pass_obj
def end(app: App, id: str, by: Party | None, reason: Literal["normal", "forced", "error"]) -> None:
    """End a call for everyone in it.

    A call that has ended stays as it is.
    """
    call = app.run(lambda calls: calls.end(id, by=by, reason=reason))
    if app.json:
        app.print_json(call)
    else:
        from callstore.cli import call_views

        call_views.ended(call)


@calls.command()
@click.argument("id")
@click.pass_obj
def timeline(app: App, id: str) -> None:
    """Everything that happened in a call, in order."""
    events = app.run(lambda calls: calls.timeline(id))
    if app.json:
        app.print_json(events)
    else:
        from callstore.cli import call_views

        call_views.timeline(events)
