"""The command `callstore`: a thin skin over the library. It holds no rule."""

import sys


def main() -> None:
    try:
        from callstore.cli.app import callstore

        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
        callstore(prog_name="callstore")
    except KeyboardInterrupt:
        sys.exit(130)
