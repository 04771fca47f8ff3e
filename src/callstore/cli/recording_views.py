"""Recordings, for people."""

from collections.abc import Sequence

from callstore import Recording
from callstore.cli.grid import NOTHING, Grid
from callstore.cli.output import bytes_of, duration, moment, show, who, word


def show_list(rows: Sequence[Recording]) -> None:
    if not rows:
        show("nothing was recorded")
        return
    grid = Grid("id", "status", "started", "length>", "size>", "format", "quality", "asked for by")
    for row in rows:
        grid.add_row(
            row.id,
            word(row.status),
            moment(row.started_at),
            duration(row.duration if row.stopped_at else None),
            bytes_of(row.file_size) if row.file_size else NOTHING,
            row.format,
            row.quality,
            who(row.requester),
        )
    show(grid)
