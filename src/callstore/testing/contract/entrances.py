"""Whatever comes in: never an error but callstore's own, and nothing half done."""

import base64
import datetime as dt
import enum
import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, to_builtins

from callstore import Call, Calls, Guest, Party, SweepReport, User, errors
from callstore.testing.contract.good import EDGES, GOOD
from callstore.testing.contract.quality import report_at
from callstore.testing.contract.world import (
    ANN,
    BOB,
    CAT,
    ROOM,
    answered,
    outcome_of,
    row_of,
)

# -- anything, and what is nearly right


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Fraction(float):
    pass


class Listed(list[Any]):
    pass


class Mapped(dict[Any, Any]):
    pass


class Colour(enum.Enum):
    RED = "video"


class Kind(enum.StrEnum):
    VIDEO = "video"


class Level(enum.IntEnum):
    FIVE = 5


class Nowhere(dt.tzinfo):
    def utcoffset(self, _: dt.datetime | None) -> None:
        return None

    tzname = dst = utcoffset


def cyclic() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


text = st.text(st.characters(exclude_categories=()), max_size=30)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | text
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=8,
)
ids = st.text("0123456789abcdefABCDEF", min_size=24, max_size=24)
near_ids = st.sampled_from(
    [ROOM + "\n", ROOM[:-1], ROOM + "0", "0" * 24, ROOM.upper(), f" {ROOM[1:]}", "٣" * 24, "g" * 24]
)
times = st.datetimes(timezones=st.none() | st.timezones()) | st.sampled_from(
    [
        dt.datetime(1, 1, 1),  # noqa: DTZ001
        dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=14))),
        dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-14))),
        dt.datetime(2000, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2100, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2024, 1, 1, tzinfo=Nowhere()),
    ]
)
cursors = st.sampled_from(["0.x", "1e9.a", f"{10**400}.{ROOM}", f"-{10**18}.{ROOM}", f"1.{ROOM}"])
STRANGE: list[Callable[[], Any]] = [
    object,
    lambda: object,
    lambda: print,
    lambda: ...,
    lambda: UNSET,
    lambda: 3 + 4j,
    lambda: {1, 2},
    lambda: (1, 2),
    lambda: b"bytes",
    lambda: bytearray(b"bytes"),
    lambda: memoryview(b"bytes"),
    lambda: dt.date(2024, 1, 1),
    lambda: dt.timedelta(1),
    lambda: Text(ROOM),
    lambda: Text("video"),
    lambda: Number(5),
    lambda: Fraction(5.5),
    lambda: Listed([BOB]),
    lambda: Mapped(browser="x"),
    lambda: [Number(5)],
    lambda: {"x": Fraction(1.5)},
    lambda: {Text("x"): Text("y")},
    lambda: Colour.RED,
    lambda: Kind.VIDEO,
    lambda: Level.FIVE,
    lambda: {"kind": Kind.VIDEO},
    lambda: iter([BOB, CAT]),
    lambda: (party for party in (BOB, 7)),
    lambda: dict.fromkeys([BOB]),
    lambda: itertools.repeat(BOB, 10_001),
    lambda: {"browser": "Firefox", 7: "x"},
    lambda: {"a\0b": 1},
    lambda: {"deviceType": "\ud800"},
    lambda: {"\ud800/~": 1},
    lambda: {"recordingEnabled": 1},
    cyclic,
    lambda: deep(40),
    lambda: deep(5000),
    lambda: 10**400,
    lambda: 2**63,
    lambda: -(2**63) - 1,
    lambda: math.nan,
    lambda: "x" * 70_000,
    lambda: "\0",
    lambda: "a\x7fb",
]
anything: st.SearchStrategy[Any] = (
    json_values
    | ids
    | near_ids
    | times
    | cursors.map(lambda place: base64.urlsafe_b64encode(place.encode()).decode())
    | st.binary(max_size=20)
    | st.sampled_from(STRANGE).map(lambda make: make())
    | st.builds(User, json_values | ids | near_ids)
    | st.builds(Guest, json_values | ids | near_ids)
    | st.lists(st.builds(User, ids | json_values), max_size=3)
    | st.lists(ids | near_ids, max_size=3)
    | st.dictionaries(st.sampled_from(["browser", "os", "deviceType"]), json_values)
)


