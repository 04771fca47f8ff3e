"""What is written as XML is read by others' tools as what it was; the XSD says what it is."""

import asyncio
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from callstore import open_calls
from callstore.privacy.as_json import JsonWriter
from callstore.privacy.as_xml import XmlWriter, element, text
from callstore.privacy.export import ExportFormat
from callstore.privacy.exported import (
    CallRecord,
    Counts,
    ExportedCaption,
    ExportedEntry,
    ExportedEvent,
    Manifest,
    Subject,
)
from callstore.privacy.xsd import xsd
from callstore.testing import FakeClock, chosen_id, fake_ids
from callstore.testing.contract import rich
from callstore.testing.contract.world import ANN

THEN = datetime(2026, 3, 1, 9, 30, 0, 250_000, tzinfo=UTC)
anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
awkward = st.lists(
    st.sampled_from(["]]>", "&amp;", "<!--", "\x01", "\x0b", "\x1f", "\x7f", "\x85", "\ufffe"])
    | st.sampled_from(
        ["\uffff", "\ufdd0", "\t", "\r", "\n", "\r\n", " ", "'", '"', "𝄞", "👩\u200d👧", "\u202e"]
    )
    | anything
).map("".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | awkward,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(awkward, inner, max_size=3),
    max_leaves=5,
)


def caption(words: str, translations: dict[str, str] | None) -> ExportedCaption:
    return ExportedCaption(
        id=chosen_id(1),
        segment_id="1",
        revision=0,
        text=words,
        language="en",
        translations=translations,
        timestamp=THEN,
        duration=None,
        is_final=True,
        confidence_score=0.5,
        source="client",
        processing_time=None,
        created_at=THEN,
    )


def event(data: dict[str, Any] | None) -> ExportedEvent:
    return ExportedEvent(
        seq=1, type="call.started", at=THEN, about_party=True, by_party=False, data=data
    )


def written(write: Any, name: Any, *, captions: Any = (), events: Any = ()) -> bytes:
    """A document of one call that only its entry is left of."""
    entry = ExportedEntry(
        id=chosen_id(2),
        conversation_id=chosen_id(3),
        call_session_id=chosen_id(4),
        direction="incoming",
        response="missed",
        type="audio",
        outcome="missed",
        created_at=THEN,
        started_at=None,
        ended_at=THEN,
        end_reason="timeout",
        responded_at=None,
        talk_seconds=0,
        seen_at=None,
        hidden_at=None,
    )
    record: dict[str, Any] = dict.fromkeys(CallRecord.__struct_fields__)
    pieces = [
        write.begin(),
        write.field("party", Subject(kind="guest", id=chosen_id(5), name=name)),
    ]
    pieces += [write.field("exportedAt", THEN), write.open("calls"), write.open_record("call")]
    record |= {"log_entry": entry, "recordings": (), "captions": captions, "samples": ()}
    record["events"] = events
    for field in msgspec.structs.fields(CallRecord):
        value = record[field.name]
        if isinstance(value, tuple | list):
            pieces.append(write.open(field.encode_name))
            pieces += [write.item(field.encode_name[:-1], each) for each in value]
            pieces.append(write.close(field.encode_name))
        else:
            pieces.append(write.field(field.encode_name, value))
    counts = dict.fromkeys(Counts.__struct_fields__, 0)
    manifest = Manifest(schema="x", counts=Counts(**counts), initiated={}, sha256="0" * 64)
    pieces += [write.close_record("call"), write.close("calls")]
    pieces += [write.open("audit"), write.close("audit")]
    return b"".join([*pieces, write.before_end(), write.end(manifest)])


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(xsd())


def holdable(words: str) -> str:
    return "".join(
        c if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff") else "\ufffd" for c in words
    )


@given(awkward)
def test_a_text_comes_back_but_for_what_xml_cannot_hold(words: str) -> None:
    assert (ET.fromstring(f"<x>{text(words)}</x>").text or "") == holdable(words)


