"""callstore: the memory of a chat app's voice and video calls."""

from msgspec import UNSET

from callstore import errors
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
from callstore.opening import open_calls
from callstore.seeding import SeedReport
from callstore.settings import Settings

__all__ = [
    "UNSET",
    "Call",
    "CallSettings",
    "CallState",
    "Calls",
    "DeviceInfo",
    "Event",
    "Guest",
    "Joined",
    "LogEntry",
    "Page",
    "Participant",
    "Party",
    "SeedReport",
    "Settings",
    "Stint",
    "User",
    "errors",
    "open_calls",
]
