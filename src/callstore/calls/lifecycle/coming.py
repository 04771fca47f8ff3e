"""Ringing, joining, answering, connecting."""

from datetime import datetime

from callstore.calls import commands
from callstore.calls.lifecycle import held
from callstore.calls.lifecycle.turn import Turn, flags, live_participant
from callstore.calls.model import Call, Direction, LogEntry, Participant, Party, Role, Stint, User
from callstore.errors import CallFull, InvalidTransition


def ring(turn: Turn, _: commands.OnCall | None = None) -> None:
    """A device of someone invited was reached."""
    if turn.call.status == "initiated":
        turn.event("call.ringing")
        turn.set_call(status="ringing")


def join(turn: Turn, command: commands.Join) -> None:
    party, row, entry = command.party, turn.participant(command.party), turn.entry(command.party)
    if not command.answer and (entry is None or entry.direction == "outgoing"):
        raise InvalidTransition("only someone who was invited can join without answering")
    if row is not None and row.live:
        if command.answer and not row.seated:
            _answer(turn, row, party)
        turn.beat(row)
        return
    before = row is not None and row.answered_at is not None
    if command.answer or before:
        _need_seat(turn.call)
    row = _begin_stint(turn, command, row, answers=command.answer and not before)
    if row.seated:
        take_seat(turn, first=not before)
    joined(turn, row)
    held.come_under(turn, (party,))
    if command.answer:
        accept(turn, party)
    elif turn.call.status == "initiated":
        ring(turn, command)


def _begin_stint(
    turn: Turn, command: commands.Join, row: Participant | None, *, answers: bool
) -> Participant:
    stints = row.stints if row is not None else []
    row = row or new_participant(turn, command.party, answered_at=None)
    video = turn.call.type == "video" if command.video is None else command.video
    return turn.set_participant(
        row,
        status="connecting",
        stints=[*stints, Stint(joined_at=turn.now)],
        left_at=None,
        answered_at=turn.now if answers else row.answered_at,
        connected_at=None,
        last_seen_at=None,
        audio_enabled=command.audio,
        video_enabled=video,
        screen_share_enabled=command.screen,
        device_info=command.device or row.device_info,
        send_transport_id=None,
        recv_transport_id=None,
        audio_producer_id=None,
        video_producer_id=None,
    )


def joined(turn: Turn, row: Participant) -> None:
    turn.event(
        "participant.joined",
        about=row,
        actor=row.party,
        data={"answered": row.seated, **flags(row)},
    )


def connected(turn: Turn, command: commands.Connected) -> None:
    row = live_participant(turn, command.party)
    if row.status != "connected":
        if not row.seated:
            _need_seat(turn.call)
        turn.event("participant.connected", about=row, actor=command.party)
        row = turn.set_participant(row, status="connected", connected_at=turn.now)
        if not row.seated:
            _answer(turn, row, command.party)
    turn.beat(row)


def _need_seat(call: Call) -> None:
    if call.live_count >= call.max_participants:
        raise CallFull(call.max_participants)


def take_seat(turn: Turn, *, first: bool) -> None:
    call = turn.call
    turn.set_call(
        live_count=call.live_count + 1,
        joined_count=call.joined_count + first,
        peak_participants=max(call.peak_participants, call.live_count + 1),
    )


def _answer(turn: Turn, row: Participant, party: Party) -> None:
    """The answer of a party whose device is in the call already."""
    _need_seat(turn.call)
    row = turn.set_participant(row, answered_at=turn.now)
    take_seat(turn, first=True)
    turn.event("participant.answered", about=row, actor=party)
    accept(turn, party)


def accept(turn: Turn, party: Party) -> None:
    """What an answer does to the log, and, if it is the first, to the call."""
    entry = turn.entry(party) or new_entry(turn, party, direction="incoming")
    if entry.direction == "incoming" and entry.response != "accepted":
        turn.set_entry(entry, response="accepted", responded_at=turn.now)
    if party != turn.call.initiator:
        answered(turn, party)


def answered(turn: Turn, by: Party | None) -> None:
    """The call is answered, if it is not yet."""
    if turn.call.started_at is not None:
        return
    turn.event("call.answered", about=by, actor=by)
    turn.set_call(status="active", started_at=turn.now)
    own = turn.entry(turn.call.initiator)
    if own is not None:
        turn.set_entry(own, response="accepted")


# -- rows


def new_participant(
    turn: Turn, party: Party, role: Role = "participant", *, answered_at: datetime | None
) -> Participant:
    return Participant(
        id=turn.context.new_id(),
        conversation_id=turn.call.conversation_id,
        call_session_id=turn.call.id,
        user_id=party.id if isinstance(party, User) else None,
        anonymous_user_id=None if isinstance(party, User) else party.id,
        role=role,
        status="connecting",
        joined_at=turn.now,
        answered_at=answered_at,
        stints=[Stint(joined_at=turn.now)],
        audio_enabled=True,
        video_enabled=True,
        updated_at=turn.now,
    )


def new_entry(turn: Turn, party: Party, *, direction: Direction) -> LogEntry:
    call = turn.call
    return LogEntry(
        id=turn.context.new_id(),
        conversation_id=call.conversation_id,
        call_session_id=call.id,
        party=party.ref,
        user_id=party.id if isinstance(party, User) else None,
        anonymous_user_id=None if isinstance(party, User) else party.id,
        direction=direction,
        response="ringing",
        type=call.type,
        created_at=call.created_at,
    )
