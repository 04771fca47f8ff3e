"""What is kept of a person, for people."""

from typing import Any

import msgspec

from callstore.cli.grid import Grid
from callstore.cli.output import plain, show, some


def show_manifest(manifest: Any, path: str | None = None) -> None:
    """The file, how much of what is in it, and which recordings are not as they should be."""
    grid = Grid("section", "rows>", title=path)
    for name, count in msgspec.to_builtins(manifest.counts).items():
        grid.add_row(name, f"{count:,}")
    show(grid)
    if digest := getattr(manifest, "sha256", None):
        show("", f"SHA-256 of all before it: {digest}")
    files = getattr(manifest, "files", ())
    recordings = [file for file in files if file.recording]
    wrong = [file for file in recordings if file.problem]
    if recordings:
        show("", f"{some(len(recordings), 'recording')}, {len(wrong)} of them not as it should be")
    for file in wrong:
        show(plain(f"  {file.name}: {file.problem}"))
