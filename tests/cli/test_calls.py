import json
import re
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import UNKNOWN, A, B, C, G, Made, Run, Scene

from callstore import Calls, Page
from callstore.cli import call_views
from callstore.testing import FakeClock, conversation


def many(clock: FakeClock, count: int) -> Callable[[Calls], Awaitable[list[str]]]:
    """That many cancelled calls, oldest first; one a minute."""

    async def many(calls: Calls) -> list[str]:
        ids = []
        for _ in range(count):
            call = await calls.start(C, A, invite=[B])
            ids.append((await calls.cancel(call.id, A)).id)
            clock.advance(60)
        return ids

    return many


def of(page: str) -> list[str]:
    return [item["id"] for item in json.loads(page)["items"]]


# -- list


def test_a_new_store_has_no_calls(run: Run, path: Path) -> None:
    result = run("calls", "list", "--conversation", C)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "no calls\n", "")
    assert path.exists()
    assert json.loads(run("calls", "list", "--conversation", C, "--json").stdout) == {
        "items": [],
        "next": None,
    }


def test_a_history_shows_whole_ids_and_what_became_of_calls(
    run: Run, made: Made, talk: Scene
) -> None:
    id = made(talk)
    said = run("calls", "list", "--conversation", C).stdout
    assert "2026-03-01 09:30" in said
    for part in (id, "video", "answered", "3m 12s", f"user:{A.id}"):
        assert part in said


@pytest.mark.parametrize("columns", ["60", "80", "100", "160"])
def test_ids_are_whole_and_lines_fit_at_any_width(
    run: Run, made: Made, talk: Scene, columns: str
) -> None:
    id = made(talk)
    for whose in (["--conversation", C], ["--party", f"user:{B.id}"]):
        said = run("calls", "list", *whose, env={"COLUMNS": columns}).stdout
        assert id in said
        assert max(map(len, said.splitlines())) <= max(int(columns), 65)
    assert ("no room here for" in said) == (int(columns) < 100)


def test_a_log_shows_the_partys_own_side(run: Run, made: Made, talk: Scene) -> None:
    id = made(talk)
    own = run("calls", "list", "--party", f"user:{A.id}").stdout
    assert re.search(rf"{id}  video  out  accepted +3m 12s  {C}", own)
    missed = run("calls", "list", "--party", f"user:{B.id}").stdout
    assert re.search(rf"{id}  video  in   missed \* +-  {C}", missed)
    assert "* not seen yet" in missed


def test_the_next_page_is_a_command_that_can_be_typed(
    run: Run, made: Made, clock: FakeClock, path: Path
) -> None:
    ids = made(many(clock, 5))
    args = ["calls", "list", "--conversation", C, "--limit", "2", "--party", f"user:{A.id}"]
    seen = []
    for _ in range(3):
        said = run("--store", f"sqlite:///{path}", *args, store=None).stdout
        seen += re.findall(rf"\b({'|'.join(ids)})\b", said)
        _, found, command = said.partition("next page: ")
        if not found:
            break
        name, *args = shlex.split(command)
        assert name == "callstore"
        assert "--store" in args
    assert seen == ids[::-1]


def test_a_filter_that_nothing_passes(run: Run, made: Made, clock: FakeClock) -> None:
    made(many(clock, 2))
    assert run("calls", "list", "--conversation", C, "--outcome", "missed").stdout == "no calls\n"


def test_an_empty_page_still_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    call_views.page(Page(items=[], next="abc"), "callstore calls list --cursor abc")
    said = capsys.readouterr().out
    assert said == "no calls on this page\n\nnext page: callstore calls list --cursor abc\n"


def test_filters_reach_the_library(run: Run, made: Made, clock: FakeClock, talk: Scene) -> None:
    first, second = made(many(clock, 2))
    answered = made(talk)

    def ids(*args: str) -> list[str]:
        return of(run("calls", "list", "--conversation", C, *args, "--json").stdout)

    assert ids() == [answered, second, first]
    assert ids("--outcome", "answered") == [answered]
    assert ids("--min-duration", "100") == [answered]
    assert ids("--party", f"guest:{G.id}") == [answered]
    assert ids("--type", "audio") == []
    assert ids("--since", "2026-03-01T09:31Z") == [answered, second]
    assert ids("--until", "2026-03-01T10:31+01:00") == [first]
    assert ids("--since", "2026-03-02") == []

    def log(*args: str) -> list[Any]:
        said = run("calls", "list", "--party", f"user:{B.id}", *args, "--json").stdout
        return [item["callSessionId"] for item in json.loads(said)["items"]]

    assert log("--unseen") == [answered]
    assert log("--response", "cancelled") == [second, first]
    assert log("--direction", "outgoing") == []


