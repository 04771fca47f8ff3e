"""What random parties do, and how many lives of it: the moves of the machine."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from msgspec import UNSET

from callstore.calls.model import Guest, Party
from callstore.errors import CallstoreError, NotFound
from callstore.testing.contract.plain import PlainModel
from callstore.testing.contract.recordings import SOUND, stream
from callstore.testing.data import chosen_id, conversation, guest, user

Options = dict[str, Any]

PARTIES: tuple[Party, ...] = (user(1), user(2), guest(1), user(3), Guest(user(1).id))
CONVERSATIONS = (conversation(1), conversation(2))
UNKNOWN = chosen_id(0)
LATE = timedelta(microseconds=700)  # the clock is not cut to milliseconds: the store must do it

STEPS = (0.001, 1, 4.999, 5, 9.999, 10, 29.999, 30, 59.999, 60, 120, 120.001, 150, -0.001, -1, -20)


@dataclass(frozen=True)
class Profile:
    """How long and how often: `lives` of about `commands` commands each.

    `shrink` looks, for minutes, for the shortest life that shows a difference.
    """

    lives: int
    commands: int
    shrink: bool = False

    def settings(self) -> settings:
        return settings(
            max_examples=self.lives,
            stateful_step_count=self.commands,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=[phase for phase in Phase if self.shrink or phase is not Phase.shrink],
            print_blob=True,
        )


QUICK = Profile(lives=100, commands=40)
DEEP = Profile(lives=2_000, commands=60, shrink=True)


class Moves:
    """The methods of `calls`, and of what hangs on it by the names that `PlainModel` has."""

    def __init__(self, calls: Any) -> None:
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._calls, name)

    async def start_recording(self, call_id: str, party: Party) -> Any:
        return await self._calls.recordings.start(call_id, party)

    async def end_recording(self, call_id: str, how: str) -> Any:
        rows = await self._calls.recordings.list(call_id)
        if not rows:
            raise NotFound("recording", call_id)
        recordings, id = self._calls.recordings, rows[-1].id
        if how == "fail":
            return await recordings.fail(id, reason="of a disk")
        if how == "put":
            return await recordings.put(id, stream(SOUND))
        return await getattr(recordings, how)(id)


@dataclass(frozen=True)
class Command:
    """One call of a method that `Moves` and `PlainModel` have by the same name."""

    name: str
    args: tuple[Any, ...] = ()
    options: Options = field(default_factory=dict)

    async def on_store(self, calls: Any) -> Any:
        method: Callable[..., Awaitable[Any]] = getattr(Moves(calls), self.name)
        try:
            return await method(*self.args, **self.options)
        except CallstoreError as error:
            return error

    def on_model(self, model: PlainModel, now: datetime, done: Any) -> Any:
        """`done` is what the store gave: the model takes the id of a started call from it."""
        options = {"now": now, **self.options}
        if self.name == "start":
            options["new_id"] = getattr(done, "id", UNKNOWN)
        try:
            return getattr(model, self.name)(*self.args, **options)
        except CallstoreError as error:
            return error


# -- what is compared: of the store's objects and of the model's, the same shape ------------------


parties = st.sampled_from(PARTIES)
who = st.integers(0, len(PARTIES) - 1)
"""0 is the initiator of the call, then come its invitees, then the others."""
which = st.sampled_from([0] * 9 + [1] * 3 + ["first", "unknown"])
"""The latest call of a conversation; the first of all, mostly ended by then; one nobody knows."""
flag = st.sampled_from([UNSET, True, False])
media_id = st.sampled_from([UNSET, None, "one", "two"])
joins = st.fixed_dictionaries(
    {},
    optional={
        "answer": st.booleans(),
        "audio": st.booleans(),
        "video": st.sampled_from([None, True, False]),
        "screen": st.booleans(),
    },
)
starts = st.fixed_dictionaries(
    {
        "invite": st.lists(parties, max_size=4),
        "max_participants": st.integers(2, 4),
        "ring_seconds": st.sampled_from([60, 5, 30, 600, 3600]),
    },
    optional={
        "type": st.sampled_from(["audio", "video"]),
        "sfu": st.sampled_from([True, True, False]),
        "end_when": st.sampled_from([None, "alone", "empty"]),
        "call_id": st.integers(1, 4).map(chosen_id),
    },
)
answers: st.SearchStrategy[list[int]] = st.lists(who, max_size=3, unique=True)
nothing = st.just(Options())
deeds = {
    "join": st.sampled_from([{}, {"answer": False}]).map(Options) | joins,
    "leave": nothing,
    "connected": nothing,
    "decline": nothing,
    "failed": nothing,
    "cancel": nothing,
    "heartbeat": nothing,
    "start_recording": nothing,
    "set_media": st.fixed_dictionaries({"audio": flag, "video": flag, "screen": flag}),
    "set_transports": st.fixed_dictionaries(
        {
            "send_transport_id": media_id,
            "recv_transport_id": media_id,
            "audio_producer_id": media_id,
            "video_producer_id": media_id,
        }
    ),
}
often = ["join"] * 4 + ["leave", "connected", "decline", "decline"] * 2
what = st.sampled_from([*often, *deeds]).flatmap(lambda name: st.tuples(st.just(name), deeds[name]))
"""What a party does: the name of the command and its options."""
early: st.SearchStrategy[tuple[str, Options]] = st.just(("join", {"answer": False}))
signs = st.sampled_from(["heartbeat", "heartbeat", "join", "connected", "decline", "set_media"])
hours = st.lists(
    st.tuples(
        st.sampled_from([40, 30, 60, 29.999, 59.999, 70, 120, 120.001, -8, -40]),
        st.lists(st.tuples(who, signs), max_size=2),
        st.sampled_from(["sweep", "sweep", "sweep", "start", "expire", "nothing"]),
    ),
    min_size=1,
    max_size=5,
)
"""How long, who gives what sign of life at the end of it, and what looks for the lost."""
