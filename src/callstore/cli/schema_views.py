"""How a schema's report looks."""

from rich.console import RenderableType

from callstore import AdoptionReport, SchemaReport
from callstore.cli.grid import NOTHING, Grid
from callstore.cli.output import duration, facts, moment, number, plain, show, some


def show_report(report: SchemaReport) -> None:
    show(facts([("database", _state(report)), ("this code", str(report.code))]))
    found = report.adoption
    adoption = (_taken(found), _problems(found, open=bool(report.foreign))) if found else ()
    indexes = (_built(report), _lost(report))
    for part in (_steps(report), *adoption, _changes(report), *indexes, _probes(report)):
        if part.rows:
            show("", part)


def _state(report: SchemaReport) -> RenderableType:
    if report.version > report.code:
        return f"{report.version}, ahead of this code"
    if report.foreign:
        return "written by something else: callstore schema up takes it over"
    return f"{report.version}, {'behind: callstore schema up' if report.behind else 'up to date'}"


def _taken(found: AdoptionReport) -> Grid:
    note = "rows past their time are deleted within days; settings say how long they are kept"
    grid = Grid(
        "taken over",
        "rows>",
        "past their time>",
        "of them changed",
        flowing=("of them changed",),
        note=note if found.expired else None,
    )
    for name, rows in found.rows.items():
        changed = [
            f"{field.partition('.')[2]} {count:,}"
            for field, count in found.changes.items()
            if field.startswith(f"{name}.")
        ]
        expired = f"{found.expired[name]:,}" if name in found.expired else NOTHING
        grid.add_row(name, f"{rows:,}", expired, ", ".join(changed) or NOTHING)
    return grid


def _problems(found: AdoptionReport, *, open: bool) -> Grid:
    counts = (f"{count:,} {kind.replace('_', ' ')}" for kind, count in found.troubles.items())
    title = ", ".join(counts)
    note = "up changes nothing before they are mended, or told what to do: schema up --help"
    grid = Grid(
        "problem",
        "collection",
        "id",
        "what",
        flowing=("what",),
        title=title,
        note=note if open else None,
    )
    for each in found.problems:
        kind, detail = each.kind.replace("_", " "), plain(each.detail)
        grid.add_row(kind, each.collection, plain(each.id), detail)
    return grid


def _steps(report: SchemaReport) -> Grid:
    grid = Grid("step>", "name", "applied")
    for step in report.applied:
        grid.add_row(str(step.id), plain(step.name), moment(step.applied_at))
    for name in report.pending:
        grid.add_row("", name, "not yet")
    return grid


def _changes(report: SchemaReport) -> Grid:
    grid = Grid(
        "up will", "what", "of", "detail", "rows>", "takes>", flowing=("detail",), sparse=("rows",)
    )
    for each in report.changes:
        grid.add_row(
            {"leave": "leave as it is"}.get(each.action, each.action),
            plain(f"{each.what} {each.name}") if each.name else each.what,
            each.collection,
            plain(each.detail) or NOTHING,
            f"{each.rows:,}" if each.rows else NOTHING,
            NOTHING if each.seconds is None else f"about {duration(each.seconds)}",
        )
    return grid


def _built(report: SchemaReport) -> Grid:
    grid = Grid("built", "of", "rows>", "took>")
    for each in report.built:
        grid.add_row(each.index, each.collection, f"{each.rows:,}", f"{number(each.seconds, 2)}s")
    return grid


def _lost(report: SchemaReport) -> Grid:
    query = "queries that no index serves any more"
    grid = Grid(query, flowing=(query,))
    for lost in report.lost:
        grid.add_row(plain(lost))
    return grid


def _probes(report: SchemaReport) -> Grid:
    """Of those that went well only their number."""
    bad = [probe for probe in report.probes if not probe.ok]
    grid = Grid("collection", "probe", "came of it", flowing=("came of it",))
    for probe in bad:
        grid.add_row(probe.collection, probe.name, plain(probe.detail))
    if report.probes:
        show(f"{some(len(report.probes) - len(bad), 'probe')} went as they must")
    return grid
