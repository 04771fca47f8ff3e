"""Random lives of calls, run on a store and on the plain model, compared after every command."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from callstore import open_calls
from callstore.calls.model import Party
from callstore.calls.replay import replay
from callstore.errors import CallstoreError, NotFound
from callstore.testing.clock import FakeClock
from callstore.testing.contract.compare import (
    call_view,
    entry_view,
    joined,
    model_rows,
    past_view,
    recording_view,
    result_view,
    row_view,
    same,
    same_events,
    state_view,
)
from callstore.testing.contract.moves import (
    CONVERSATIONS,
    LATE,
    PARTIES,
    QUICK,
    STEPS,
    UNKNOWN,
    Command,
    Options,
    Profile,
    answers,
    early,
    hours,
    parties,
    starts,
    what,
    which,
    who,
)
from callstore.testing.contract.plain import PlainModel
from callstore.testing.contract.plain_rows import (
    Call,
)
from callstore.testing.data import fake_ids

T = TypeVar("T")


class CallsMachine(RuleBasedStateMachine):
    """The store of `fresh_url()` against the plain model. Subclasses set `fresh_url`."""

    fresh_url: ClassVar[Callable[[], str]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.latest: dict[str, str] = {}
        self.late = 0
        self.sound = False  # no command is under way, none has shown a difference
        self.again: Command | None = None
        self.model = PlainModel()
        self.opened: Any = None
        self.calls: Any = None

    @initialize(
        liveness=st.sampled_from([60, 60, 120, 0]), options=starts, answers=answers | st.just([])
    )
    def open(self, liveness: int, options: Options, answers: list[int]) -> None:
        self.model = PlainModel(liveness_seconds=liveness)
        self.opened = open_calls(
            type(self).fresh_url(),
            recordings="memory:",
            settings={"liveness_seconds": liveness},
            clock=self.now,
            new_id=fake_ids(),
        )
        self.calls = self.run(self.opened.__aenter__())
        self.start_call(CONVERSATIONS[0], PARTIES[0], options, answers)

    def teardown(self) -> None:
        try:
            if self.sound:
                self.check_everything()
        finally:
            if self.calls is not None:
                self.run(self.opened.__aexit__(None, None, None))
            self.runner.close()

    # -- rules: time --

    @rule(seconds=st.sampled_from(STEPS))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(which=which, hours=hours)
    def long_time_passes(self, which: Any, hours: list[Any]) -> None:
        """Long enough for the silent to be lost, while some give signs of life."""
        for seconds, awake, then in hours:
            self.clock.advance(seconds)
            for one, sign in awake:
                self.of_a_party(which, one, sign, {})
            if then == "start":
                call = self.model.calls[self.pick(0)]
                self.do(Command("start", (call.conversation_id, PARTIES[1])))
            elif then == "expire":
                self.of_the_call(which, "expire")
            elif then == "sweep":
                self.do(Command("sweep"))

    @rule(seconds=st.sampled_from([None, None, None, 0, 30, 60, 120, -20]))
    def sweep(self, seconds: int | None) -> None:
        now = None if seconds is None else self.clock() + timedelta(seconds=seconds)
        self.do(Command("sweep", (), {} if now is None else {"now": now}))

    # -- rules: commands --

    @rule(
        conversation=st.sampled_from(CONVERSATIONS),
        initiator=parties,
        options=starts,
        answers=answers | st.just([]),
    )
    def start_call(
        self, conversation: str, initiator: Party, options: Options, answers: list[int]
    ) -> None:
        started = self.do(Command("start", (conversation, initiator), options))
        for one in answers if isinstance(started, Call) else []:
            self.do(Command("join", (started.id, self.party(started.id, one))))

    @rule(which=which, name=st.sampled_from(["ring", "expire"]))
    def of_the_call(self, which: Any, name: str) -> None:
        self.do(Command(name, (self.pick(which),)))

    @rule(which=which, one=who, what=what)
    def somebody(self, which: Any, one: int, what: tuple[str, Options]) -> None:
        self.of_a_party(which, one, *what)

    @rule(which=which, one=who, deeds=st.lists(what, min_size=2, max_size=5))
    def one_keeps_at_it(self, which: Any, one: int, deeds: list[tuple[str, Options]]) -> None:
        for deed in deeds:
            self.of_a_party(which, one, *deed)

    @rule(which=which, what=what)
    def everybody(self, which: Any, what: tuple[str, Options]) -> None:
        for one in range(len(PARTIES)):
            self.of_a_party(which, one, *what)

    @rule(
        which=which,
        one=who,
        first=st.just(("leave", {})) | early | what,
        others=st.none() | what,
        seconds=st.sampled_from([0, 1, 9.999, 10, 30, 60]),
        then=st.just(("join", {})) | early | st.just(("connected", {})) | what,
    )
    def meanwhile(
        self,
        which: Any,
        one: int,
        first: tuple[str, Options],
        others: tuple[str, Options] | None,
        seconds: float,
        then: tuple[str, Options],
    ) -> None:
        """One leaves or waits at the door, the others act, time passes, one acts again."""
        self.of_a_party(which, one, *first)
        for other in range(len(PARTIES)) if others else ():
            if other != one and others is not None:
                self.of_a_party(which, other, *others)
        self.clock.advance(seconds)
        self.of_a_party(which, one, *then)

    @rule(
        which=which,
        one=st.none() | who,
        reason=st.sampled_from(["normal", "normal", "forced", "error"]),
    )
    def end(self, which: Any, one: int | None, reason: str) -> None:
        call_id = self.pick(which)
        by = None if one is None else self.party(call_id, one)
        self.do(Command("end", (call_id,), {"by": by, "reason": reason}))

    @rule(which=which, how=st.sampled_from(["stop", "fail", "put", "put", "delete"]))
    def end_recording(self, which: Any, how: str) -> None:
        self.do(Command("end_recording", (self.pick(which), how)))

    @rule(which=which, router=st.sampled_from(["r1", "r2"]))
    def set_router(self, which: Any, router: str) -> None:
        options = {"router_id": router, "rtp_capabilities": {"codecs": [router]}}
        self.do(Command("set_router", (self.pick(which),), options))

    @rule()
    def the_same_again(self) -> None:
        assert self.again is not None
        self.do(self.again)

    @rule(which=which, one=who, others=st.permutations(range(len(PARTIES))), n=st.integers(2, 3))
    def at_once(self, which: Any, one: int, others: list[int], n: int) -> None:
        """Several join while one leaves: the outcome is that of one order of the four."""
        call_id = self.pick(which)
        race = [Command("join", (call_id, self.party(call_id, other))) for other in others[:n]]
        self.race([*race, Command("leave", (call_id, self.party(call_id, one)))])

    # -- rules: reading --

    @rule(which=which, seconds=st.sampled_from([0, 1, 5, 10, 30, 60, 200]))
    def look_back(self, which: Any, seconds: int) -> None:
        """What the events say of the past is what the rows were."""
        call_id, at = self.pick(which), self.clock() - timedelta(seconds=seconds)
        try:
            model = past_view(self.model.state_at(call_id, at))
        except NotFound as error:
            same("state_at", self.attempt(self.calls.state_at(call_id, at)), result_view(error))
        else:
            same("state_at", state_view(self.run(self.calls.state_at(call_id, at))), model)

    # -- running and comparing --

    def now(self) -> datetime:
        return self.clock() + LATE

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        # Not the runner's own run: it takes over SIGINT and gives it back each time.
        return self.runner.get_loop().run_until_complete(work)

    def attempt(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self.run(work)
        except CallstoreError as error:
            return result_view(error)

    def pick(self, which: Any) -> str:
        if which == "unknown":
            return UNKNOWN
        if which == "first":
            return next(iter(self.model.calls))
        self.begin_anew(CONVERSATIONS[which])
        return self.latest[CONVERSATIONS[which]]

    def begin_anew(self, conversation_id: str) -> None:
        """After a few commands on an ended call, or before the first one."""
        call = self.model.calls.get(self.latest.get(conversation_id, UNKNOWN))
        if call is not None and not call.live:
            self.late += 1
        if call is None or self.late > 4:
            self.late = 0
            self.start_call(conversation_id, PARTIES[0], {"invite": PARTIES[1:3]}, [])

    def party(self, call_id: str, one: int) -> Party:
        call = self.model.calls.get(call_id)
        its: list[Party] = [] if call is None else list(call.log)
        return list(dict.fromkeys([*its, *PARTIES]))[one]

    def of_a_party(self, which: Any, one: int, name: str, options: Options) -> None:
        call_id = self.pick(which)
        self.do(Command(name, (call_id, self.party(call_id, one)), options))

    def do(self, command: Command) -> Any:
        self.again, self.sound = command, False
        before = {call.id: call.version for call in self.model.calls.values()}
        store = self.run(command.on_store(self.calls))
        model = command.on_model(self.model, self.now(), store)
        same(f"what {command.name} gave", result_view(store), result_view(model))
        self.check_changed(before, command)
        self.sound = True
        return model

    def check_changed(self, before: dict[str, int], command: Command) -> None:
        for call in self.model.calls.values():
            if before.get(call.id) != call.version or call.id in command.args:
                self.latest[call.conversation_id] = self.newest(call.conversation_id)
                self.check_call(call)
                if call.recordings:  # of the others the end of the life tells
                    self.check_recordings(call)

    def newest(self, conversation_id: str) -> str:
        its = [c.id for c in self.model.calls.values() if c.conversation_id == conversation_id]
        return its[-1]

    def race(self, commands: list[Command]) -> None:
        """Run them at once; one order of them must explain all that came of it."""

        async def together() -> list[Any]:
            return await asyncio.gather(*(command.on_store(self.calls) for command in commands))

        store = [result_view(result) for result in self.run(together())]
        call_id = commands[0].args[0]
        self.sound = False
        rows = self.read(call_id)
        for order in itertools.permutations(range(len(commands))):
            model = deepcopy(self.model)
            results: dict[int, Any] = {}
            for index in order:
                given = commands[index].on_model(model, self.now(), None)
                results[index] = deepcopy(result_view(given))
            explained = [results[index] for index in range(len(commands))] == store
            if explained and rows == model_rows(model.calls.get(call_id)):
                self.model = model
                self.check_changed({}, commands[0])
                self.sound = True
                return
        raise AssertionError(f"no order of {commands} explains {store}")

    def read(self, call_id: str) -> Any:
        try:
            return rows_of(self.run(self.calls.get(call_id)))
        except NotFound:
            return None

    async def read_all(self, call: Call) -> tuple[Any, Any]:
        return await asyncio.gather(self.calls.get(call.id), self.calls.timeline(call.id))

    def check_call(self, call: Call) -> None:
        """Rows, events, counts and what they say of each other."""
        whole, events = self.run(self.read_all(call))
        session, rows = rows_of(whole)
        model_session, model_people = model_rows(call)
        same_events(events, call.events)
        same("call", session, model_session)
        same("participants", set(rows), set(model_people))
        for party, row in rows.items():
            same(f"participant {party.ref}", row, model_people[party])
        seated = sum(row.seated for row in call.rows.values())
        assert session["live_count"] == seated <= session["max_participants"]
        ended = [event.type for event in events].count("call.ended")
        same("call.ended events", ended, 0 if call.live else 1)
        same("replay", state_view(replay(events)), past_view(call.past[-1]))

    def check_recordings(self, call: Call) -> None:
        recordings = self.run(self.calls.recordings.list(call.id))
        told, kept = ([*map(recording_view, rows)] for rows in (recordings, call.recordings))
        same("recordings", told, kept)

    def check_everything(self) -> None:
        for call in self.model.calls.values():
            self.check_call(call)
            self.check_recordings(call)
        for conversation_id in CONVERSATIONS:
            self.check_conversation(conversation_id)
        for party in PARTIES:
            self.check_log(party)
            self.check_current(party)

    def check_conversation(self, conversation_id: str) -> None:
        live = self.run(self.calls.live_in(conversation_id))
        model = self.model.live_in(conversation_id)
        same("live_in", live and live.id, model and model.id)
        page = self.run(self.calls.history(conversation_id, limit=100))
        its = [c for c in self.model.calls.values() if c.conversation_id == conversation_id]
        its.sort(key=lambda call: (call.created_at, call.id), reverse=True)
        same("history", [call.id for call in page.items], [call.id for call in its])

    def check_log(self, party: Party) -> None:
        page = self.run(self.calls.log(party, limit=100))
        entries = {entry.call_session_id: entry_view(entry) for entry in page.items}
        its = {c.id: entry_view(c.log[party]) for c in self.model.calls.values() if party in c.log}
        same(f"calls in the log of {party.ref}", set(entries), set(its))
        for call_id, entry in entries.items():
            same(f"log entry of {party.ref}", entry, its[call_id])
        order = [(entry.created_at, entry.id) for entry in page.items]
        same("order of the log", order, sorted(order, reverse=True))

    def check_current(self, party: Party) -> None:
        current = self.run(self.calls.current(party))
        its = self.model.current(party)
        latest: list[str | None] = [c.id for c in its if joined(c, party) == joined(its[-1], party)]
        assert (current and current.id) in (latest or [None]), f"current of {party.ref}"


def rows_of(call: Any) -> tuple[Any, dict[Any, Any]]:
    return call_view(call), {row.party: row_view(row) for row in call.participants}


def calls_machine(
    fresh_url: Callable[[], str],
) -> type[CallsMachine]:
    """The machine on stores of one kind. Every URL that `fresh_url` gives is an empty store's."""
    return type("CallsMachine", (CallsMachine,), {"fresh_url": staticmethod(fresh_url)})


def check_calls(fresh_url: Callable[[], str], profile: Profile = QUICK) -> None:
    """Run the machine; AssertionError, with the life that led there, where the two differ."""
    machine = calls_machine(fresh_url)
    run_state_machine_as_test(machine, settings=profile.settings())
