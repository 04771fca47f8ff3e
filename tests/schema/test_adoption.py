"""A call that another kept, told again: whatever its rows say, callstore's own agree."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from callstore.calls.replay import replay
from callstore.ids import id_maker
from callstore.schema.adoption.adopt import Keeping, adopt, changed
from callstore.schema.adoption.document import ParticipantRow, SessionRow
from callstore.schema.adoption.model import Adopted, Found, Problem, Raw

BEGUN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
KEEPING = Keeping(new_id=id_maker(), calls=timedelta(days=90), captions=timedelta(days=30))
ROOM, CALL = "a" * 24, "b" * 24
USERS = [f"{number:024x}" for number in range(1, 4)]
GUESTS = [f"{number:024x}" for number in range(11, 13)]

times = st.integers(-2, 60).map(lambda seconds: BEGUN + timedelta(seconds=seconds))
maybe = st.none() | times


@st.composite
def people(draw: st.DrawFn) -> list[Raw]:
    rows = []
    for number in range(draw(st.integers(0, 6))):
        party = draw(st.sampled_from([*USERS, *GUESTS, None]))
        joined = draw(times)
        stayed = draw(st.none() | st.integers(0, 60))
        rows.append(
            {
                "id": f"{number:024x}"[:-2] + "cc",
                "userId": party if party in USERS else None,
                "anonymousUserId": party if party in GUESTS else None,
                "role": draw(st.sampled_from(["initiator", "participant", None])),
                "status": draw(
                    st.sampled_from(["connecting", "connected", "disconnected", "failed", None])
                ),
                "joinedAt": joined,
                "leftAt": None if stayed is None else joined + timedelta(seconds=stayed),
                "updatedAt": draw(maybe),
            }
        )
    for number, row in enumerate(rows):
        row["id"] = f"{number + 1:022x}cc"
    return rows


@st.composite
def calls(draw: st.DrawFn) -> Found:
    started, ended = draw(maybe), draw(maybe)
    call = {
        "id": CALL,
        "conversationId": ROOM,
        "mode": draw(st.sampled_from(["p2p", "sfu"])),
        "type": draw(st.sampled_from(["audio", "video"])),
        "status": draw(
            st.sampled_from(["initiated", "ringing", "active", "ended", "failed", None])
        ),
        "initiatorId": draw(st.sampled_from([*USERS, *GUESTS])),
        "createdAt": BEGUN,
        "startedAt": started,
        "endedAt": ended,
        "endReason": draw(st.sampled_from(["normal", "timeout", "error", "forced", None])),
        "endedBy": draw(st.sampled_from([*USERS, *GUESTS, None])),
        "updatedAt": draw(maybe),
    }
    rows = draw(people())
    return Found(call=call, participants=rows, captions=[], recordings=[], analyses=[])


def taken(found: Found, *, older: bool = False) -> tuple[Adopted | None, list[Problem]]:
    return adopt(found, older=older, keeping=KEEPING)


@given(calls(), st.booleans())
def test_rows_events_and_counts_agree(found: Found, older: bool) -> None:
    adopted, problems = taken(found, older=older)
    if adopted is None:
        assert {problem.kind for problem in problems} == {"impossible"}
        return
    call, rows, events = adopted.call, adopted.participants, adopted.events
    state = replay(events)
    assert (state.status, state.mode, state.peak) == (
        call.status,
        call.mode,
        call.peak_participants,
    )
    assert state.participants.keys() == {row.id for row in rows}
    for row in rows:
        told = state.participants[row.id]
        assert (told.party, told.status, told.stints) == (row.party, row.status, row.stints)
        assert told.seated == row.seated
        assert row.stints[0].joined_at == row.joined_at
        assert row.stints[-1].left_at == row.left_at
        assert all(stint.left_at is not None for stint in row.stints[:-1])
    assert events[0].type == "call.adopted"
    assert [event.seq for event in events] == list(range(1, call.event_count + 1))
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert [event.type for event in events].count("call.ended") == (not call.live)
    assert call.version == 1
    assert call.live == (call.ended_at is None) == any(row.live for row in rows)
    assert call.live_count == sum(row.seated for row in rows)
    assert call.joined_count == len(rows)
    assert call.live_count <= call.peak_participants <= call.max_participants
    assert not (older and call.live)


@given(calls())
def test_everyone_has_a_row_and_an_entry(found: Found) -> None:
    adopted, problems = taken(found)
    if adopted is None:
        return
    merged = {problem.id for problem in problems if problem.kind == "doubled"}
    assert {row.id for row in adopted.participants} | merged == {
        row["id"] for row in found.participants
    }
    assert set(adopted.gone.get("CallParticipant", [])) == merged
    parties = [row.party for row in adopted.participants if row.party]
    assert len(set(parties)) == len(parties)
    refs = [entry.party for entry in adopted.entries if entry.party]
    assert len(set(refs)) == len(refs)
    assert {party.ref for party in parties} <= set(refs)
    assert len(adopted.entries) >= len(adopted.participants)
    for entry in adopted.entries:
        assert (entry.party is None) == (entry.anonymized_at is not None)
        assert adopted.call.live or entry.response != "ringing"
        assert adopted.call.live or entry.talk_seconds is not None
        assert (entry.started_at, entry.ended_at) == (
            (None, None) if adopted.call.live else (adopted.call.started_at, adopted.call.ended_at)
        )


DOCUMENT = {
    *(f"CallSession.{name}" for name in SessionRow.__struct_encode_fields__),
    *(f"CallParticipant.{name}" for name in ParticipantRow.__struct_encode_fields__),
}


@given(calls())
def test_once_more_it_keeps_all_that_the_document_has(found: Found) -> None:
    """A call is taken over again where a row of it came after."""
    adopted, _ = taken(found)
    if adopted is None:
        return
    once = Found(
        call=raw(adopted.call),
        participants=[raw(row) for row in adopted.participants],
        captions=[],
        recordings=[],
        analyses=[],
        again=True,
    )
    again, problems = taken(once)
    assert problems == []
    assert again is not None
    assert again.again
    assert not set(changed(once, again)) & DOCUMENT


def raw(row: Any) -> Raw:
    made: Raw = msgspec.to_builtins(row, builtin_types=(datetime,))
    return made
