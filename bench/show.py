"""Figures as a table for people and as JSON for machines."""

import json
import os
import platform
import sqlite3
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.harness import Figure, shown

HEADS = ("figure", "measured", "target", "", "")


def table(figures: Sequence[Figure]) -> str:
    rows = [HEADS, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for name, value, target, mark, note in rows:
        columns = f"{name:<{widths[0]}}  {value:>{widths[1]}}  {target:<{widths[2]}}  {mark:<6}"
        lines.append(f"  {columns}  {note}".rstrip())
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, str, str, str, str]:
    target, mark = "", ""
    notes = [*(f"{name} {shown(value)}" for name, value in figure.detail.items()), figure.note]
    if figure.target is not None:
        target, mark = str(figure.target), "ok" if figure.ok else "NOT OK"
        notes.append(figure.target.why)
    value = f"{shown(figure.value)} {figure.unit}".rstrip()
    return figure.name, value, target, mark, "; ".join(note for note in notes if note)


def machine(folder: Path) -> dict[str, Any]:
    """What a reader must know of the machine to weigh the figures."""
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "flush_ms": round(flush_ms(folder), 2),
        "folder": str(folder),
    }


def flush_ms(folder: Path) -> float:
    """The median time to get 32 KiB more of a file to the disk. Next to nothing: no disk at all."""
    path, times = folder / "flush", []
    with path.open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(b"x" * 32768)
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    return statistics.median(times) * 1e3


def headline(facts: Mapping[str, Any]) -> str:
    return (
        f"Python {facts['python']}, SQLite {facts['sqlite']}, {facts['cpus']} CPUs at load"
        f" {facts['load']}, a flush takes {facts['flush_ms']} ms in {facts['folder']}"
    )


def as_json(facts: Mapping[str, Any], found: Mapping[str, Sequence[Figure]]) -> str:
    listed = {name: [_plain(figure) for figure in figures] for name, figures in found.items()}
    return json.dumps({"machine": facts, "benchmarks": listed}, indent=2) + "\n"


def _plain(figure: Figure) -> dict[str, Any]:
    target = figure.target
    return {
        "name": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "target": target and str(target),
        "ok": figure.ok,
        "note": figure.note,
        "detail": figure.detail,
    }
