"""`callstore quality`: scores from getStats() reports, and why they are what they are."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from callstore import Call, Calls, errors
from callstore.cli.app import App, Failed, Group, Storeless
from callstore.quality.model import Analytics, TraceScore

FILES = click.Path(exists=True, dir_okay=False, allow_dash=True)


@click.group(cls=Group)
def quality() -> None:
    """Score getStats() traces, explain a score."""


@quality.command(cls=Storeless)
@click.argument("files", nargs=-1, required=True, type=FILES, metavar="FILE...")
@click.pass_obj
def score(app: App, files: tuple[str, ...]) -> None:
    """Score recorded getStats() reports; no store is opened.

    A FILE has JSON lines, gzipped or not: {"t": ms, "peer": name, "report": [...]}; - is stdin.
    With --json one FILE gives an object, several give a list of them, each with its "file".
    """
    scores = [(file, _score(app, file)) for file in files]
    if app.json:
        import msgspec

        named = [{"file": file, **msgspec.to_builtins(one)} for file, one in scores]
        app.print_json(named if len(files) > 1 else scores[0][1])
    else:
        from callstore.cli import quality_views

        for file, one in scores:
            quality_views.trace(file, one)


def _score(app: App, file: str) -> TraceScore:
    from callstore.quality.trace import score_trace

    try:
        with _lines(app, file) as lines:
            return score_trace(lines)
    except errors.Invalid as error:
        raise errors.Invalid([(f"{file}: {at}", said) for at, said in error.errors]) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Failed("invalid", f"{file}: is broken as gzip: {error}") from error


@contextmanager
def _lines(app: App, file: str) -> Iterator[Iterator[bytes]]:
    """The lines of a trace, and a bar that shows how much of it was read."""
    from callstore.cli.output import plain, progress

    with click.open_file(file, "rb") as raw:
        size = Path(file).stat().st_size if file != "-" else None
        with progress(f"reading {plain(file)}", size, quiet=app.json) as advance:
            yield _read(raw, advance)


def _read(raw: IO[bytes], advance: Callable[[int], object]) -> Iterator[bytes]:
    zipped = raw.peek(2)[:2] == b"\x1f\x8b"  # type: ignore[attr-defined]
    done = 0
    for line in gzip.GzipFile(fileobj=raw) if zipped else raw:
        yield line
        if raw.seekable():
            done, before = raw.tell(), done
            advance(done - before)


@quality.command()
@click.argument("id")
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, writable=True),
    metavar="FILE",
    help="Also draw the course of the call: .svg, or .png (needs callstore[plot]).",
)
@click.pass_obj
def show(app: App, id: str, plot: str | None) -> None:
    """The windows of a call, the terms that made each score, the issues.

    A call that is live, or has not been analysed yet, is analysed first.
    """
    if plot is not None and Path(plot).suffix not in (".svg", ".png"):
        raise click.BadParameter("must end in .svg or .png", param_hint="--plot")

    async def work(calls: Calls) -> tuple[Call, Analytics]:
        call = await calls.get(id)
        if call.live:
            return call, await calls.quality.analyse(id)
        try:
            return call, await calls.quality.get(id)
        except errors.NotFound:
            return call, await calls.quality.analyse(id)

    call, analytics = app.run(work)
    if plot is not None:
        Path(plot).write_bytes(_picture(call, analytics, Path(plot).suffix))
    if app.json:
        app.print_json(analytics)
    else:
        from callstore.cli import quality_views

        quality_views.course(call, analytics, plot)


def _picture(call: Call, analytics: Analytics, kind: str) -> bytes:
    from callstore.quality import plot

    people = ((row.id, row.party) for row in call.participants or [])
    names = {id: f"{party.kind[0]}:{party.id[-6:]}" for id, party in people if party}
    if kind == ".svg":
        return plot.svg(analytics, names=names).encode()
    try:
        return plot.png(analytics, names=names)
    except ImportError as error:
        raise Failed("plot_missing", "a .png needs Pillow: pip install callstore[plot]") from error