@given(words=awkward, translations=st.none() | st.dictionaries(awkward, awkward), name=values)
def test_any_caption_and_name_are_valid(
    schema: xmlschema.XMLSchema, words: str, translations: Any, name: Any
) -> None:
    said = [caption(words, translations)]
    content = written(XmlWriter(), name, captions=said)
    schema.validate(content)
    found = [e for e in ET.fromstring(content).iter() if e.tag.endswith("}text")]
    assert [(e.text or "") for e in found] == [holdable(words)]


@given(data=st.none() | st.dictionaries(awkward, values, max_size=4), words=awkward)
def test_the_json_is_the_same_and_on_lines_of_its_own(
    schema: xmlschema.XMLSchema, data: Any, words: str
) -> None:
    told, said = [event(data)], [caption(words, {"fr": words})]
    schema.validate(written(XmlWriter(), words, captions=said, events=told))
    content = written(JsonWriter(), words, captions=said, events=told)
    read = msgspec.json.decode(content)
    assert read["party"]["name"] == words
    assert read["calls"][0]["captions"][0]["text"] == words
    assert read["calls"][0]["events"][0]["data"] == data
    assert content.splitlines()[-1].startswith(b'"manifest":{')
    assert content.endswith(b"}\n")


def test_a_default_that_json_leaves_out_is_left_out() -> None:
    from callstore.quality.model import KindWindow, Terms, Window

    plain = Window(start=THEN, seconds=10.0)
    assert element("w", plain) == (
        "<w><start>2026-03-01T09:30:00.250000Z</start><seconds>10.0</seconds></w>"
    )
    full = Window(start=THEN, seconds=1.0, terms=Terms(net=1.5), audio=KindWindow(fps=0.0))
    assert "<terms><net>1.5</net></terms><audio><fps>0.0</fps></audio>" in element("w", full)


async def test_a_whole_past_is_valid(schema: xmlschema.XMLSchema) -> None:
    clock = FakeClock()
    async with open_calls(
        "memory:", clock=clock, new_id=fake_ids(), settings={"secret": "s"}
    ) as calls:
        await rich.past(calls, clock)
        content = b"".join([some async for some in calls.privacy.export(ANN, format="xml")])
        schema.validate(content)
        for wrong in (b"<samples>", b"<duration>", b"user</kind>", b"</seq>"):
            broken = content.replace(wrong, b"<wrong/>" + wrong, 1)
            assert not schema.is_valid(broken)


def test_the_schema_that_is_shipped_is_of_these_shapes() -> None:
    """Else: `python scripts/xsd.py`."""
    shipped = files("callstore").joinpath("privacy/export.xsd").read_text(encoding="utf-8")
    assert shipped == xsd()


def test_the_lines_of_the_docs_check_an_export(tmp_path: Path) -> None:
    docs = (Path(__file__).parents[2] / "docs/export.md").read_text(encoding="utf-8")
    script = docs.partition("```python\n# check.py\n")[2].partition("```")[0]
    assert 3 <= len(script.splitlines()) <= 12
    (tmp_path / "check.py").write_text(script)

    async def made() -> list[bytes]:
        clock, formats = FakeClock(), cast("list[ExportFormat]", ["json", "zip"])
        async with open_calls(
            "memory:", clock=clock, new_id=fake_ids(), settings={"secret": "s"}
        ) as calls:
            await rich.past(calls, clock)
            streams = [calls.privacy.export(ANN, format=format) for format in formats]
            return [b"".join([some async for some in stream]) for stream in streams]

    def checked(content: bytes) -> int:
        (tmp_path / "export").write_bytes(content)
        command = [sys.executable, str(tmp_path / "check.py"), str(tmp_path / "export")]
        return subprocess.run(command, capture_output=True, check=False).returncode

    for content in asyncio.run(made()):
        assert checked(content) == 0
        assert checked(content.replace(ANN.id.encode(), b"f" * 24, 1)) == 1
