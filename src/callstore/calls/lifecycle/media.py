"""Media flags, transports, the router; signs of life."""

from typing import Any

import msgspec
from msgspec import UNSET

from callstore.calls import commands
from callstore.calls.lifecycle.turn import Turn, flags, live_participant
from callstore.calls.model import Call, Participant


def set_media(turn: Turn, command: commands.SetMedia) -> None:
    row = live_participant(turn, command.party)
    asked = {
        "audio_enabled": command.audio,
        "video_enabled": command.video,
        "screen_share_enabled": command.screen,
    }
    changes = _differing(row, asked)
    if changes:
        row = turn.set_participant(row, **changes)
        turn.event(
            "media.changed",
            about=row,
            actor=command.party,
            data=flags(row),
        )
    turn.beat(row)


def set_transports(turn: Turn, command: commands.SetTransports) -> None:
    row = live_participant(turn, command.party)
    asked = msgspec.structs.asdict(command)
    del asked["call_id"], asked["party"]
    changes = _differing(row, asked)
    if changes:
        row = turn.set_participant(row, **changes)
    turn.beat(row)


def set_router(turn: Turn, command: commands.SetRouter) -> None:
    asked = {"router_id": command.router_id, "rtp_capabilities": command.rtp_capabilities}
    changes = _differing(turn.call, asked)
    if changes:
        turn.set_call(**changes)


def _differing(row: Call | Participant, asked: dict[str, Any]) -> dict[str, Any]:
    # As JSON, because in Python 1 == True.
    return {
        name: value
        for name, value in asked.items()
        if value is not UNSET
        and msgspec.json.encode(value) != msgspec.json.encode(getattr(row, name))
    }


def heartbeat(turn: Turn, command: commands.Heartbeat) -> None:
    turn.beat(live_participant(turn, command.party))
