"""`callstore` itself: what every command takes, how it reaches the library, how it fails.

A command is made with `cls=Command` (or by a group of ours) and gets the `App` by
`click.pass_obj`. Nothing heavy is imported before a command runs: `callstore --help` knows its
commands by the table at the end.
"""

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.core import ParameterSource

from callstore.errors import CallstoreError

if TYPE_CHECKING:
    from callstore import Calls

T = TypeVar("T")


@dataclass
class App:
    """What was said before the command, or after it; the latter wins."""

    store: str | None = None
    recordings: str | None = None
    json: bool = False
    typed: dict[str, str] = field(default_factory=dict)  # the URLs that the command line has

    def run(self, work: Callable[["Calls"], Awaitable[T]], *, check_schema: bool = True) -> T:
        """What `work` gives for the calls of the store."""
        import asyncio

        from callstore import open_calls

        async def opened() -> T:
            async with open_calls(
                self.store, recordings=self.recordings, check_schema=check_schema
            ) as calls:
                return await work(calls)

        return asyncio.run(opened())

    def print_json(self, document: object, *, line: bool = False) -> None:
        """The one JSON document; `line`: one of many, each on a line of its own."""
        import msgspec

        text = msgspec.json.encode(document)
        click.echo(text if line else msgspec.json.format(text))


class Failed(click.ClickException):
    """An error that is said on one line of stderr. Exit 1."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def show(self, file: Any = None) -> None:
        said = "".join(c if c.isprintable() else " " for c in self.message)
        label = "error:" if "NO_COLOR" in os.environ else click.style("error:", fg="red")
        click.echo(f"{label} {self.code}: {said}", file=file, err=True)


ADVICE = {
    "busy": "try again",
    "call_not_found": "`callstore calls list` shows a conversation's calls",
    "forbidden": "without --by it is done as the host",
    "store_unavailable": "look at --store: a file's folder and disk, a replica set's members",
}


def failure(error: CallstoreError) -> Failed:
    advice = ADVICE.get(error.code)
    return Failed(error.code, f"{error}; {advice}" if advice else str(error))


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    app = ctx.ensure_object(App)
    name = str(param.name)
    if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
        if isinstance(value, str):
            app.typed[name] = value
    elif getattr(app, name):
        return
    setattr(app, name, value)


def json_option() -> click.Option:
    return click.Option(
        ["--json"],
        is_flag=True,
        expose_value=False,
        callback=_keep,
        help="One JSON document on stdout, and nothing else.",
    )


def store_options() -> list[click.Parameter]:
    """What every command takes that opens a store."""
    return [
        click.Option(
            ["--store"],
            metavar="URL",
            envvar="CALLSTORE_STORE",
            show_envvar=True,
            expose_value=False,
            callback=_keep,
            show_default="sqlite:///callstore.db",
            help="Where the calls are.",
        ),
        click.Option(
            ["--recordings"],
            metavar="URL",
            envvar="CALLSTORE_RECORDINGS",
            show_envvar=True,
            expose_value=False,
            callback=_keep,
            show_default="a folder beside the database",
            help="Where recordings are.",
        ),
        json_option(),
    ]


class Command(click.Command):
    """A command that takes the options of `callstore` too: people type them at either place."""

    def __init__(
        self, name: str | None, params: list[click.Parameter] | None = None, **more: Any
    ) -> None:
        super().__init__(name, params=[*(params or []), *self.shared()], **more)

    def shared(self) -> list[click.Parameter]:
        return store_options()


class Storeless(Command):
    def shared(self) -> list[click.Parameter]:
        return [json_option()]


class Group(click.Group):
    command_class = Command

    def __init__(
        self, name: str | None = None, params: list[click.Parameter] | None = None, **more: Any
    ) -> None:
        super().__init__(name, params=[*(params or []), *store_options()], **more)


class Root(Group):
    """Commands by name: where each is, imported when it is called, and its help."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        self.lazy = lazy

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        module, _, name = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in self.lazy.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except CallstoreError as error:
            raise failure(error) from error
        except KeyboardInterrupt:
            ctx.exit(130)
        except BrokenPipeError:
            raise
        except OSError as error:
            _drop_output()
            raise Failed("os_error", str(error)) from error
        return result


def _drop_output() -> None:
    """What is still buffered cannot be written: the interpreter must not fail on it again."""
    with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def unusable(message: str) -> NoReturn:
    raise click.UsageError(message, click.get_current_context())


@click.group(
    cls=Root,
    lazy={
        "calls": ("callstore.cli.calls:calls", "List calls, show one, end one."),
        "captions": (
            "callstore.cli.captions:captions",
            "Export a call's captions, search what was said.",
        ),
        "recordings": (
            "callstore.cli.recordings:recordings",
            "List a call's recordings, get and delete their files.",
        ),
        "quality": ("callstore.cli.quality:quality", "Score getStats() traces, explain a score."),
        "sweep": ("callstore.cli.sweep:sweep", "Do what is due: time out, lose, switch, analyse."),
        "doctor": ("callstore.cli.doctor:doctor", "Find what does not agree, and mend it."),
        "retention": (
            "callstore.cli.retention:retention",
            "What has expired: show it, delete it.",
        ),
        "hold": ("callstore.cli.hold:hold", "Place legal holds, release and list them."),
        "watch": ("callstore.cli.watch:watch", "Follow what the host deletes in its MongoDB."),
        "audit": (
            "callstore.cli.audit:audit",
            "List privileged acts, verify that none was changed or removed.",
        ),
        "privacy": (
            "callstore.cli.privacy:privacy",
            "Erase what is kept of a person or a conversation; give it out.",
        ),
        "schema": (
            "callstore.cli.schema:schema",
            "Take a database's schema up and down, try its rules.",
        ),
        "copy": ("callstore.cli.copy:copy", "Copy all calls from one store to another."),
        "seed": ("callstore.cli.seed:seed", "Fill a database with realistic calls."),
        "demo": ("callstore.cli.demo:demo", "Replay recorded calls through a whole life each."),
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="callstore", message="callstore %(version)s")
def callstore() -> None:
    """The memory of a chat app's voice and video calls.

    The options below are taken before a command and after it.
    """
