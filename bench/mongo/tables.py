"""python -m bench.mongo.tables FILE: what `python -m bench mongo --json FILE` wrote there, as the
tables in docs/benchmarks.md."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.harness import shown
from bench.mongo.ground import CONTESTANTS, GROUPS, OURS, RAW
from bench.mongo.parts import SHOWN, TITLES, WRITES

LONE = TITLES["lone"]
PARTS = [TITLES[part] for part in SHOWN]
READ = [TITLES[part] for part in ("history", "get", "current", "live_in", "lone")]
Measured = dict[str, Any]  # a figure, as in the file


def tables(figures: list[Measured]) -> str:
    found = {figure["name"].removesuffix(", p50"): figure for figure in figures}

    def table(
        head: str, parts: Sequence[str], cell: Callable[[Measured], str], end: str = ""
    ) -> str:
        lines = [f"| {head} | {' | '.join(CONTESTANTS)} |", "|---" * (len(CONTESTANTS) + 1) + "|"]
        for part in parts:
            named = [found.get(f"{part}: {name}{end}") for name in CONTESTANTS]
            lines.append(f"| {part} | {' | '.join(cell(each) if each else '' for each in named)} |")
        return "\n".join(lines)

    lone = "; ".join(f"{name} {latency(found[f'{LONE}: {name}'])}" for name in (OURS, WRITES, RAW))
    groups = found[f"{TITLES['mix']}: {GROUPS}"]
    rate = f"{groups['value']:,.0f} commands a second, client CPU {cpu(groups)} us each"
    return "\n\n".join(
        [
            table("a second", PARTS, lambda each: f"{each['value']:,.0f}"),
            table("p50 / p95 / p99, ms", PARTS, latency),
            table("client CPU, us", PARTS, cpu),
            f"The same rows in groups: {rate}; a transaction {latency(groups)} ms.",
            f"A lone join, p50 / p95 / p99 in ms: {lone}.",
            table("round trips", READ, lambda each: shown(each["value"]), ", round trips"),
        ]
    )


def cpu(figure: Measured) -> str:
    return shown(figure["detail"]["cpu_us"])


def latency(figure: Measured) -> str:
    return " / ".join(shown(figure["detail"][f"p{n}_ms"]) for n in (50, 95, 99))


if __name__ == "__main__":
    print(tables(json.loads(Path(sys.argv[1]).read_bytes())["benchmarks"]["mongo"]))
