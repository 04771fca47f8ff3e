"""What people see: times, durations, tables, colours. Imported where something is printed."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from callstore import Party
from callstore.cli.grid import NOTHING, Grid
from callstore.ids import NOBODY

STYLES = {
    "answered": "green",
    "accepted": "green",
    "ongoing": "bold cyan",
    "ringing": "cyan",
    "missed": "red",
    "failed": "red",
    "lost": "red",
    "declined": "yellow",
    "cancelled": "yellow",
    "connected": "green",
    "available": "green",
    "recording": "bold cyan",
    "processing": "cyan",
    "deleted": "dim",
    "excellent": "green",
    "good": "green",
    "fair": "yellow",
    "poor": "red",
    "bad": "bold red",
    "minor": "yellow",
    "major": "red",
    "critical": "bold red",
}
PAGE_WIDTH = 100  # of what fills its line, in a pipe
PIPE_WIDTH = 10_000  # of a table there: it has all its columns, and its lines are not broken
BARS = 8  # at once: below a terminal's last line nobody would see the one that moves


def show(*blocks: RenderableType) -> None:
    """Prints on stdout, brackets and all; what is too wide wraps, nothing is cut."""
    edge = sys.stdout.isatty() or "COLUMNS" in os.environ
    out = Console(width=None if edge else PIPE_WIDTH, markup=False, highlight=False, emoji=False)
    for block in blocks:
        room = None if edge or isinstance(block, Grid | Table) else PAGE_WIDTH
        out.print(block, width=room, crop=False, soft_wrap=isinstance(block, str | Text))


def facts(rows: Sequence[tuple[str, RenderableType | None]]) -> Table:
    """Names and values below each other; those without a value are left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value is not None:
            table.add_row(name, value)
    return table


def word(value: str | None) -> Text:
    """A word of ours, in its colour."""
    return NOTHING if value is None else Text(value, style=STYLES.get(value, ""))


def moment(time: datetime | None) -> str | Text:
    return NOTHING if time is None else f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def minute(time: datetime) -> str:
    """Of a list, whose header says that it is UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def duration(seconds: float | None) -> str | Text:
    """3m 12s"""
    if seconds is None:
        return NOTHING
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {left:02}s" if minutes else f"{left}s"


def clock(seconds: float) -> str:
    """Into a call: 3:12, 1:03:12."""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def bytes_of(count: int) -> str:
    """17.3 MB"""
    from rich.filesize import decimal

    return decimal(count)


def who(party: Party | None) -> str | Text:
    """As it is typed: user:65f0…"""
    if party is None or party.id == NOBODY:
        return Text("erased", style="dim")
    return f"{party.kind}:{party.id}"


def number(value: float | None, digits: int = 1) -> str | Text:
    return NOTHING if value is None else f"{value:,.{digits}f}"


def quality(score: float | None, label: str | None) -> Text:
    if score is None:
        return Text("not known", style="dim")
    return Text(f"{score:.1f} {label}", style=STYLES.get(label or "", ""))


def plain(text: str) -> str:
    """Text of others, without what would move a terminal's cursor."""
    return "".join(c if c.isprintable() else "?" for c in text)


def show_next(next: str | None) -> None:
    """The command line of the page that follows."""
    if next:
        show("", Text.assemble(("next page: ", "dim"), next))


def some(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


@contextmanager
def steps_told(*, quiet: bool) -> Iterator[Callable[[str, int, int], object]]:
    """A bar on a terminal's stderr for each of the latest things that are told of: what, how much
    of it is done, of how much."""
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

    err = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(
        *columns, console=err, transient=True, disable=quiet or not err.is_terminal
    ) as bar:

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
                for past in [*tasks][:-BARS]:
                    bar.remove_task(tasks.pop(past))
            if not total:  # there is nothing to do, and so it is done
                done = total = 1
            bar.update(tasks[what], completed=done, total=total)

        yield told


@contextmanager
def progress(what: str, total: int | None, *, quiet: bool) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal's stderr while it takes long; gives what to call with how much more."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
    )

    far = TaskProgressColumn() if total else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), far)
    err = Console(stderr=True)
    with Progress(
        *columns, console=err, transient=True, disable=quiet or not err.is_terminal
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)
