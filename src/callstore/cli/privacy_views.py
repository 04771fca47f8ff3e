"""Holds and receipts, for people."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from callstore import Hold, Receipt
from callstore.cli.grid import NOTHING, Grid
from callstore.cli.output import facts, moment, plain, show, some, who, word

SHOWN = 10  # of what was kept


def show_receipt(receipt: Receipt) -> None:
    """What went, and what was kept and why."""
    if receipt.counts:
        grid = Grid("collection", "what", "how many>")
        for collection, fields in receipt.counts.items():
            for field, count in fields.items():
                grid.add_row(collection, field, f"{count:,}")
        show(grid, "")
    for collection, id, why in receipt.kept[:SHOWN]:
        show(plain(f"kept: {collection} {id}: {why}"))
    if len(receipt.kept) > SHOWN:
        show(f"kept: {len(receipt.kept) - SHOWN:,} more, which --json names")
    show(_facts(receipt))


def _facts(receipt: Receipt) -> Table:
    dry = receipt.id is None
    state = Text("nothing was done: a dry run") if dry else word(receipt.status)
    return facts(
        [
            ("receipt", receipt.id),
            ("status", state),
            ("mode", receipt.mode),
            ("conversation", receipt.conversation_id),
            ("party, hashed", receipt.party_hash),
            ("done", None if receipt.done_at is None else moment(receipt.done_at)),
        ]
    )


def show_receipts(receipts: Sequence[Receipt]) -> None:
    if not receipts:
        show("nothing was erased")
        return
    grid = Grid("id", "asked", "status", "mode", "changes>", "kept>", "done", "of", "by")
    for receipt in receipts:
        hashed = receipt.party_hash and f"party {receipt.party_hash[:12]}…"
        grid.add_row(
            receipt.id or NOTHING,
            moment(receipt.requested_at),
            word(receipt.status),
            receipt.mode,
            f"{sum(sum(fields.values()) for fields in receipt.counts.values()):,}",
            f"{len(receipt.kept):,}",
            moment(receipt.done_at),
            hashed or f"conversation {receipt.conversation_id}",
            plain(receipt.requested_by) if receipt.requested_by else NOTHING,
        )
    show(grid)


def show_holds(holds: Sequence[Hold]) -> None:
    if not holds:
        show("nothing is held")
        return
    grid = Grid(
        "id", "on", "placed", "by", "until", "released", "reason", sparse=["until", "released"]
    )
    for hold in holds:
        grid.add_row(
            hold.id,
            _on(hold),
            moment(hold.placed_at),
            plain(hold.placed_by) if hold.placed_by else NOTHING,
            moment(hold.until),
            moment(hold.released_at),
            plain(hold.reason) if hold.reason else NOTHING,
        )
    show(grid, some(len(holds), "hold"))


def _on(hold: Hold) -> str | Text:
    if hold.call_session_id is not None:
        return f"call {hold.call_session_id}"
    if hold.conversation_id is not None:
        return f"conversation {hold.conversation_id}"
    return Text("an erased party") if hold.of_party is None else who(hold.of_party)
