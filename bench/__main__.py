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
    "captions": "captions added, searched among 100,000, exported, on both stores",
    "recordings": "files of recordings put and read, on a folder and on S3",
    "retention": "ended calls stamped and deleted, with commands beside it, on both stores",
    "erasure": "a party with 10,000 calls erased, conversations deleted, on both stores",
    "export": "all that is kept of a party, as JSON, XML and zip, on both stores",
    "crowd": "a thousand joins on one call at once, on both stores",
    "mongo": "MongoDB: callstore beside the document's queries on the driver and three ODMs",
    "adopt": "MongoDB: a database that Prisma wrote is taken over",
    "million": "a million seeded calls: their depths, an index added; not with --quick",
    "cluster": "the same on MongoDB; not with --quick",
}
LARGE = ("million", "cluster")
ROUNDS = {"mongo": 3}
"""Where it is not five: each of these takes minutes."""


def main() -> int:
    options = _arguments()
    names = options.names or [n for n in BENCHMARKS if n not in LARGE or not options.quick]
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
                rounds=options.rounds or ROUNDS.get(name, 5),
                quick=options.quick,
                calls=options.calls,
                only=options.only.split(",") if options.only else (),
                svg=Path(options.svg) if options.svg else None,
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
    add("--rounds", type=int, help="rounds of each contestant (5; of `mongo` 3)")
    add("--quick", action="store_true", help="small sizes: a look, not a measurement")
    add(
        "--calls",
        type=int,
        default=1_000_000,
        help="calls that `million` and `cluster` seed (1,000,000)",
    )
    add("--only", metavar="PARTS", help="parts of `mongo`, with commas between: mix,joins,history")
    add("--svg", metavar="FILE", help="draw the rates of `mongo` there")
    add("--json", metavar="FILE", help="write the figures there too")
    add("--folder", default=tempfile.gettempdir(), help="where the databases go: on a real disk")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
