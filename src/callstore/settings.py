"""What can be set, from the arguments of `open_calls`, the environment or a TOML file.

Each field's name in upper case behind `CALLSTORE_` is its environment variable; in the TOML file
that `CALLSTORE_CONFIG` names it stands under `[callstore]`. Arguments win over the environment,
the environment over the file.
"""

import hmac
import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from callstore.errors import Invalid, StoreError
from callstore.quality.lines import Lines
from callstore.retention.horizons import Horizons

Days = Annotated[float, Meta(gt=0, le=36_500)]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keep_calls_days: Days = 90
    keep_samples_days: Days = 7
    keep_captions_days: Days = 30
    keep_recordings_days: Days = 30
    keep_audit_days: Days = 365
    """Audit entries, receipts of erasures, released holds."""
    liveness_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 120
    """Silence after which a participant is lost; 0: never, else at least 60."""
    command_deadline: Annotated[float, Meta(gt=0, le=3600)] = 10
    """Seconds after which a command that others keep from the store is refused as Busy."""
    live_issues: bool = True
    """Whether `quality.report` follows issues as they open and close, and returns them."""
    expected_bitrate: Annotated[int, Meta(ge=1)] | None = None
    """bit/s of video that a participant should receive; scores fall below it. None: not judged."""
    secret: str | None = None
    """What keys are derived from, those of links to recordings for one: as `openssl rand -hex 32`
    gives it. The same in all processes; never in the database."""
    links_to: Annotated[str, Meta(max_length=1024)] = ""
    """What stands before `/recordings/…` in links of callstore's own: the address of what serves
    them."""
    auto_migrate: bool = False
    """Whether opening a database brings it to this code's schema. A new one always is."""

    def __post_init__(self) -> None:
        if 0 < self.liveness_seconds < 60:
            raise ValueError("liveness_seconds must be 0 or at least 60")

    def key(self, purpose: str) -> bytes:
        """A key that is derived from the secret for this purpose alone; StoreError without one."""
        if not self.secret:
            raise StoreError(
                f"{purpose} need a secret: set CALLSTORE_SECRET, for example to what `openssl rand"
                " -hex 32` gives, the same in all processes"
            )
        return hmac.digest(self.secret.encode(), f"callstore: {purpose}".encode(), "sha256")

    def __repr__(self) -> str:
        shown = msgspec.structs.asdict(self) | {"secret": self.secret and "…"}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def lines(self) -> Lines:
        return Lines(expected_bitrate=self.expected_bitrate)

    @property
    def keep_calls(self) -> timedelta:
        return timedelta(days=self.keep_calls_days)

    @property
    def keep_samples(self) -> timedelta:
        return timedelta(days=self.keep_samples_days)

    @property
    def keep_captions(self) -> timedelta:
        return timedelta(days=self.keep_captions_days)

    @property
    def keep_audit(self) -> timedelta:
        return timedelta(days=self.keep_audit_days)

    @property
    def horizons(self) -> Horizons:
        return Horizons(
            calls=self.keep_calls,
            samples=self.keep_samples,
            captions=self.keep_captions,
            recordings=timedelta(days=self.keep_recordings_days),
        )

    @property
    def liveness(self) -> timedelta | None:
        return timedelta(seconds=self.liveness_seconds) if self.liveness_seconds else None


def load_settings(given: Settings | Mapping[str, Any] | None) -> Settings:
    """The settings in force; Invalid names every one that is wrong.

    A mapping wins over the environment in what it names, a Settings object in everything.
    """
    if isinstance(given, Settings):
        given = msgspec.structs.asdict(given)
    if given is not None and not isinstance(given, Mapping):
        raise Invalid.field("/settings", "must be Settings or a mapping")
    values = {**_from_file(), **_from_environment(), **(given or {})}
    wrong = []
    for name, value in values.items():
        try:
            msgspec.convert({name: value}, Settings, strict=False)
        except msgspec.ValidationError as error:
            wrong.append((f"/settings/{name}", str(error).split(" - at ")[0]))
    if wrong:
        raise Invalid(wrong)
    return msgspec.convert(values, Settings, strict=False)


def _from_environment() -> dict[str, str]:
    names = {name: f"CALLSTORE_{name.upper()}" for name in Settings.__struct_fields__}
    return {name: os.environ[var] for name, var in names.items() if var in os.environ}


def _from_file() -> dict[str, Any]:
    path = os.environ.get("CALLSTORE_CONFIG")
    if not path:
        return {}
    try:
        table = tomllib.loads(Path(path).read_text()).get("callstore", {})
    except (OSError, ValueError) as error:
        raise Invalid.field("/settings", f"{path} cannot be read: {error}") from None
    if not isinstance(table, dict):
        raise Invalid.field("/settings", f"[callstore] in {path} must be a table")
    return table
