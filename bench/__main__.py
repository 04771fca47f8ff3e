"""`python -m bench [NAMES…]`: runs benchmarks, prints what they measured beside the targets."""

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import show
from bench.harness import Figure, NotMeasured, Options

BENCHMARKS = {
    "commands": "64 callers' commands beside the document's queries and a bare loop",
    "get": "get, and the first page of history and log, among 20,000 seeded calls",
    "reports": "real getStats reports from JSON bytes to stored samples",
    "analyse": "a one-hour call of ten, analysed",
    "help": "callstore --help",
    "multi": "four processes on one file",
    "million": "a million seeded calls, and the pages in their depths; not with --quick",
}


def main() -> int:
    options = _arguments()
    names = options.names or [n for n in BENCHMARKS if n != "million" or not options.quick]
    found: dict[str, list[Figure]] = {}
    missing: list[str] = []
    facts = show.machine(Path(options.folder))
    print(show.headline(facts), flush=True)
    for name in names:
        print(f"\n{name}: {BENCHMARKS[name]}", flush=True)
        try:
            found[name] = _run(name, options)
            print(show.table(found[name]), flush=True)
        except NotMeasured as error:
            missing.append(name)
            print(f"  NOT MEASURED: {error}", flush=True)
    if options.json:
        Path(options.json).write_text(show.as_json(facts, found), encoding="utf-8")
    missed = [f"{name}: {f.name}" for name, of in found.items() for f in of if not f.ok]
    missed += [f"{name}: not measured" for name in missing]
    print(f"\nmissed: {', '.join(missed)}" if missed else "\nall targets met")
    return 1 if missed else 0


def _run(name: str, options: argparse.Namespace) -> list[Figure]:
    run: Callable[[Options], list[Figure]] = importlib.import_module(f"bench.{name}").run
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-", dir=options.folder) as folder:
        return run(
            Options(
                folder=Path(folder),
                rounds=options.rounds,
                quick=options.quick,
                calls=options.calls,
            )
        )


def _arguments() -> argparse.Namespace:
    listed = "\n".join(f"  {name:<9} {what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures callstore; without names, all of it. Exit 1: a target is missed.",
        epilog=f"benchmarks:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="one of those below")
    add("--rounds", type=int, default=5, help="rounds of each contestant (5)")
    add("--quick", action="store_true", help="small sizes: a look, not a measurement")
    add("--calls", type=int, default=1_000_000, help="calls that `million` seeds (1,000,000)")
    add("--json", metavar="FILE", help="write the figures there too")
    add("--folder", default=tempfile.gettempdir(), help="where the databases go: on a real disk")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
