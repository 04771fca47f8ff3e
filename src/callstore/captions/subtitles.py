"""Captions as files: WebVTT (W3C), SubRip, plain text, JSON. Pure.

Times count from the call's answer, else from its beginning, as `duration` does. What has no
duration is shown for as long as it takes to read, and not beyond the same speaker's next words.
"""

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from callstore.calls.model import Call, Row
from callstore.captions.model import Caption

Format = Literal["vtt", "srt", "txt", "json"]

_LEAST, _MOST = timedelta(seconds=1), timedelta(seconds=7)
_DAY = timedelta(days=1)  # whatever another wrote
_ARROW = re.compile("-{2,}>")
_PER_CHARACTER = timedelta(seconds=1 / 15)
_INSTANT = timedelta(milliseconds=1)  # a cue must end after it begins


class Cue(Row, frozen=True, kw_only=True):
    """What is shown, from `start` to `end` in ms. `original`: it is in the language that was
    spoken, for it was not asked for in another or there is none in that."""

    start: int
    end: int
    speaker: str | None
    text: str
    language: str
    original: bool
    participant_id: str
    segment_id: str
    timestamp: datetime


def cues(
    call: Call, captions: Sequence[Caption], language: str | None, speakers: dict[str, str]
) -> list[Cue]:
    """In the order of speaking. `speakers`: participant id -> name."""
    zero = call.started_at or call.created_at
    made = []
    for caption, next_at in _with_next(captions):
        translated = (caption.translations or {}).get(language or "")
        text = translated or caption.text
        start = max(caption.timestamp - zero, timedelta())
        made.append(
            Cue(
                start=_ms(start),
                end=_ms(start + _shown(caption, text, next_at)),
                speaker=_named(speakers.get(caption.participant_id)),
                text=text,
                language=language if translated and language else caption.language,
                original=not translated,
                participant_id=caption.participant_id,
                segment_id=caption.segment_id,
                timestamp=caption.timestamp,
            )
        )
    return made


def _named(speaker: str | None) -> str | None:
    return speaker if speaker and _lines(speaker) else None


def _with_next(captions: Sequence[Caption]) -> Iterator[tuple[Caption, datetime | None]]:
    """Each with the time of the same speaker's next words."""
    following: dict[str, datetime] = {}
    found = []
    for caption in reversed(captions):
        found.append((caption, following.get(caption.participant_id)))
        following[caption.participant_id] = caption.timestamp
    return reversed(found)


def _shown(caption: Caption, text: str, next_at: datetime | None) -> timedelta:
    if caption.duration:
        return min(timedelta(milliseconds=min(caption.duration, 10**12)), _DAY)
    long = min(max(len(text) * _PER_CHARACTER, _LEAST), _MOST)
    if next_at is not None and next_at > caption.timestamp:
        long = min(long, next_at - caption.timestamp)
    return max(long, _INSTANT)


def _ms(span: timedelta) -> int:
    return span // _INSTANT


def written(found: Sequence[Cue], format: Format) -> str:
    if format == "json":
        return _json(found)
    shown = [cue for cue in found if _lines(cue.text)]  # a cue of nothing is none
    return {"vtt": _vtt, "srt": _srt, "txt": _txt}[format](shown)


def _vtt(found: Sequence[Cue]) -> str:
    blocks = ["WEBVTT"]
    for cue in found:
        lines = [html.escape(line, quote=False) for line in _lines(cue.text)]
        if cue.speaker:
            lines[0] = f"<v {html.escape(_one_line(cue.speaker), quote=False)}>{lines[0]}"
        blocks.append("\n".join([_span(cue, "."), *lines]))
    return "\n\n".join(blocks) + "\n"


def _srt(found: Sequence[Cue]) -> str:
    blocks = []
    for number, cue in enumerate(found, 1):
        # Nothing in SubRip can be escaped: an arrow must not look like the times of a cue.
        lines = [_ARROW.sub("->", line) for line in _lines(cue.text)]
        if cue.speaker:
            lines[0] = f"{_ARROW.sub('->', _one_line(cue.speaker))}: {lines[0]}"
        blocks.append("\n".join([str(number), _span(cue, ","), *lines]) + "\n")
    return "\n".join(blocks)


def _txt(found: Sequence[Cue]) -> str:
    spoken = []
    for cue in found:
        speaker = f"{_one_line(cue.speaker)}: " if cue.speaker else ""
        spoken.append(f"[{_clock(cue.start, '.')[:-4]}] {speaker}{' '.join(_lines(cue.text))}\n")
    return "".join(spoken)


def _json(found: Sequence[Cue]) -> str:
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _lines(text: str) -> list[str]:
    """Without blank ones, which end a cue, and without control characters."""
    lines = ("".join(c for c in line if unicodedata.category(c) != "Cc") for line in _split(text))
    return [line for line in map(str.strip, lines) if line]


def _split(text: str) -> list[str]:
    return text.replace("\t", " ").splitlines()


def _one_line(text: str) -> str:
    return " ".join(_lines(text))


def _span(cue: Cue, point: str) -> str:
    return f"{_clock(cue.start, point)} --> {_clock(cue.end, point)}"


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"
