"""`callstore captions`: a call's captions as a file, and the search for what was said."""

from typing import Any, get_args

import click

from callstore import Calls, Party
from callstore.captions.subtitles import Format
from callstore.cli.app import App, Group, unusable
from callstore.cli.arguments import next_page, paged, party_option, typed


@click.group(cls=Group)
def captions() -> None:
    """Export a call's captions, search what was said."""


@captions.command()
@click.argument("id")
@click.option("--format", type=click.Choice(get_args(Format)), required=True)
@click.option(
    "--language", metavar="TAG", help="Where there is a translation.  [default: the original]"
)
@click.option("--speakers", is_flag=True, help="Say who spoke, as user:ID or guest:ID.")
@click.pass_obj
def export(app: App, id: str, format: Any, language: str | None, speakers: bool) -> None:
    """What was said in a call, as a file on stdout."""

    async def work(calls: Calls) -> str:
        name = typed if speakers else None
        return await calls.captions.export(id, format=format, language=language, speaker_name=name)

    text = app.run(work)
    if app.json:
        app.print_json({"format": format, "text": text})
    else:
        click.echo(text, nl=False)


@captions.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--conversation", metavar="ID", help="In a conversation.")
@click.option("--call", metavar="ID", help="In a call.")
@party_option("In the calls that the party was in.")
@paged
@click.pass_context
def search(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    conversation: str | None,
    call: str | None,
    party: Party | None,
    **page: Any,
) -> None:
    """Captions that have all of these words, in the original or a translation, the latest first.

    Case and accents do not count; word* finds what begins so.
    """
    app: App = ctx.obj
    places: dict[str, Any] = {"conversation_id": conversation, "call_id": call, "party": party}
    if sum(place is not None for place in places.values()) != 1:
        unusable("Where? Give one of --conversation ID, --call ID and --party user:ID.")
    found = app.run(lambda calls: calls.captions.search(" ".join(words), **places, **page))
    if app.json:
        app.print_json(found)
    else:
        from callstore.cli.caption_views import show_found

        show_found(found, next_page(ctx, found.next) if found.next else None)
