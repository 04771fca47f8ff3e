"""callstore: the memory of a chat app's voice and video calls.

Names are imported when they are first used: a command that needs none of them starts at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from callstore import errors

if TYPE_CHECKING:
    from msgspec import UNSET

    from callstore.calls.facade import Calls
    from callstore.calls.model import (
        Call,
        CallSettings,
        DeviceInfo,
        Event,
        Guest,
        Joined,
        LogEntry,
        Participant,
        Party,
        Stint,
        User,
    )
    from callstore.calls.pages import Page
    from callstore.calls.replay import CallState
    from callstore.captions.model import Caption
    from callstore.copying import CopyReport, copy_calls
    from callstore.opening import open_calls
    from callstore.privacy.chain import AuditReport
    from callstore.privacy.model import AuditEntry, Hold, Receipt
    from callstore.recordings.model import Recording
    from callstore.retention.doctor import DoctorReport
    from callstore.retention.facade import RetentionReport
    from callstore.retention.sweep import SweepReport
    from callstore.schema.adoption.model import AdoptionReport
    from callstore.schema.export import export_schema
    from callstore.schema.report import SchemaReport
    from callstore.seeding import SeedReport
    from callstore.settings import Settings

__all__ = [
    "UNSET",
    "AdoptionReport",
    "AuditEntry",
    "AuditReport",
    "Call",
    "CallSettings",
    "CallState",
    "Calls",
    "Caption",
    "CopyReport",
    "DeviceInfo",
    "DoctorReport",
    "Event",
    "Guest",
    "Hold",
    "Joined",
    "LogEntry",
    "Page",
    "Participant",
    "Party",
    "Receipt",
    "Recording",
    "RetentionReport",
    "SchemaReport",
    "SeedReport",
    "Settings",
    "Stint",
    "SweepReport",
    "User",
    "copy_calls",
    "errors",
    "export_schema",
    "open_calls",
]

_ELSEWHERE = {
    "UNSET": "msgspec",
    "AdoptionReport": "callstore.schema.adoption.model",
    "AuditEntry": "callstore.privacy.model",
    "AuditReport": "callstore.privacy.chain",
    "CallState": "callstore.calls.replay",
    "Calls": "callstore.calls.facade",
    "Caption": "callstore.captions.model",
    "CopyReport": "callstore.copying",
    "DoctorReport": "callstore.retention.doctor",
    "Hold": "callstore.privacy.model",
    "Page": "callstore.calls.pages",
    "Receipt": "callstore.privacy.model",
    "Recording": "callstore.recordings.model",
    "RetentionReport": "callstore.retention.facade",
    "SchemaReport": "callstore.schema.report",
    "SeedReport": "callstore.seeding",
    "Settings": "callstore.settings",
    "SweepReport": "callstore.retention.sweep",
    "copy_calls": "callstore.copying",
    "export_schema": "callstore.schema.export",
    "open_calls": "callstore.opening",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ELSEWHERE.get(name, "callstore.calls.model")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
