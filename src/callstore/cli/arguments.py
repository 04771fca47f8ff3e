"""Arguments that are more than a word: parties and times."""

import shlex
from datetime import UTC, datetime
from typing import Any

import click
from click.core import ParameterSource

from callstore import Guest, User


class PartyType(click.ParamType[User | Guest]):
    name = "party"

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
