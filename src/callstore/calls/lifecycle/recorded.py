"""What recordings have to do with the life of their call."""

from datetime import datetime

from callstore.calls.lifecycle.turn import Turn
from callstore.recordings import states
from callstore.recordings.model import Recording
from callstore.times import LATEST


def stop(turn: Turn, row: Recording, at: datetime) -> None:
    turn.event("recording.stopped", at=at, data={"recordingId": row.id})
    turn.set_recording(states.stopped(row, at))


def stop_running(turn: Turn, at: datetime) -> None:
    for row in turn.recordings():
        if row.status == "recording":
            stop(turn, row, at)


def expiry(turn: Turn, ended_at: datetime) -> datetime | None:
    """When the ended call goes; None: not while it is held, or a recording of it has a file, or may
    get one."""
    kept = bool(turn.call.holds) or any(row.keeps_call for row in turn.recordings())
    return None if kept else min(ended_at + turn.context.keep, LATEST)
