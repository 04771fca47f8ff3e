"""Arguments that are more than a word: parties and times."""

from datetime import UTC, datetime
from typing import Any

import click

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


def typed(value: object) -> str:
    """How `value` would be typed."""
    if isinstance(value, User | Guest):
        return f"{value.kind}:{value.id}"
    return value.isoformat() if isinstance(value, datetime) else str(value)
