"""Captions that were found, for people."""

from callstore import Caption, Page
from callstore.cli.grid import Grid
from callstore.cli.output import minute, plain, show, show_next


def show_found(page: Page[Caption], next: str | None) -> None:
    if not page.items:
        show("nothing found")
    else:
        grid = Grid("time (UTC)", "call", "in", "what was said", flowing=("what was said",))
        for caption in page.items:
            said = {caption.language: caption.text, **(caption.translations or {})}
            for number, (language, text) in enumerate(said.items()):
                first = number == 0
                grid.add_row(
                    minute(caption.timestamp) if first else "",
                    caption.call_session_id if first else "",
                    language,
                    plain(" ".join(text.split())),
                )
        show(grid)
    show_next(next)