def test_json_is_taken_before_and_after_the_command(run: Run, made: Made, talk: Scene) -> None:
    made(talk)
    args = ["--conversation", C]
    said = {
        run("--json", "calls", "list", *args).stdout,
        run("calls", "--json", "list", *args).stdout,
        run("calls", "list", *args, "--json").stdout,
    }
    assert len(said) == 1
    (item,) = json.loads(said.pop())["items"]
    assert item["conversationId"] == C
    assert item["outcome"] == "answered"
    assert len(item["participants"]) == 2


def test_a_store_after_the_command_wins(run: Run, made: Made, talk: Scene, path: Path) -> None:
    id = made(talk)
    right, wrong = f"sqlite:///{path}", f"sqlite:///{path}.other"
    assert id in run("--store", wrong, "calls", "show", id, "--store", right, store=wrong).stdout
    assert id in run("--store", right, "calls", "show", id, store=wrong).stdout
    assert run("calls", "show", id, store=wrong).exit_code == 1


# -- show


def test_a_call_is_shown_with_its_people(run: Run, made: Made, talk: Scene) -> None:
    id = made(talk)
    said = run("calls", "show", id).stdout
    assert f"call {id}  video  answered" in said
    assert "2026-03-01T09:30:05Z  after 5s" in said
    assert f"2026-03-01T09:33:17Z  normal by user:{A.id}" in said
    assert "2 joined, 2 at once, room for 50" in said
    assert re.search(rf"user:{A.id} \* +disconnected +0:00 - 3:17  ended", said)
    assert re.search(
        rf"guest:{G.id} +disconnected +0:05 - 3:17  ended .* Firefox / \[Linux\]", said
    )
    assert f"callstore quality show {id}" in said


def test_a_live_call_says_who_is_in_it_now(run: Run, made: Made) -> None:
    async def ring(calls: Calls) -> str:
        return (await calls.start(C, A, invite=[B], type="audio")).id

    said = run("calls", "show", made(ring)).stdout
    assert "audio  ongoing" in said
    assert "0:00 - now" in said
    assert "ended" not in said


def test_an_analysed_call_shows_score_and_issues(run: Run, made: Made, measured: Scene) -> None:
    id = made(measured)
    assert run("quality", "show", id).exit_code == 0
    said = run("calls", "show", id).stdout
    assert re.search(r"quality +8\d\.\d (good|excellent)", said)
    assert "high packet loss" in said
    document = json.loads(run("calls", "show", id, "--json").stdout)
    assert document["id"] == id
    assert document["analytics"]["callSessionId"] == id


def test_a_call_as_json_has_its_people_and_no_analysis_yet(
    run: Run, made: Made, talk: Scene
) -> None:
    document = json.loads(run("calls", "show", made(talk), "--json").stdout)
    assert document["endReason"] == "normal"
    assert document["analytics"] is None
    assert {row["role"] for row in document["participants"]} == {"initiator", "participant"}


# -- end


def test_end_ends_a_call_once(run: Run, made: Made) -> None:
    async def ring(calls: Calls) -> str:
        return (await calls.start(C, A, invite=[B])).id

    id = made(ring)
    first = run("calls", "end", id, "--reason", "forced")
    assert re.fullmatch(rf"call {id} ended \S+Z: cancelled \(forced\)\n", first.stdout)
    assert run("calls", "end", id).stdout == first.stdout
    assert json.loads(run("calls", "end", id, "--json").stdout)["endReason"] == "forced"


def test_end_by_a_stranger_says_what_to_do(run: Run, made: Made) -> None:
    async def ring(calls: Calls) -> str:
        return (await calls.start(C, A, invite=[B])).id

    result = run("calls", "end", made(ring), "--by", f"guest:{G.id}")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: forbidden: ")
    assert "--by" in result.stderr


# -- timeline


def test_a_timeline_tells_what_happened_in_order(run: Run, made: Made, talk: Scene) -> None:
    id = made(talk)
    said = run("calls", "timeline", id).stdout
    assert said.splitlines()[0] == f"call {id}  from 2026-03-01T09:30:00Z"
    assert re.search(rf"0:05  participant\.joined +guest:{G.id} .*answered, audio, video", said)
    events = json.loads(run("calls", "timeline", id, "--json").stdout)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "call.ended"
    order = [said.index(event["type"]) for event in (events[0], events[-1])]
    assert order == sorted(order)


# -- what is not there


@pytest.mark.parametrize("command", ["show", "end", "timeline"])
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_an_unknown_call_is_an_error_on_stderr(run: Run, command: str, flags: list[str]) -> None:
    result = run("calls", command, UNKNOWN, *flags)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: call_not_found: no call {UNKNOWN}; ")
    assert result.stderr.count("\n") == 1


def test_what_is_no_id_is_invalid(run: Run) -> None:
    result = run("calls", "show", "7")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: invalid: /call_id: must be an id of 24 hex digits\n"


def test_another_conversation_is_empty(run: Run, made: Made, talk: Scene) -> None:
    made(talk)
    assert run("calls", "list", "--conversation", conversation(9)).stdout == "no calls\n"
