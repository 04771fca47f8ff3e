from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from callstore import Settings, open_calls
from callstore.errors import Invalid
from callstore.settings import load_settings


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "callstore.toml"
    monkeypatch.setenv("CALLSTORE_CONFIG", str(path))
    return path


def test_there_are_defaults() -> None:
    chosen = load_settings(None)
    assert chosen == Settings()
    assert (chosen.keep_calls, chosen.keep_samples) == (timedelta(days=90), timedelta(days=7))
    assert (chosen.liveness_seconds, chosen.command_deadline) == (120, 10)


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLSTORE_LIVENESS_SECONDS", "300")
    monkeypatch.setenv("CALLSTORE_AUTO_MIGRATE", "true")
    monkeypatch.setenv("CALLSTORE_COMMAND_DEADLINE", "2.5")
    chosen = load_settings(None)
    assert (chosen.liveness_seconds, chosen.auto_migrate) == (300, True)
    assert chosen.command_deadline == 2.5


def test_a_file_sets_them(file: Path) -> None:
    file.write_text("[callstore]\nkeep_calls_days = 30\nlive_issues = false\n[other]\nx = 1\n")
    chosen = load_settings(None)
    assert (chosen.keep_calls_days, chosen.live_issues) == (30, False)


def test_arguments_win_over_the_environment_and_that_over_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("[callstore]\nkeep_calls_days = 1\nkeep_samples_days = 1\nliveness_seconds=61")
    monkeypatch.setenv("CALLSTORE_KEEP_CALLS_DAYS", "2")
    monkeypatch.setenv("CALLSTORE_KEEP_SAMPLES_DAYS", "2")
    chosen = load_settings({"keep_calls_days": 3})
    days = (chosen.keep_calls_days, chosen.keep_samples_days, chosen.liveness_seconds)
    assert days == (3, 2, 61)


def test_settings_win_over_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLSTORE_KEEP_CALLS_DAYS", "2")
    assert load_settings(Settings(keep_calls_days=3)).keep_calls_days == 3


def test_every_wrong_one_is_named_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[callstore]\nlive_issues = 'perhaps'\n")
    monkeypatch.setenv("CALLSTORE_KEEP_CALLS_DAYS", "many")
    with pytest.raises(Invalid) as refusal:
        load_settings({"command_deadline": 0, "colour": "red"})
    assert {pointer for pointer, _ in refusal.value.errors} == {
        "/settings/live_issues",
        "/settings/keep_calls_days",
        "/settings/command_deadline",
        "/settings/colour",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("liveness_seconds", 59),
        ("liveness_seconds", 86_401),
        ("liveness_seconds", -1),
        ("keep_calls_days", 0),
        ("keep_calls_days", float("nan")),
        ("keep_calls_days", float("inf")),
        ("keep_samples_days", 40_000),
        ("command_deadline", float("nan")),
        ("command_deadline", 3601),
        ("expected_bitrate", 0),
        ("auto_migrate", "perhaps"),
        ("live_issues", None),
        ("keep_calls_days", object()),
    ],
)
def test_what_is_out_of_range_is_refused(name: str, value: Any) -> None:
    with pytest.raises(Invalid) as refusal:
        load_settings({name: value})
    assert [pointer for pointer, _ in refusal.value.errors] == [f"/settings/{name}"]


@pytest.mark.parametrize("value", [0, 60, 86_400])
def test_liveness_is_off_or_a_minute_to_a_day(value: int) -> None:
    chosen = load_settings({"liveness_seconds": value})
    assert chosen.liveness == (timedelta(seconds=value) if value else None)


def test_a_settings_object_is_checked_too() -> None:
    with pytest.raises(Invalid):
        load_settings(Settings(keep_calls_days=-1))


@pytest.mark.parametrize("given", [7, "x", [("keep_calls_days", 1)], object(), {7: 1}])
def test_what_is_no_settings_is_refused(given: Any) -> None:
    with pytest.raises(Invalid):
        load_settings(given)


@pytest.mark.parametrize("content", [b"[callstore", b"\xff\xfe", b"callstore = 7"])
def test_a_file_that_is_wrong_is_named(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(Invalid, match=r"callstore\.toml"):
        load_settings(None)


def test_a_file_that_is_missing_is_named(file: Path) -> None:
    with pytest.raises(Invalid, match=r"callstore\.toml"):
        load_settings(None)


@pytest.mark.parametrize(
    "url", ["", "x", "sqlite:", "sqlite://", "sqlite:///", "sqlite://calls.db", "memory", "gopher:"]
)
async def test_what_is_no_store_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLSTORE_STORE", url)  # an empty one is none, and takes this
    if not url:
        monkeypatch.setenv("CALLSTORE_STORE", "x")
    with pytest.raises(Invalid) as refusal:
        async with open_calls(url):
            pass
    assert [pointer for pointer, _ in refusal.value.errors] == ["/store"]


@pytest.mark.parametrize("url", [7, object(), b"memory:", "sqlite:///a\0b"])
async def test_what_is_no_url_is_refused(url: Any) -> None:
    with pytest.raises(Invalid):
        async with open_calls(url):
            pass
