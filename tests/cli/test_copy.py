"""copy."""

import json
from pathlib import Path

from tests.cli.conftest import Made, Run, Scene


def test_it_says_what_was_copied_and_that_it_is_the_same(
    run: Run, made: Made, talk: Scene, path: Path, tmp_path: Path
) -> None:
    made(talk)
    src, dst = f"sqlite:///{path}", f"sqlite:///{tmp_path}/b.db"
    said = run("copy", src, dst)
    assert said.exit_code == 0
    assert "rows on both sides, the same" in said.stdout
    report = json.loads(run("copy", src, dst, "--json").stdout)
    assert report["verified"]
    assert report["collections"]["CallSession"]["written"] == 0
    assert report["collections"]["CallSession"]["rows"] == 1


def test_what_it_cannot_copy_it_refuses(run: Run, path: Path, tmp_path: Path) -> None:
    refused = run("copy", f"sqlite:///{path}", f"sqlite:///{tmp_path}/b.db")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("error: database_not_found: ")
    assert run("copy", "only-one").exit_code == 2
