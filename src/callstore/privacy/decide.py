"""Holds and erasures, as commands of a call: pure, decided in the group like any other."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from callstore.calls import commands
from callstore.calls.lifecycle import expiry, going, held
from callstore.calls.lifecycle.turn import (
    LATE,
    MARGIN,
    Context,
    Erased,
    State,
    Transition,
    Turn,
    key,
)
from callstore.calls.model import LogEntry, Participant, Party, Row, replace
from callstore.errors import Conflict
from callstore.ids import NOBODY
from callstore.privacy.commands import (
    DeleteCall,
    DeleteSamples,
    EraseParty,
    PlaceHold,
    ReleaseHold,
)
from callstore.privacy.counting import counted
from callstore.privacy.model import Counts
from callstore.privacy.personal import nulled
from callstore.recordings.model import Recording

R = TypeVar("R", bound=Row)
TOGETHER = 10_000  # samples
KEEP, OTHERS = "recordings=keep", "another party asked for it"
"""Why a recording's file stays by the rules."""


def _place(state: State, command: PlaceHold, context: Context) -> Transition:
    turn = Turn(state, context)
    over = held.covering(context.holds, turn.call, state.parties)
    if any(hold.id == command.hold_id for hold in over):
        held.place(turn, command.hold_id)
    return expiry.settled(turn)


def _release(state: State, command: ReleaseHold, context: Context) -> Transition:
    turn = Turn(state, context)
    held.release(turn, command.hold_id)
    return expiry.settled(turn)


def _thin(state: State, command: DeleteSamples, context: Context) -> Transition:
    turn = _free_to_go(state, context)
    erased = Erased(erasure_id=command.erasure_id, call=turn.call, samples=TOGETHER, at=turn.now)
    turn.made.erased = turn.made.answer = erased
    turn.changed = True  # the call is written, so that a hold that comes meanwhile conflicts
    return turn.done()


def _free_to_go(state: State, context: Context) -> Turn:
    turn = Turn(state, context)
    held.need_free(turn)
    if turn.call.live:
        raise Conflict(f"call {turn.call.id} is live")
    return turn


def _delete(state: State, command: DeleteCall, context: Context) -> Transition:
    """Files go before rows: Conflict while a recording has one, or may get one."""
    turn = _free_to_go(state, context)
    erased = Erased(
        erasure_id=command.erasure_id, call=turn.call, lately=_went_on_lately(turn), at=turn.now
    )
    _count_files(erased, turn.recordings(), command.since)
    turn.made.erased = turn.made.answer = erased
    return turn.done()


def _erase(state: State, command: EraseParty, context: Context) -> Transition:
    """The party leaves first, where it is live; what it leaves to others stays as it is, but for
    who it was."""
    turn, party = Turn(state, context), command.party
    if command.until is not None and turn.call.created_at > command.until:
        return turn.done()
    held.need_free(turn)
    lately = _went_on_lately(turn)
    _part(turn, party)
    row, entry = turn.participant(party), turn.entry(party)
    erased = Erased(
        erasure_id=command.erasure_id,
        call=turn.call,
        party=party,
        participant=row,
        entry=entry,
        delete=command.mode == "delete",
        recordings=[each.id for each in turn.recordings() if each.requester == party],
        lately=lately,
        at=turn.now,
    )
    turn.made.answer = erased
    if row is None and entry is None:
        return turn.done()
    turn.made.erased = erased
    going = [each for each in turn.recordings() if _goes(each, command, row)]
    _count_files(erased, going, command.since)
    why = KEEP if command.recordings == "keep" else OTHERS
    kept = [each.id for each in turn.recordings() if each not in going and each.keeps_call]
    erased.kept = [("CallRecording", id, why) for id in kept]
    turn.event("privacy.erased", data={"mode": command.mode})
    _erase_rows(turn, erased, row, entry)
    _erase_references(turn, erased, party)
    return expiry.settled(turn)


def _count_files(erased: Erased, recordings: Iterable[Recording], since: datetime) -> None:
    """Files go before rows: Conflict while a recording has one, or may get one."""
    for row in recordings:
        if row.keeps_call:
            raise Conflict(f"recording {row.id} has a file, or may get one")
        if row.deleted_at is not None and row.deleted_at >= since:
            counted(erased.counts, "CallRecording", "file", 1)


def _goes(recording: Recording, command: EraseParty, row: Participant | None) -> bool:
    if recording.requester == command.party:
        return command.recordings != "keep"
    return command.recordings == "participated" and row is not None


def _went_on_lately(turn: Turn) -> bool:
    ended = turn.call.ended_at
    return ended is None or turn.now - ended <= LATE + MARGIN


def _part(turn: Turn, party: Party) -> None:
    if not turn.call.live:
        return
    row, entry = turn.participant(party), turn.entry(party)
    rings = entry is not None and (entry.direction, entry.response) == ("incoming", "ringing")
    if rings:  # be its device in the call already
        going.decline(turn, commands.Decline(call_id=turn.call.id, party=party))
    elif row is not None and row.live:
        going.leave(turn, commands.Leave(call_id=turn.call.id, party=party))


def _erase_rows(
    turn: Turn, erased: Erased, row: Participant | None, entry: LogEntry | None
) -> None:
    """The party's own rows stay without it, under their ids, or go."""
    made, now = turn.made, turn.now
    if row is not None:
        made.participants.pop(key(row), None)
        if erased.delete:
            counted(erased.counts, "CallParticipant", "rows", 1)
            gone = turn.call.erased_count + (row.answered_at is not None)
            turn.set_call(erased_count=gone)
        else:
            without = _without(row, nulled("CallParticipant", Participant), erased.counts)
            made.participants[row.id] = replace(without, anonymized_at=now, updated_at=now)
    if entry is not None:
        made.entries.pop(key(entry), None)
        if erased.delete:
            counted(erased.counts, "CallLogEntry", "rows", 1)
        else:
            left = _without(entry, nulled("CallLogEntry", LogEntry), erased.counts)
            if turn.call.live:  # whose it is, its end does not know
                talked = going.talk_seconds(row, turn.call.started_at, now)
                left = replace(left, talk_seconds=talked)
            made.entries[entry.id] = replace(left, anonymized_at=now)


def _erase_references(turn: Turn, erased: Erased, party: Party) -> None:
    """Where the call itself and its recordings name the party."""
    call = turn.call
    if call.initiator == party:
        turn.set_call(initiator_id=NOBODY)
        counted(erased.counts, "CallSession", "initiatorId", 1)
    if call.ended_by_party == party:
        turn.set_call(ended_by=None, ended_by_kind=None)
        counted(erased.counts, "CallSession", "endedBy", 1)
    for each in turn.recordings():
        if each.requester == party:
            turn.set_recording(replace(each, requested_by=NOBODY, updated_at=turn.now))
            counted(erased.counts, "CallRecording", "requestedBy", 1)


def _without(row: R, changes: dict[str, Any], counts: Counts) -> R:
    """The row with these fields null; each that was not is counted."""
    collection = "CallParticipant" if isinstance(row, Participant) else "CallLogEntry"
    for field in msgspec.structs.fields(row):
        if field.name in changes and getattr(row, field.name) is not None:
            counted(counts, collection, field.encode_name, 1)
    return replace(row, **changes)


DECIDERS: dict[type[commands.Command], Callable[[State, Any, Context], Transition]] = {
    PlaceHold: _place,
    ReleaseHold: _release,
    EraseParty: _erase,
    DeleteCall: _delete,
    DeleteSamples: _thin,
}
"""What decides each command."""
