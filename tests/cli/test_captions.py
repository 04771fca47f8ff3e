"""captions: export, search."""

import json
import shlex
from typing import Any

import pytest
from tests.cli.conftest import UNKNOWN, A, B, C, Made, Run

from callstore import Calls
from callstore.testing import FakeClock


@pytest.fixture
def said(made: Made, clock: FakeClock) -> str:
    """A call in which something was; gives its id."""

    async def work(calls: Calls) -> str:
        call = await calls.start(C, A, invite=[B])
        await calls.join(call.id, B)
        for number, (party, text) in enumerate(((A, "Good morning"), (B, "Morgen, \x1b[31mAda"))):
            clock.advance(2)
            caption: Any = await calls.captions.add(
                call.id, party, segment_id=str(number), text=text, language="en", duration=900
            )
        await calls.captions.translate(caption.id, "fr", "Bonjour Ada")
        return call.id

    return str(made(work))


def test_a_calls_captions_are_a_file_on_stdout(run: Run, said: str) -> None:
    vtt = run("captions", "export", said, "--format", "vtt", "--language", "fr", "--speakers")
    assert vtt.exit_code == 0
    assert vtt.stdout.startswith("WEBVTT\n\n00:00:02.000 --> 00:00:02.900\n")
    assert f"<v user:{A.id}>Good morning" in vtt.stdout
    assert f"<v user:{B.id}>Bonjour Ada" in vtt.stdout
    plain = run("captions", "export", said, "--format", "srt").stdout
    assert plain.startswith("1\n00:00:02,000 --> 00:00:02,900\nGood morning\n\n2\n")
    document = json.loads(run("captions", "export", said, "--format", "srt", "--json").stdout)
    assert document == {"format": "srt", "text": plain}


def test_what_is_found_is_shown_with_its_translations(run: Run, said: str) -> None:
    found = run("captions", "search", "BONJOUR", "ada", "--conversation", C)
    assert found.exit_code == 0
    assert said in found.stdout
    assert "Morgen, ?[31mAda" in found.stdout
    assert "Bonjour Ada" in found.stdout
    page = json.loads(run("captions", "search", "mor*", "--party", f"user:{A.id}", "--json").stdout)
    assert [caption["text"] for caption in page["items"]] == ["Morgen, \x1b[31mAda", "Good morning"]
    assert run("captions", "search", "nobody", "--call", said).stdout == "nothing found\n"


def test_a_page_names_the_next(run: Run, said: str) -> None:
    first = run("captions", "search", "mor*", "--call", said, "--limit", "1").stdout
    assert "Good morning" not in first
    command = shlex.split(" ".join(first.partition("next page: ")[2].split("\n")))
    assert command[0] == "callstore"
    assert "Good morning" in run(*command[1:]).stdout


def test_what_cannot_be_is_refused(run: Run, said: str) -> None:
    assert run("captions", "search", "hello").exit_code == 2
    assert run("captions", "search", "hello", "--call", said, "--conversation", C).exit_code == 2
    assert run("captions", "export", said).exit_code == 2
    for command, code in (
        (["export", UNKNOWN, "--format", "txt"], "call_not_found"),
        (["export", said, "--format", "txt", "--language", "zz"], "invalid"),
        (["search", "ab*", "--call", said], "invalid"),
    ):
        refused = run("captions", *command)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert refused.stderr.startswith(f"error: {code}: ")
