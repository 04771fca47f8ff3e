"""copy."""

import json
from datetime import UTC, datetime
from pathlib import Path

from tests.cli.conftest import A, B, C, Made, Run, Scene, program

from callstore import Calls
from callstore.testing import FakeClock


def test_it_says_what_was_copied_and_that_it_is_the_same(
    run: Run, made: Made, talk: Scene, path: Path, tmp_path: Path, clock: FakeClock
) -> None:
    clock.set(datetime.now(UTC))
    made(talk)
    src, dst = f"sqlite:///{path}", f"sqlite:///{tmp_path}/b.db"
    said = run("copy", src, dst)
    assert said.exit_code == 0
    assert "rows on both sides, the same" in said.stdout
    report = json.loads(run("copy", src, dst, "--json").stdout)
    assert report["verified"]
    assert report["collections"]["CallSession"]["written"] == 0
    assert report["collections"]["CallSession"]["rows"] == 1


def test_it_says_what_is_left_out(
    run: Run, made: Made, talk: Scene, path: Path, tmp_path: Path
) -> None:
    made(talk)  # long ago
    copy = ("copy", f"sqlite:///{path}", f"sqlite:///{tmp_path}/b.db")
    report = json.loads(run(*copy, "--json").stdout)
    left_out = {name: each["leftOut"] for name, each in report["collections"].items()}
    assert left_out["CallSession"] == 1
    assert left_out["CallEvent"] > 1  # with its call
    said = run(*copy)
    assert said.exit_code == 0
    assert f"{sum(left_out.values())} rows left out: expired for three days or more" in said.stdout
    assert "0 rows on both sides, the same" in said.stdout


def test_what_it_cannot_copy_it_refuses(run: Run, path: Path, tmp_path: Path) -> None:
    refused = run("copy", f"sqlite:///{path}", f"sqlite:///{tmp_path}/b.db")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("error: database_not_found: ")
    assert run("copy", "only-one").exit_code == 2


def test_while_calls_are_live_it_says_what_to_do(
    run: Run, made: Made, path: Path, tmp_path: Path
) -> None:
    made(lambda calls: calls.start(C, A, invite=[B]))
    copy = ("copy", f"sqlite:///{path}", f"sqlite:///{tmp_path}/b.db")
    refused = run(*copy)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        "error: conflict: 1 calls are live: end them, or copy with live (--live)\n"
    )
    done = run(*copy, "--live")
    assert done.exit_code == 0
    assert "rows on both sides, the same" in done.stdout


def test_what_goes_on_changing_until_the_end_is_named(
    made: Made, path: Path, tmp_path: Path
) -> None:
    copy = ("copy", "--live", f"sqlite:///{path}", f"sqlite:///{tmp_path}/b.db")

    async def written_meanwhile(calls: Calls) -> tuple[int, str, str]:
        call = await calls.start(C, A)
        with program(*copy) as process:
            while process.poll() is None:
                await calls.join(call.id, B)
                await calls.leave(call.id, B)
            said, error = process.communicate()
        return process.returncode, said, error

    code, said, error = made(written_meanwhile)
    assert code == 1
    assert "differs" in said
    assert error.startswith("error: conflict: CallSession")
    assert error.endswith(" went on changing: stop what writes to SRC and copy once more\n")
