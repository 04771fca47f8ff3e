"""Laws of the pure rules, on random lives of calls."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Struct

from callstore.calls import commands, lifecycle
from callstore.calls.lifecycle.turn import Context, State
from callstore.calls.model import Event, Guest, Party, User, replace
from callstore.calls.replay import replay
from callstore.errors import CallstoreError
from callstore.schema.model import Lease
from callstore.stores.batch import Asked, CommandBatch, Rules
from callstore.stores.protocol import Changed
from callstore.testing.data import conversation, fake_ids, guest, user

CALL, ROOM = "d" * 24, conversation(1)
START = datetime(2024, 1, 1, tzinfo=UTC)
PARTIES: tuple[Party, ...] = (
    user(1),
    user(2),
    guest(1),
    user(3),
    Guest(user(1).id),
    User("e" * 24),
)

parties = st.sampled_from(PARTIES)
flags = st.sampled_from([UNSET, True, False])
labels = st.sampled_from([UNSET, None, "a", "b"])
on_call: dict[str, Any] = {"call_id": st.just(CALL)}
by_party = {**on_call, "party": parties}
joins = st.builds(
    commands.Join,
    **by_party,
    answer=st.booleans(),
    device=st.none(),
    audio=st.booleans(),
    video=st.sampled_from([None, True, False]),
    screen=st.booleans(),
)
any_command: st.SearchStrategy[commands.OnCall] = st.one_of(
    joins,
    joins,
    *(
        st.builds(kind, **by_party)
        for kind in (
            commands.Connected,
            commands.Leave,
            commands.Failed,
            commands.Decline,
            commands.Heartbeat,
        )
    ),
    st.builds(commands.Ring, **on_call),
    st.builds(commands.Expire, **on_call),
    st.builds(commands.Cancel, **on_call, by=parties),
    st.builds(
        commands.End,
        **on_call,
        by=st.none() | parties,
        reason=st.sampled_from(["normal", "forced", "error"]),
    ),
    st.builds(commands.SetMedia, **by_party, audio=flags, video=flags, screen=flags),
    st.builds(commands.SetTransports, **by_party, send_transport_id=labels),
    st.builds(commands.SetRouter, **on_call, router_id=labels),
)
starts = st.builds(
    commands.Start,
    conversation_id=st.just(ROOM),
    initiator=st.just(PARTIES[0]),
    invite=st.lists(parties, max_size=4),
    type=st.sampled_from(["audio", "video"]),
    settings=st.none(),
    max_participants=st.integers(2, 4),
    sfu=st.booleans(),
    end_when=st.sampled_from([None, "alone", "empty"]),
    ring_seconds=st.sampled_from([5, 60, 600]),
    call_id=st.just(CALL),
)
pauses = st.sampled_from([0.0, 0.0, 0.001, 1.0, 5.0, 10.0, 31.0, 60.0, 120.0, -3.0, -20.0, -40.0])
moves = st.lists(st.tuples(pauses, any_command), min_size=5, max_size=40)


def context(now: datetime, new_id: Any) -> Context:
    return Context(
        now=now,
        new_id=new_id,
        keep=timedelta(days=90),
        liveness=timedelta(seconds=120),
        watching_since=START,
    )


class Life:
    """A call, the state it is in, and all its events."""

    def __init__(self, start: commands.Start) -> None:
        self.now, self.new_id = START, fake_ids()
        _, made = lifecycle.start(start, same=None, live=None, context=self.context())
        assert made is not None
        self.state = State(call=made.call, everyone=True, recorded=True)
        self.state.apply(made)
        self.events: list[Event] = list(made.events)

    def context(self) -> Context:
        return context(self.now, self.new_id)

    def do(self, pause: float, command: commands.OnCall) -> None:
        """Decides, holds the decision against the laws of one step, applies it."""
        self.now += timedelta(seconds=pause)
        before = deepcopy(self.state)
        try:
            made = lifecycle.decide(self.state, command, self.context())
        except CallstoreError:
            assert self.state == before
            return
        assert self.state == before, "a decision changed what it was made on"
        changed = made.call != before.call
        assert made.call.version == before.call.version + changed
        assert changed or not (made.events or made.participants or made.entries)
        assert made.call.event_count == before.call.event_count + len(made.events)
        self.state.apply(made)
        self.events += made.events


def check_laws(life: Life) -> None:
    call, rows = life.state.call, list(life.state.participants.values())
    assert [event.seq for event in life.events] == list(range(1, call.event_count + 1))
    times = [event.at for event in life.events]
    assert times == sorted(times)
    assert call.last_event_at == times[-1]
    assert call.live_count == sum(row.seated for row in rows)
    assert call.joined_count == sum(row.answered_at is not None for row in rows)
    assert call.live_count <= call.peak_participants <= call.max_participants
    assert [e.type for e in life.events].count("call.ended") == (not call.live)
    assert call.sfu_allowed or call.mode == "p2p"
    assert not (call.live and call.sfu_allowed and call.live_count > 2) or call.mode == "sfu"
    told = replay(life.events)
    assert (told.status, told.mode, told.peak) == (
        call.status,
        call.mode,
        call.peak_participants,
    )
    assert told.participants.keys() == {row.id for row in rows}
    for row in rows:
        state = told.participants[row.id]
        assert (state.status, state.stints, state.seated) == (row.status, row.stints, row.seated)
        assert (state.flags.audio, state.flags.video) == (row.audio_enabled, row.video_enabled)
        assert (row.left_at is None) == (row.stints[-1].left_at is None)
    for entry in life.state.entries.values():
        assert call.live or entry.response != "ringing"
        assert call.live == (entry.ended_at is None)
        assert call.live or entry.talk_seconds is not None
        assert (entry.talk_seconds or 0) <= (call.duration or 0)


@settings(max_examples=300)
@given(starts, moves)
def test_after_every_command_rows_counts_and_events_agree(
    start: commands.Start, moves: list[tuple[float, commands.OnCall]]
) -> None:
    life = Life(start)
    check_laws(life)
    for move in moves:
        life.do(*move)
        check_laws(life)


@settings(max_examples=300)
@given(starts, moves, st.lists(any_command, min_size=1, max_size=6), pauses)
def test_a_group_is_decided_the_same_on_the_rows_it_wants_as_on_all(
    start: commands.Start,
    moves: list[tuple[float, commands.OnCall]],
    group: list[commands.OnCall],
    pause: float,
) -> None:
    """What `wants` leaves out, no decision needs."""
    life = Life(start)
    for move in moves:
        life.do(*move)
    now = life.now + timedelta(seconds=pause)
    everything, what_it_wants = (
        decided(life.state, group, now, everyone=everyone) for everyone in (True, False)
    )
    moment = max(now, life.state.call.last_event_at)
    if any(pulse.seen_at > moment for pulse in life.state.pulses.values()):
        # Set back behind a beat: when a party was last seen, and nothing else, may differ.
        everything, what_it_wants = without_last_seen(everything), without_last_seen(what_it_wants)
    assert what_it_wants[0] == everything[0]
    assert what_it_wants[1] == everything[1]


def without_last_seen(value: Any) -> Any:
    if isinstance(value, Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {k: without_last_seen(v) for k, v in value.items() if k != "last_seen_at"}
    if isinstance(value, list | tuple):
        return [without_last_seen(each) for each in value]
    return value


def decided(
    state: State, group: list[commands.OnCall], now: datetime, *, everyone: bool
) -> tuple[list[Any], Changed]:
    """(what each is answered, what is written)."""
    asked: list[Asked] = [
        Asked(command=command, answer=None, deadline=0)  # type: ignore[arg-type]
        for command in group
    ]
    rules = Rules(
        clock=lambda: now,
        new_id=fake_ids(seed=1),
        keep=timedelta(days=90),
        liveness=timedelta(seconds=120),
    )
    lease = Lease(id="sweep", holder=None, until=None, watching_since=START, last_run_at=now)
    batch = CommandBatch(asked, rules)
    (want,) = batch.wants([state.call])
    loaded = deepcopy(state)
    if not everyone and not want.everyone:
        people = {party.ref for party in want.parties}
        loaded.everyone = False
        loaded.participants = {k: v for k, v in loaded.participants.items() if k in people}
        logs = {party.ref for party in want.entries(loaded)}
        loaded.entries = {k: v for k, v in loaded.entries.items() if k in logs}
    if not everyone:
        ids = {row.id for row in loaded.participants.values() if want.wants_pulse(row)}
        loaded.pulses = {k: v for k, v in loaded.pulses.items() if k in ids}
    if not everyone and not want.recordings:
        loaded.recorded, loaded.recordings = False, {}
    changed = batch.decide([loaded], lease, [])
    outcomes = [
        (type(one.outcome), str(one.outcome)) if isinstance(one.outcome, Exception) else one.outcome
        for one in asked
    ]
    return outcomes, in_order(changed)


def in_order(changed: Changed) -> Changed:
    """Rows by id: in which order rows were loaded says nothing."""
    rows = {
        name: sorted(getattr(changed, name), key=lambda pair: pair[1].id)
        for name in ("participants", "entries", "pulses")
    }
    return replace(changed, **rows)
