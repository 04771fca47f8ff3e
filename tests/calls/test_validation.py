from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Struct

from callstore.calls.commands import SetTransports, Start
from callstore.calls.model import Guest, User
from callstore.errors import Invalid
from callstore.ids import Id
from callstore.validation import (
    EARLIEST,
    LATEST,
    Cursor,
    Time,
    check,
    cursor_text,
    cut,
    json_value,
    time,
)

ROOM = "c" * 24


class Asked(Struct, frozen=True, kw_only=True):
    id: Id
    cursor: Cursor | None = None
    at: Time | None = None


moments = st.datetimes(
    min_value=EARLIEST.replace(tzinfo=None),
    max_value=LATEST.replace(tzinfo=None),
    timezones=st.just(UTC),
)


@given(moments.map(cut), st.text("0123456789abcdef", min_size=24, max_size=24))
def test_a_cursor_leads_back_to_its_place(at: datetime, id: str) -> None:
    if id == "0" * 24:
        return
    assert check(Asked, id=ROOM, cursor=cursor_text((at, id))).cursor == (at, id)


@given(moments)
def test_a_time_is_cut_never_rounded(at: datetime) -> None:
    assert timedelta(0) <= at - time(at) < timedelta(milliseconds=1)


def test_a_time_of_another_zone_becomes_utc() -> None:
    given = datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=3)))
    assert time(given) == datetime(2024, 1, 1, 9, tzinfo=UTC)
    assert time(given).tzinfo is UTC


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(Invalid) as refusal:
        check(Asked, id="x", cursor="x", at="x")
    assert [pointer for pointer, _ in refusal.value.errors] == ["/id", "/cursor", "/at"]
    assert "/id: must be an id of 24 hex digits" in str(refusal.value)


def test_what_may_be_absent_is_left_as_it_is() -> None:
    made = check(SetTransports, call_id=ROOM, party=User(ROOM), send_transport_id=UNSET)
    assert made.send_transport_id is UNSET
    cleared = check(SetTransports, call_id=ROOM, party=User(ROOM), send_transport_id=None)
    assert cleared.send_transport_id is None


def test_parties_keep_their_kind_and_are_lowered() -> None:
    made = start(initiator=Guest("A" * 24), invite=[User("B" * 24)])
    assert (made.initiator, made.invite) == (Guest("a" * 24), [User("b" * 24)])


def start(**given: Any) -> Start:
    plain: dict[str, Any] = {
        "conversation_id": ROOM,
        "initiator": User(ROOM),
        "invite": (),
        "type": "video",
        "settings": None,
        "max_participants": 50,
        "sfu": True,
        "end_when": None,
        "ring_seconds": 60,
        "call_id": None,
    }
    return check(Start, **{**plain, **given})


@pytest.mark.parametrize(
    "value", [None, True, 0, -(2**63), 2**63 - 1, 1.5, "", "é\u2028", [], {}, {"": [None]}]
)
def test_json_is_taken_as_it_is(value: Any) -> None:
    assert json_value(value) == value


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        float("inf"),
        float("nan"),
        "\ud800",
        {1: 2},
        {"a\0": 1},
        {"\ud800": 1},
        (1, 2),
        b"x",
        {"a": {1, 2}},
        datetime(2024, 1, 1, tzinfo=UTC),
        "x" * 65_535,
        object(),
    ],
)
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"must|numbers|keys"):
        json_value(value)
