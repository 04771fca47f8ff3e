import subprocess
import sys

import click
import pytest
from tests.cli.conftest import Run, program

from callstore.cli.app import Root
from callstore.cli.app import callstore as command

assert isinstance(command, Root)
NAMES = list(command.lazy)


def test_help_lists_every_command_in_order(run: Run) -> None:
    lines = run("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == NAMES


def test_help_imports_no_command_and_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from callstore.cli.app import callstore\n"
        "try: callstore(['--help'], prog_name='callstore')\n"
        "except SystemExit: print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    heavy = {"rich", "PIL", "pymongo", "obstore", "litestar", "uvicorn"}
    commands = {f"callstore.cli.{name}" for name in NAMES}
    assert "Commands:" in done.stdout
    assert not loaded & (heavy | commands)


@pytest.mark.parametrize("name", NAMES)
def test_each_command_loads_and_says_how_it_is_used(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: callstore {name}")
    assert "--json" in result.stdout


@pytest.mark.parametrize("name", ["calls", "quality", "doctor", "schema"])
def test_the_list_says_of_a_command_what_the_command_says(name: str) -> None:
    assert isinstance(command, Root)
    loaded = command.get_command(click.Context(command), name)
    assert loaded is not None
    assert (loaded.help or "").splitlines()[0] == command.lazy[name][1]


@pytest.mark.parametrize("args", [[], ["calls"], ["calls", "list"], ["sweep"]])
def test_flags_name_their_environment_variables(run: Run, args: list[str]) -> None:
    said = run(*args, "--help").stdout
    assert "CALLSTORE_STORE" in said
    assert "CALLSTORE_RECORDINGS" in said


def test_version(run: Run) -> None:
    assert run("--version").stdout.startswith("callstore 0.")


def test_python_m_callstore_is_the_command() -> None:
    process = program("--help")
    out, _ = process.communicate()
    assert out.startswith("Usage: callstore ")
    assert process.returncode == 0


@pytest.mark.parametrize(
    "args",
    [
        ["frob"],
        ["calls", "frob"],
        ["calls", "show"],
        ["calls", "list"],
        ["calls", "list", "--party", "ann"],
        ["calls", "list", "--party", "user:"],
        ["calls", "list", "--conversation", "c", "--since", "yesterday"],
        ["calls", "list", "--conversation", "c", "--limit", "0"],
        ["calls", "list", "--conversation", "c", "--unseen"],
        ["calls", "list", "--party", "user:1", "--min-duration", "5"],
        ["calls", "end", "c", "--reason", "lost"],
        ["quality", "score"],
        ["quality", "score", "/no/such/file"],
        ["quality", "show", "c", "--plot", "course.gif"],
        ["sweep", "--every", "61"],
        ["sweep", "--every", "0"],
        ["--store"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2_and_opens_no_store(run: Run, path: object, args: list[str]) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr
    assert not path.exists()  # type: ignore[attr-defined]
