"""schema export: each format is held against the other side's own tools, with rows that callstore
wrote and with wrong ones."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from tests.schema.conftest import Node
from tests.schema.writing import Rows, write

from callstore import errors, export_schema, open_calls
from callstore.schema import tables
from callstore.schema.declaration import Collection, Field
from callstore.schema.export import Format
from callstore.schema.export.rows import COLLECTIONS, of_parties
from callstore.testing import FakeClock

DATA = Path(__file__).parent / "data"
Case = tuple[str, Any, list[str]]  # collection, row, fields that are as Prisma gives them
pytestmark = pytest.mark.xdist_group("node")


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Of every collection, as callstore's JSON has them."""
    return asyncio.run(_rows(tmp_path_factory.mktemp("rows") / "calls.db"))


async def _rows(path: Path) -> Rows:
    found: Rows = {}
    clock = FakeClock()
    async with open_calls(f"sqlite:///{path}", clock=clock) as calls:
        await write(calls, clock)
        for collection in COLLECTIONS:
            listed, _ = await calls._store.rows(collection.name, None, 200)
            found[collection.name] = [json.loads(msgspec.json.encode(row)) for row in listed]
    assert all(found.values()), found.keys()
    return found


@pytest.fixture(scope="session")
def compiled(node: Node) -> Node:
    """With what is exported for TypeScript, compiled."""
    (node.folder / "calls.ts").write_text(export_schema("typescript"))
    (node.folder / "validators.ts").write_text(export_schema("zod"))
    result = node.run("node_modules/typescript/bin/tsc", "--project", ".")
    assert (result.stdout, result.returncode) == ("", 0)
    return node


def refused(node: Node, cases: list[Case]) -> list[list[str] | None]:
    """The paths that Zod refuses of each."""
    lines = "\n".join(json.dumps({"schema": s, "row": r, "dates": d}) for s, r, d in cases)
    result = node.run("check.mjs", "out/validators.js", given=lines)
    assert result.returncode == 0, result.stderr
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(told) == len(cases)
    return told


def as_prisma(collection: Collection) -> list[str]:
    return [field.name for field in collection.fields if field.kind == "time" or field.wide]


class TestTypeScript:
    def test_it_compiles_with_code_that_uses_it_and_refuses_what_is_wrong(
        self, compiled: Node
    ) -> None:
        """tsc fails, too, where an error that sample.ts expects does not come."""
        assert (compiled.folder / "out/sample.js").exists()

    def test_the_sample_is_really_held_against_it(self, compiled: Node) -> None:
        spoiled = (compiled.folder / "calls.ts").read_text().replace("createdAt: In", "created: In")
        folder = compiled.folder / "spoiled"
        folder.mkdir()
        for name in ("validators.ts", "sample.ts", "tsconfig.json"):
            (folder / name).write_text((compiled.folder / name).read_text())
        (folder / "calls.ts").write_text(spoiled)
        result = compiled.run("node_modules/typescript/bin/tsc", "--project", "spoiled")
        assert result.returncode != 0
        assert "'createdAt' does not exist" in result.stdout

    def test_every_stored_field_is_in_it(self) -> None:
        text = export_schema("typescript")
        for collection in COLLECTIONS:
            _, _, interface = text.partition(f"export interface {collection.name}<")
            body = interface.partition("\n}")[0]
            for field in collection.fields:
                assert f"  {field.name}: " in body


