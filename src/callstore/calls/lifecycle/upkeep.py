"""Mending a call whose counts somebody else has spoilt."""

from callstore.calls.lifecycle.turn import Turn


def recount(turn: Turn) -> None:
    """Makes the counts what the rows say, of an ended call too."""
    people, call = turn.participants(), turn.call
    seated = sum(row.seated for row in people)
    joined = call.erased_count + sum(row.answered_at is not None for row in people)
    if (call.live_count, call.joined_count) != (seated, joined):
        turn.set_call(
            live_count=seated,
            joined_count=joined,
            peak_participants=max(call.peak_participants, seated),
        )
