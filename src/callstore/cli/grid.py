"""A table that is as wide as what is in it, and never cuts an id in two."""

from collections.abc import Sequence

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

NOTHING = Text("-", style="dim")
GAP = 2  # between columns
LEAST = 20  # of a column that flows

Cell = str | Text


class Grid:
    """A header that ends in > stands over numbers.

    Only the `flowing` columns are broken into lines. The `optional` ones are left out where the
    terminal is too narrow, the first first; the `sparse` ones where nothing is in them.
    """

    def __init__(
        self,
        *headers: str,
        flowing: Sequence[str] = (),
        optional: Sequence[str] = (),
        sparse: Sequence[str] = (),
        title: str | None = None,
        note: str | None = None,
    ) -> None:
        self.names = [header.rstrip(">") for header in headers]
        self.numbers = [header.endswith(">") for header in headers]
        self.flowing, self.optional, self.sparse = flowing, optional, sparse
        self.title, self.note = title, note
        self.rows: list[tuple[Cell, ...]] = []

    def add_row(self, *cells: Cell) -> None:
        self.rows.append(cells)

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        shown, left_out = self._fitting(options.max_width)
        if self.title:
            yield Text(self.title, style="bold")
        yield self._table(shown)
        if self.note:
            yield Text(self.note, style="dim")
        if left_out:
            yield Text(f"no room here for: {', '.join(left_out)}", style="dim")

    def _table(self, shown: Sequence[int]) -> Table:
        table = Table(
            box=box.SIMPLE_HEAD,
            padding=(0, GAP - 1, 0, 0),
            show_edge=False,
            pad_edge=False,
            header_style="dim",
        )
        for index in shown:
            self._add_column(table, index)
        for row in self.rows:
            table.add_row(*(row[index] for index in shown))
        return table

    def _fitting(self, width: int) -> tuple[list[int], list[str]]:
        """The columns to show, and the names of those that do not fit."""
        room = {
            index: self._width(index) + GAP
            for index, name in enumerate(self.names)
            if name not in self.sparse or any(row[index] not in (NOTHING, "") for row in self.rows)
        }
        left_out = []
        for name in self.optional:
            index = self.names.index(name)
            if index in room and sum(room.values()) - GAP > width:
                del room[index]
                left_out.append(name)
        return list(room), left_out

    def _width(self, index: int) -> int:
        name = self.names[index]
        if name in self.flowing:
            return max(len(name), LEAST)
        cells = (row[index] for row in self.rows)
        texts = (Text(cell) if isinstance(cell, str) else cell for cell in cells)
        lines = (line.cell_len for text in texts for line in text.split(allow_blank=True))
        return max(len(name), *lines, 0)

    def _add_column(self, table: Table, index: int) -> None:
        flows = self.names[index] in self.flowing
        table.add_column(
            self.names[index],
            justify="right" if self.numbers[index] else "left",
            overflow="fold",
            no_wrap=not flows,
            min_width=None if flows else self._width(index),
        )