class TestZod:
    def test_rows_that_callstore_wrote_are_taken(self, compiled: Node, rows: Rows) -> None:
        cases: list[Any] = [
            (collection.name, row, fields)
            for collection in COLLECTIONS
            for row in rows[collection.name]
            for fields in ([], as_prisma(collection))
        ]
        told = refused(compiled, cases)
        assert [(case, paths) for case, paths in zip(cases, told, strict=True) if paths] == []

    def test_null_fields_may_be_missing(self, compiled: Node, rows: Rows) -> None:
        cases: list[Any] = [
            (name, {field: value for field, value in row.items() if value is not None}, [])
            for name, listed in rows.items()
            for row in listed[:20]
        ]
        assert set(map(str, refused(compiled, cases))) == {"None"}

    def test_wrong_rows_are_refused_by_the_field(self, compiled: Node, rows: Rows) -> None:
        cases: list[Any] = [
            (field.name, (collection.name, {**rows[collection.name][0], field.name: value}, []))
            for collection in COLLECTIONS
            for field in collection.fields
            for value in wrong_values(field)
        ]
        assert len(cases) > 250
        told = refused(compiled, [case for _, case in cases])
        for (field, case), paths in zip(cases, told, strict=True):
            assert paths is not None, (field, case)
            assert {path.partition(".")[0] for path in paths} - {""} == {field}, case

    @pytest.mark.parametrize("name", [c.name for c in COLLECTIONS if of_parties(c)])
    def test_a_row_is_one_partys(self, compiled: Node, rows: Rows, name: str) -> None:
        row = next(row for row in rows[name] if row["userId"])
        nobody = {**row, "userId": None, "anonymousUserId": None}
        both = {**row, "anonymousUserId": row["userId"]}
        erased = {**nobody, "anonymizedAt": row["expiresAt"] or "2026-03-01T09:30:00Z"}
        cases: list[Case] = [(name, each, []) for each in (row, nobody, both, erased)]
        assert refused(compiled, cases) == [None, [""], [""], None]

    def test_what_the_documents_validators_take_is_taken(self, compiled: Node) -> None:
        id = "5F" * 12
        call = {
            "conversationId": id,
            "mode": "p2p",
            "type": "video",
            "status": "initiated",
            "initiatorId": id,
            "settings": {"recordingEnabled": False},
        }
        person = {
            "callSessionId": id,
            "anonymousUserId": id,
            "role": "participant",
            "status": "connecting",
            "audioEnabled": True,
            "videoEnabled": False,
        }
        asked = (("CallSession", call), ("CallParticipant", person))
        assert refused(compiled, [(name, row, []) for name, row in asked]) == [None, None]
        for name, row in asked:
            for field in row.keys() - {"settings"}:
                less = {key: value for key, value in row.items() if key != field}
                assert refused(compiled, [(name, less, [])]) != [None], field

    def test_lengths_are_of_characters(self, compiled: Node, rows: Rows) -> None:
        caption = rows["CallTranscription"][0]
        cases: list[Case] = [
            ("CallTranscription", {**caption, "text": "🎉" * n}, []) for n in (5000, 5001)
        ]
        assert refused(compiled, cases) == [None, ["text"]]


def wrong_values(field: Field) -> Iterator[Any]:
    """Values that the field must not have."""
    if field.type is Any:
        return
    yield from _OF_ANOTHER_KIND.get(field.kind, ("7",))
    if field.choices:
        yield "nope"
    elif field.kind == "text" and field.high is not None:
        yield "x" * (int(field.high) + 1)
    elif field.kind in ("int", "real"):
        if field.low is not None:
            yield field.low - 1
        if field.high is not None and field.high < 2**53:
            yield field.high + 1


_OF_ANOTHER_KIND: dict[str, tuple[Any, ...]] = {
    "id": ("x", "g" * 24, 7),
    "time": ("yesterday", 7),
    "bool": ("yes",),
    "json": (7,),
    "text": (7,),
    "int": ("7", 1.5),
}


class TestPrisma:
    def test_prismas_own_parser_takes_it(self, node: Node) -> None:
        result = node.run("prisma.cjs", given=export_schema("prisma"))
        assert (result.stderr, result.returncode) == ("", 0)

    def test_it_takes_the_documents_models_too(self, node: Node) -> None:
        result = node.run("prisma.cjs", given=(DATA / "document.prisma").read_text())
        assert (result.stderr, result.returncode) == ("", 0)

    @pytest.mark.parametrize(
        ("part", "instead"),
        [
            ("calls CallSession[]", ""),
            ("DateTime?", "Moment?"),
            ("@db.ObjectId", "@db.Uuid"),
            ('map: "CallEvent_key"', 'map: "CallSession_history", no: 1'),
        ],
    )
    def test_it_refuses_what_is_wrong(self, node: Node, part: str, instead: str) -> None:
        text = export_schema("prisma")
        assert part in text
        result = node.run("prisma.cjs", given=text.replace(part, instead, 1))
        assert result.returncode == 1
        assert "error" in result.stderr


class TestJsonSchema:
    def test_rows_that_callstore_wrote_match_and_wrong_ones_do_not(self, rows: Rows) -> None:
        from jsonschema import Draft202012Validator

        schema = json.loads(export_schema("json"))
        Draft202012Validator.check_schema(schema)
        for collection in COLLECTIONS:
            validator = Draft202012Validator({**schema, "$ref": f"#/$defs/{collection.name}"})
            for row in rows[collection.name]:
                validator.validate(row)
            row = rows[collection.name][0]
            for field in collection.fields:
                less = {name: value for name, value in row.items() if name != field.name}
                assert not validator.is_valid(less), field.name
                for value in wrong_values(field):
                    if field.kind != "time" and value != "X" * 24:
                        assert not validator.is_valid({**row, field.name: value}), (field, value)


def test_another_format_is_refused() -> None:
    with pytest.raises(errors.Invalid, match="/format"):
        export_schema("sql")  # type: ignore[arg-type]


def test_callstores_own_business_is_left_out() -> None:
    for format in get_args(Format):
        text = export_schema(format)
        assert tables.LEASE.name not in text
        assert tables.SCHEMA.name not in text
