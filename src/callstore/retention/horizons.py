"""How long what is kept: when each row of an ended call goes. Pure."""

from datetime import datetime, timedelta

from msgspec import Struct

from callstore.calls.model import Call
from callstore.times import LATEST


class Horizons(Struct, frozen=True, kw_only=True):
    """From a call's end for the call itself, its participants, log entries, events and analysis,
    and for its samples; from their own beginning for captions; from its stop for a recording."""

    calls: timedelta
    samples: timedelta
    captions: timedelta
    recordings: timedelta

    @property
    def text(self) -> str:
        """By which a stamped call says what it was stamped with: in seconds."""
        spans = (self.calls, self.samples, self.captions, self.recordings)
        return " ".join(f"{span.total_seconds():.0f}" for span in spans)


class Past(Struct, frozen=True, kw_only=True):
    """What of an ended call's rows says how long it stays: its latest caption's beginning, whether
    it has samples, whether a recording keeps it."""

    last_caption: datetime | None
    sampled: bool
    recorded: bool


class Stamps(Struct, frozen=True, kw_only=True):
    """When rows go; None: not by themselves. Spans count from each row's own time."""

    call: datetime | None  # and its participants, log entries, events, pulses, analysis
    samples: datetime | None  # those that were analysed
    captions: timedelta | None
    recordings: timedelta | None  # those with a file


def stamps(call: Call, past: Past, keep: Horizons) -> Stamps:
    """A call goes when nothing of it is left, and what is of it no sooner where that is all there
    is to it: MongoDB expires each row by its own date. Nothing of a held one goes."""
    if call.holds or call.ended_at is None:
        return Stamps(call=None, samples=None, captions=None, recordings=None)
    samples = call.ended_at + keep.samples
    last = [call.ended_at + keep.calls]
    if past.sampled:
        last.append(samples)
    if past.last_caption is not None:
        last.append(past.last_caption + keep.captions)
    return Stamps(
        call=None if past.recorded else min(max(last), LATEST),
        samples=min(samples, LATEST),
        captions=keep.captions,
        recordings=keep.recordings,
    )
