"""Files and functions are of a size to be read in one go; the table of indexes is complete."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from callstore.schema import tables

ROOT = Path(__file__).resolve().parent.parent
CODE = ("src", "tests", "bench", "scripts")
FILE, FUNCTION = 400, 40  # lines at most
# "src/callstore/x.py" or "src/callstore/x.py:function" -> why
LONGER = {
    "src/callstore/testing/contract/plain.py:start": "the plain model spells a new call out",
}


def sources(*folders: str) -> Iterator[tuple[str, str]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """From `def` to its last line, without the docstring."""
    first = function.body[0]
    doc = ast.get_docstring(function) is not None and first.end_lineno
    assert function.end_lineno
    lines = function.end_lineno - function.lineno + 1
    return lines - (doc - first.lineno + 1) if doc else lines


def long_files() -> dict[str, int]:
    found = {name: len(text.splitlines()) for name, text in sources(*CODE)}
    return {name: lines for name, lines in found.items() if lines > FILE}


def long_functions() -> dict[str, int]:
    return {
        f"{name}:{node.name}": length(node)
        for name, text in sources("src")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length(node) > FUNCTION
    }


def test_no_file_or_function_is_too_long() -> None:
    found = long_files() | long_functions()
    assert {name: lines for name, lines in found.items() if name not in LONGER} == {}


def test_every_exception_is_needed() -> None:
    assert LONGER.keys() <= (long_files() | long_functions()).keys()


def test_no_test_lives_on_another() -> None:
    """What several need lies in a module of its own."""
    borrowed = re.compile(r"^from tests\.\S*\btest_\w+ import", re.MULTILINE)
    assert [name for name, text in sources("tests") if borrowed.search(text)] == []


def test_the_tables_of_indexes_name_each_of_them() -> None:
    text = (ROOT / "docs/indexes.md").read_text(encoding="utf-8")
    served, _, rest = text.partition("### What an entry costs")
    told = {
        name: "unique" in cell
        for row in served.splitlines()
        for cell in row.split("|")[1:4]
        for name in re.findall(r"^ `(Call\w+_\w+)`", cell)
    }
    assert told == {
        index.name: index.unique
        for collection in tables.COLLECTIONS
        for index in (*collection.indexes, *collection.mongo_indexes)
    }
    priced = rest.partition("## Of the document")[0]
    assert sorted(re.findall(r"^\| `(\w+)`", priced, re.MULTILINE)) == sorted(told)
