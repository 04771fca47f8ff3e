"""Writes the hash-pinned locks in requirements/ with uv, or --check says which are not right.

A lock's first line has digests of what pyproject.toml asks for and of the lines below it: the check
needs no network.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The widest first: each lock starts from the pins of the one before it, so that all agree.
LOCKS = {
    "bench": ["pyproject.toml", "--extra=plot", "--group=build", "--group=dev", "--group=bench"],
    "dev": ["pyproject.toml", "--extra=plot", "--group=build", "--group=dev"],
    "run": ["pyproject.toml", "--group=build"],
    "uv": ["--group=uv"],
}
OPTIONS = ["--universal", "--python-version=3.11", "--generate-hashes"]
OPTIONS += ["--no-emit-index-url", "--no-header", "--quiet"]


def lock_file(name: str) -> Path:
    return ROOT / "requirements" / f"{name}.txt"


def first_line(name: str, pins: str) -> str:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    keys = ("requires-python", "dependencies", "optional-dependencies")
    asked = [pyproject["project"][key] for key in keys] + [pyproject["dependency-groups"]]
    made_of = json.dumps([LOCKS[name], OPTIONS, asked])
    return f"# Written by `make lock`: pyproject.toml asks {digest(made_of)}, pins {digest(pins)}"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_behind(name: str) -> bool:
    path = lock_file(name)
    first, _, pins = (path.read_text(encoding="utf-8") if path.exists() else "").partition("\n")
    return first != first_line(name, pins)


def write_locks(*, upgrade: bool) -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    pins = ""
    for name, asked in LOCKS.items():
        path = lock_file(name)
        if pins and name != "uv":
            path.write_text(pins, encoding="utf-8")
        newest = ["--upgrade"] if upgrade and name in ("bench", "uv") else []
        command = [uv, "pip", "compile", *asked, *OPTIONS, *newest, f"--output-file={path}"]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        pins = path.read_text(encoding="utf-8")
        path.write_text(f"{first_line(name, pins)}\n{pins}", encoding="utf-8")


def main() -> str | None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which are behind or edited")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions allowed")
    asked = parser.parse_args()
    if not asked.check:
        write_locks(upgrade=asked.upgrade)
        return None
    behind = ", ".join(f"requirements/{name}.txt" for name in LOCKS if is_behind(name))
    return f"behind pyproject.toml, or edited: {behind}; run `make lock`" if behind else None


if __name__ == "__main__":
    sys.exit(main())
