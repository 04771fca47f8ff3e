"""Recordings, as commands of a call: pure, decided in the group like any other."""

from collections.abc import Callable
from typing import Any

from callstore.calls.commands import Command
from callstore.calls.lifecycle import expiry, held, recorded
from callstore.calls.lifecycle.turn import Context, State, Transition, Turn, live_participant
from callstore.calls.model import EventType
from callstore.errors import CallEnded, Conflict, Forbidden, NotFound
from callstore.recordings import states
from callstore.recordings.commands import (
    AbortUpload,
    BeginDelete,
    BeginUpload,
    FailRecording,
    FinishDelete,
    FinishUpload,
    OnRecording,
    StartRecording,
    StopRecording,
)
from callstore.recordings.model import Recording


def _decide_start(state: State, command: StartRecording, context: Context) -> Transition:
    turn, call = Turn(state, context), state.call
    if not call.live:
        raise CallEnded(call.id)
    if call.settings is not None and call.settings.recording_enabled is False:
        raise Forbidden("the call's settings forbid recording")
    requester = live_participant(turn, command.party)
    for other in turn.recordings():
        if other.status == "recording":
            raise Conflict(f"recording {other.id} of the call is running")
    row = Recording(
        id=context.new_id(),
        conversation_id=call.conversation_id,
        call_session_id=call.id,
        format=command.format,
        quality=command.quality,
        started_at=turn.now,
        requested_by=command.party.id,
        requested_by_kind=command.party.kind,
        created_at=turn.now,
        updated_at=turn.now,
    )
    data = {"recordingId": row.id, "format": row.format, "quality": row.quality}
    turn.event("recording.started", about=requester, actor=command.party, data=data)
    turn.set_recording(row)
    turn.made.answer = row
    turn.beat(requester)
    return expiry.settled(turn)


def _decide(state: State, command: OnRecording, context: Context) -> Transition:
    """The recording as it is afterwards. Of an upload that begins or is given up nobody is told: no
    version, no event."""
    turn = Turn(state, context)
    row = state.recordings.get(command.recording_id)
    if row is None:
        raise NotFound("recording", command.recording_id)
    _TURNS[type(command)](turn, row, command)
    turn.made.answer = turn.made.recordings.get(row.id, row)
    return expiry.settled(turn)


def _stop(turn: Turn, row: Recording, _: StopRecording) -> None:
    if row.status == "recording":
        recorded.stop(turn, row, turn.now)


def _fail(turn: Turn, row: Recording, command: FailRecording) -> None:
    _tell(turn, row, states.failed(row, turn.now), "recording.failed", reason=command.reason)


def _begin_upload(turn: Turn, row: Recording, command: BeginUpload) -> None:
    turn.set_recording(states.uploading(row, command.path, turn.now))


def _finish_upload(turn: Turn, row: Recording, command: FinishUpload) -> None:
    after = states.uploaded(
        row, command.path, command.size, command.sha256, command.content_type, turn.now
    )
    _tell(turn, row, after, "recording.available", size=command.size)


def _abort_upload(turn: Turn, row: Recording, command: AbortUpload) -> None:
    turn.set_recording(states.aborted(row, command.path, turn.now))


def _begin_delete(turn: Turn, row: Recording, _: BeginDelete) -> None:
    after = states.deleting(row, turn.now)
    if after is row:
        return
    held.need_free(turn)
    turn.set_recording(after)
    turn.set_call()  # a hold that is placed meanwhile meets it


def _finish_delete(turn: Turn, row: Recording, command: FinishDelete) -> None:
    after = states.removed(row, command.path, turn.now)
    if after.status == "deleted":
        return _tell(turn, row, after, "recording.deleted")
    turn.set_recording(after)
    if row.keeps_call and not after.keeps_call:
        _stamp(turn)
    return None


def _tell(turn: Turn, row: Recording, after: Recording, type: EventType, **data: Any) -> None:
    """The change and its event."""
    if after is row:
        return
    turn.event(type, data={"recordingId": row.id, **data})
    turn.set_recording(after)
    _stamp(turn)


def _stamp(turn: Turn) -> None:
    """The last recording of an ended call that goes lets the call go in its time."""
    call = turn.call
    if call.ended_at is None or call.holds:
        return
    # A sweep stamps what came after. Written in any case: the last two that go at once must meet.
    turn.set_call(expires_at=recorded.expiry(turn, call.ended_at), horizons=None)


_TURNS: dict[type[OnRecording], Callable[[Turn, Recording, Any], None]] = {
    StopRecording: _stop,
    FailRecording: _fail,
    BeginUpload: _begin_upload,
    FinishUpload: _finish_upload,
    AbortUpload: _abort_upload,
    BeginDelete: _begin_delete,
    FinishDelete: _finish_delete,
}
DECIDERS: dict[type[Command], Callable[[State, Any, Context], Transition]] = {
    StartRecording: _decide_start,
    **dict.fromkeys(_TURNS, _decide),
}
"""What decides each command."""
