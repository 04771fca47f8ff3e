"""What several commands take: parties, times, pages, who does it."""

import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from callstore import Guest, User

F = TypeVar("F", bound=Callable[..., Any])


class PartyType(click.ParamType[User | Guest]):
    name = "party"

    def get_metavar(self, *_: object, **__: object) -> str:
        return "user:ID|guest:ID"

    def convert(self, value: Any, param: click.Parameter | None, ctx: Any) -> User | Guest:
        if isinstance(value, User | Guest):
            return value
        kind, _, id = str(value).partition(":")
        if not id or kind not in ("user", "guest"):
            self.fail(f"{value!r} is neither user:ID nor guest:ID.", param, ctx)
        return User(id) if kind == "user" else Guest(id)


class TimeType(click.ParamType[datetime]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: Any) -> datetime:
        try:
            time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-01-31 or 2026-01-31T09:30Z.", param, ctx)
        return time if time.tzinfo else time.replace(tzinfo=UTC)


PARTY = PartyType()
TIME = TimeType()

BY = click.option("--by", metavar="NAME", help="Who does it, for the audit.")
SINCE = click.option("--since", type=TIME, help="ISO 8601; UTC where it names no zone.")
_LIMIT = click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
_CURSOR = click.option(
    "--cursor", metavar="TEXT", help="Of the page to show; each page names the next."
)


def party_option(help: str) -> Callable[[F], F]:
    return click.option("--party", type=PARTY, help=help)


def paged(command: F) -> F:
    """One that shows a page, and names the next by `next_page`."""
    return _LIMIT(_CURSOR(command))


def next_page(ctx: click.Context, cursor: str) -> str:
    """The command line that shows it."""
    words = ctx.command_path.split()
    for name, url in ctx.obj.typed.items():
        words += [f"--{name}", url]
    asked = {
        name
        for name in ctx.params
        if name != "cursor" and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    for param in ctx.command.params:
        name, value = str(param.name), ctx.params.get(str(param.name))
        if isinstance(param, click.Argument):
            words += [typed(each) for each in value or ()]
        elif name in asked:
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [typed(value)])]
    return shlex.join([*words, "--cursor", cursor])


def typed(value: object) -> str:
    """How `value` would be typed."""
    if isinstance(value, User | Guest):
        return f"{value.kind}:{value.id}"
    return value.isoformat() if isinstance(value, datetime) else str(value)
