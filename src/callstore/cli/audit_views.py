"""The audit, for people."""

import msgspec

from callstore import AuditEntry, AuditReport, Page
from callstore.cli.grid import NOTHING, Grid
from callstore.cli.output import facts, moment, plain, show, show_next

HASH = 12  # digits of a party's that are shown


def show_page(page: Page[AuditEntry], next: str | None) -> None:
    if not page.items:
        show("nothing found")
    else:
        grid = Grid("seq>", "at", "action", "by", "party", "data", flowing=("data",))
        for entry in page.items:
            grid.add_row(
                str(entry.seq),
                moment(entry.at),
                entry.action,
                NOTHING if entry.by is None else plain(entry.by),
                NOTHING if entry.party_hash is None else f"{entry.party_hash[:HASH]}…",
                NOTHING if entry.data is None else _data(entry.data),
            )
        show(grid)
    show_next(next)


def _data(data: dict[str, object]) -> str:
    """callId 65f0…, expires 300"""
    said = (
        f"{name} {value if isinstance(value, str) else msgspec.json.encode(value).decode()}"
        for name, value in data.items()
    )
    return plain(", ".join(said))


def show_report(report: AuditReport) -> None:
    bad = None if report.first_bad is None else str(report.first_bad)
    show(
        facts(
            [
                ("entries", f"{report.entries:,}"),
                ("chain", "holds" if report.ok else "does not hold"),
                ("first that is wrong", bad),
                ("head", report.head or NOTHING),
            ]
        )
    )