def method_of(calls: Calls, name: str) -> Any:
    found: Any = calls
    for step in name.split("."):
        found = getattr(found, step)
    return found


def on(call_id: str, name: str) -> dict[str, Any]:
    """Good arguments, for this call, now: a report must not be old."""
    good = {
        key: call_id if key == "call_id" and value == ROOM else value
        for key, value in GOOD[name].items()
    }
    return {**good, "report": report_at(dt.datetime.now(dt.UTC), 5)} if "report" in good else good


class TestEveryEntrance:
    call: Call | None = None  # as it is known to be: what was refused has left it so

    @pytest.mark.parametrize("name", GOOD)
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(data=st.data())
    async def test_anything_is_taken_or_refused_but_never_breaks(
        self, calls: Calls, name: str, data: st.DataObject
    ) -> None:
        before = await self.live(calls)
        good = on(before.id, name)
        some = st.lists(st.sampled_from(sorted(good)), unique=True, min_size=1, max_size=3)
        changed = {argument: data.draw(anything, argument) for argument in data.draw(some)}
        result = await outcome_of(method_of(calls, name)(**{**good, **changed}))
        if isinstance(result, errors.CallstoreError):
            assert str(result)
            assert await calls.get(before.id) == before
            self.call = before
        if isinstance(result, errors.Invalid):
            for pointer, message in result.errors:
                assert message
                assert pointer.split("/")[1] in changed

    @pytest.mark.parametrize("name", GOOD)
    async def test_no_strange_thing_breaks_any_argument(self, calls: Calls, name: str) -> None:
        for make, argument in itertools.product(STRANGE, GOOD[name]):
            call = await self.live(calls, BOB, CAT)
            arguments = {**on(call.id, name), argument: make()}
            result = await outcome_of(method_of(calls, name)(**arguments))
            self.call = call if isinstance(result, errors.CallstoreError) else None

    async def live(self, calls: Calls, *others: Party) -> Call:
        known, self.call = self.call, None
        if known is None:
            known = await calls.live_in(ROOM)
        return known or await calls.get((await answered(calls, *others)).id)

    @pytest.mark.parametrize("name", GOOD)
    async def test_every_wrong_argument_is_named_at_once(self, calls: Calls, name: str) -> None:
        with pytest.raises(errors.Invalid) as refusal:
            await method_of(calls, name)(**dict.fromkeys(GOOD[name], object()))
        named = {pointer.split("/")[1] for pointer, _ in refusal.value.errors}
        assert named == set(GOOD[name])

    @pytest.mark.parametrize(
        ("name", "argument", "value", "pointer"),
        [
            ("start", "initiator", User("x"), "/initiator/id"),
            ("start", "invite", [BOB, User("x")], "/invite/1/id"),
            ("start", "invite", [BOB, "u:x"], "/invite/1"),
            ("start", "invite", [BOB] * 10_001, "/invite"),
            ("start", "settings", {"recordingEnabled": 1}, "/settings/recordingEnabled"),
            ("start", "settings", {"x/y": True}, "/settings/x~1y"),
            ("start", "ring_seconds", 4, "/ring_seconds"),
            ("start", "ring_seconds", 3601, "/ring_seconds"),
            ("start", "max_participants", 1, "/max_participants"),
            ("start", "max_participants", 10_001, "/max_participants"),
            ("start", "conversation_id", "0" * 24, "/conversation_id"),
            ("join", "device", {"browser": "x" * 256}, "/device/browser"),
            ("join", "device", {"userAgent": "x"}, "/device/userAgent"),
            ("join", "party", ROOM, "/party"),
            ("set_transports", "send_transport_id", "", "/send_transport_id"),
            ("set_transports", "send_transport_id", "a\nb", "/send_transport_id"),
            ("set_router", "rtp_capabilities", ["x" * 65_536], "/rtp_capabilities"),
            ("set_router", "rtp_capabilities", deep(33), "/rtp_capabilities"),
            ("set_router", "rtp_capabilities", [math.inf], "/rtp_capabilities/0"),
            ("mark_seen", "call_ids", [ROOM, "x"], "/call_ids/1"),
            ("history", "cursor", "x", "/cursor"),
            ("history", "offset", -1, "/offset"),
            ("history", "since", dt.datetime(2024, 1, 1), "/since"),  # noqa: DTZ001
            ("history", "until", dt.datetime(1999, 12, 31, tzinfo=dt.UTC), "/until"),
            ("history", "min_duration", -1, "/min_duration"),
            ("timeline", "limit", 0, "/limit"),
            ("timeline", "after", -1, "/after"),
        ],
    )
    async def test_a_wrong_value_is_named_where_it_is(
        self, calls: Calls, name: str, argument: str, value: Any, pointer: str
    ) -> None:
        with pytest.raises(errors.Invalid) as refusal:
            await method_of(calls, name)(**{**GOOD[name], argument: value})
        assert [at for at, _ in refusal.value.errors] == [pointer]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("ring_seconds", 5),
            ("ring_seconds", 3600),
            ("max_participants", 2),
            ("max_participants", 10_000),
            ("settings", {"recordingEnabled": None, "transcriptionEnabled": True}),
        ],
    )
    async def test_a_start_on_the_edge_is_kept(self, calls: Calls, name: str, value: Any) -> None:
        made = await calls.start(**{**GOOD["start"], name: value})
        call = await calls.get(made.id)
        assert call.ring_deadline is not None
        stored = {
            "ring_seconds": (call.ring_deadline - call.created_at).total_seconds(),
            "max_participants": call.max_participants,
            "settings": to_builtins(call.settings),
        }
        assert stored[name] == value

    @pytest.mark.parametrize("device", [{"browser": "x" * 255, "os": None}, {"os": "é𝄞 \u200d"}])
    async def test_a_device_on_the_edge_is_kept(
        self, calls: Calls, device: dict[str, str | None]
    ) -> None:
        call = await calls.start(ROOM, ANN, invite=[BOB])
        await calls.join(call.id, BOB, device=device)
        row = await row_of(calls, call.id, BOB)
        blank = {"browser": None, "os": None, "deviceType": None}
        assert to_builtins(row.device_info) == {**blank, **device}

    @pytest.mark.parametrize(
        "value",
        [
            ["x" * 65_532],
            ["é" * 32_766],
            deep(32),
            {"": [2**63 - 1, -(2**63), 1e308, None, True]},
            {"a": [1, -1, 0.5, None, True, "é\u2028𝄞", {"": []}], "n": 2**63 - 1},
        ],
        ids=["64 KiB", "64 KiB of two bytes each", "32 levels", "numbers", "all kinds"],
    )
    async def test_json_comes_back_as_it_went_in(self, calls: Calls, value: Any) -> None:
        call = await answered(calls)
        await calls.set_router(call.id, rtp_capabilities=value)
        assert (await calls.get(call.id)).rtp_capabilities == value

    async def test_what_is_asked_for_on_the_edge_is_answered(self, calls: Calls) -> None:
        call = await answered(calls)
        most = 2**63 - 1
        assert await calls.timeline(call.id, after=most) == []
        assert await calls.timeline(call.id, limit=most) == await calls.timeline(call.id)
        assert (await calls.history(ROOM, offset=1_000_000_000)).items == []
        assert (await calls.history(ROOM, min_duration=most)).items == []
        assert (await calls.history(ROOM, since=EDGES[0], until=EDGES[1])).items == [
            await calls.get(call.id)
        ]
        assert await calls.sweep(now=EDGES[0]) == SweepReport()
        assert (await calls.sweep(now=EDGES[1])).failed == 0

    async def test_a_start_that_invites_ten_thousand_has_as_many_entries(
        self, calls: Calls
    ) -> None:
        everyone = [User(f"{n:024x}") for n in range(1, 10_001)]
        call = await calls.start(ROOM, ANN, invite=everyone)
        assert len((await calls.log(everyone[-1])).items) == 1
        ended = await calls.end(call.id)
        assert ended.end_reason == "cancelled"
        assert (await calls.log(everyone[77])).items[0].response == "cancelled"
