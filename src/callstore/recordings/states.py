"""What becomes of a recording: recording -> processing -> available -> deleted, or failed before
it has a file. Pure: a row and the time -> the row, or one of callstore.errors."""

from datetime import datetime, timedelta
from typing import Literal

from callstore.calls.model import replace
from callstore.errors import Conflict, InvalidTransition
from callstore.recordings.model import Recording, RecordingStatus

FILE_WITHIN = timedelta(hours=24)
"""Of its stop: then a recording without a file has failed."""
NO_FILE = "no file within 24 hours"


def stopped(row: Recording, now: datetime) -> Recording:
    """It waits for its file. One that runs no longer stays as it is."""
    return _stopped(row, now, "processing") if row.status == "recording" else row


def failed(row: Recording, now: datetime) -> Recording:
    if row.status == "failed":
        return row
    if row.status == "recording":
        return _stopped(row, now, "failed")
    _need(row, "processing", "fail")
    if row.underway == "upload":
        raise Conflict("a file of the recording is being uploaded")
    return replace(row, status="failed", updated_at=now)


def _stopped(row: Recording, now: datetime, status: Literal["processing", "failed"]) -> Recording:
    duration = int((now - row.started_at) / timedelta(seconds=1))
    return replace(row, status=status, stopped_at=now, duration=duration, updated_at=now)


def uploading(row: Recording, path: str, now: datetime) -> Recording:
    """Before anything is written to `path`, so that a crash leaves nothing that no row knows of."""
    if (row.underway, row.file_path) == ("upload", path):
        return row
    _need(row, "processing", "get a file")
    if row.underway:
        raise Conflict("a file of the recording is being uploaded")
    return replace(row, file_path=path, underway="upload", updated_at=now)


def uploaded(
    row: Recording, path: str, size: int, sha256: str, content_type: str, now: datetime
) -> Recording:
    if (row.status, row.file_path, row.sha256) == ("available", path, sha256):
        return row
    if (row.underway, row.file_path) != ("upload", path):
        raise Conflict("the upload stood still for so long that it was given up")
    return replace(
        row,
        status="available",
        file_size=size,
        sha256=sha256,
        content_type=content_type,
        underway=None,
        updated_at=now,
    )


def aborted(row: Recording, path: str, now: datetime) -> Recording:
    """Before what an upload has left at `path` is removed, so that it is not finished meanwhile."""
    if (row.underway, row.file_path) != ("upload", path):
        return row
    return replace(row, underway="delete", updated_at=now)


def deleting(row: Recording, now: datetime) -> Recording:
    """Before its file is removed, so that what a crash cuts off is finished."""
    if row.status == "deleted":
        return row
    _need(row, "available", "be deleted")
    return row if row.underway else replace(row, underway="delete", updated_at=now)


def removed(row: Recording, path: str, now: datetime) -> Recording:
    """What was at `path`, whole or partial, is gone: it waits for another, or stays as deleted."""
    if (row.underway, row.file_path) != ("delete", path):
        return row
    row = replace(row, file_path="", underway=None, updated_at=now)
    return replace(row, status="deleted", deleted_at=now) if row.status == "available" else row


def _need(row: Recording, status: RecordingStatus, to: str) -> None:
    if row.status != status:
        state = "running" if row.status == "recording" else row.status
        raise InvalidTransition(f"the recording is {state}: it cannot {to}")
