"""Mending a call whose counts somebody else has spoilt."""

from callstore.calls.lifecycle.turn import Turn


def recount(turn: Turn) -> None:
    """Makes the counts what the rows say, of an ended call too. Answers whether they were not.

    What rows do not say stays: the peak, but for its bounds, and how often the mode was switched.
    """
    people, call = turn.participants(), turn.call
    seated = sum(row.seated for row in people)
    joined = call.erased_count + sum(row.answered_at is not None for row in people)
    peak = min(max(call.peak_participants, seated), max(joined, seated))
    turn.made.answer = (call.live_count, call.joined_count, call.peak_participants) != (
        seated,
        joined,
        peak,
    )
    if turn.made.answer:
        turn.set_call(live_count=seated, joined_count=joined, peak_participants=peak)
