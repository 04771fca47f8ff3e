"""From a getStats() report (W3C webrtc-stats, as JSON) to the numbers that are kept of it.

W3C gives seconds: they become ms here and nowhere else. What is not in `Entry` is never looked at:
no addresses, candidates, certificates, user-agent.
"""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import blake2s
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from callstore.errors import Invalid
from callstore.quality.model import Kind, KindStats, LimitationReason, Reading, Sample
from callstore.times import cut, from_ms

MAX_BYTES = 1 << 20
"""Of a report as JSON; 50 parties' streams take about 200 kB."""
MAX_ENTRIES = 10_000
MAX_SKEW = timedelta(minutes=5)
MAX_ERRORS = 100

# 2**53 - 1 is the last integer that JavaScript counts exactly.
_Number = Annotated[float, Meta(ge=0, le=2**53 - 1)]
_Counter = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Entry(Struct, rename="camel", gc=False):
    """One entry of a report: the fields of all its types in one. Times in seconds, but `timestamp`,
    which is ms since 1970.
    """

    type: str
    id: str = ""
    timestamp: _Number | None = None
    kind: str | None = None
    media_type: str | None = None  # the old name of kind
    packets_received: _Counter | None = None
    packets_lost: _Counter | None = None
    packets_discarded: _Counter | None = None
    bytes_received: _Counter | None = None
    header_bytes_received: _Counter | None = None
    retransmitted_packets_received: _Counter | None = None
    jitter_buffer_delay: _Number | None = None
    jitter_buffer_emitted_count: _Counter | None = None
    concealed_samples: _Counter | None = None
    silent_concealed_samples: _Counter | None = None
    total_samples_received: _Counter | None = None
    frames_decoded: _Counter | None = None
    frames_dropped: _Counter | None = None
    freeze_count: _Counter | None = None
    total_freezes_duration: _Number | None = None
    packets_sent: _Counter | None = None
    bytes_sent: _Counter | None = None
    total_round_trip_time: _Number | None = None
    round_trip_time_measurements: _Counter | None = None
    responses_received: _Counter | None = None
    jitter: _Number | None = None
    frames_per_second: _Number | None = None
    frame_width: _Counter | None = None
    frame_height: _Counter | None = None
    round_trip_time: _Number | None = None
    current_round_trip_time: _Number | None = None
    available_outgoing_bitrate: _Number | None = None
    quality_limitation_reason: str | None = None
    nominated: bool | None = None
    selected: bool | None = None  # Firefox
    selected_candidate_pair_id: str | None = None


_entries = msgspec.json.Decoder(list[Entry])
_HINTS = get_type_hints(Entry, include_extras=True)
_FIELDS = [(f.encode_name, _HINTS[f.name]) for f in msgspec.structs.fields(Entry)]

_EntryType = Literal[
    "inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "candidate-pair", "transport"
]
_TYPES = frozenset(get_args(_EntryType))
_Groups = dict[tuple[str, str | None], list[Entry]]

# What KindStats takes from which entries, under the same name.
_INBOUND = KindStats.__struct_fields__[:15]
_IN_MS = ("jitter_buffer_delay", "total_freezes_duration")
_REASONS: tuple[LimitationReason, ...] = ("bandwidth", "cpu", "other", "none")  # worst first


def read(report: object, *, now: datetime, at: datetime | None = None) -> Reading:
    """What is kept of a report: JSON as bytes or str, or the list already decoded. `at` counts only
    where the report has no timestamp. Raises Invalid, naming each wrong field, and nothing else.
    """
    entries = _decode(report)
    groups: _Groups = {}
    for entry in entries:
        if entry.type in _TYPES:
            groups.setdefault((entry.type, entry.kind or entry.media_type), []).append(entry)
    used = _used_pairs(groups)
    return Reading(
        at=_time(entries, now, at),
        audio=_kind(groups, "audio"),
        video=_kind(groups, "video"),
        pair=_hash(used[0].id) if used else None,
        round_trip_time=_ms(_mean(used, "current_round_trip_time")),
        total_round_trip_time=_ms(_sum(used, "total_round_trip_time")),
        round_trip_time_measurements=_sum(used, "responses_received"),
        available_outgoing_bitrate=_sum(used, "available_outgoing_bitrate"),
    )


def sample_row(
    reading: Reading, *, id: str, conversation_id: str, call_session_id: str, participant_id: str
) -> Sample:
    """The row of a reading."""
    return Sample(
        **{name: getattr(reading, name) for name in Reading.__struct_fields__},
        id=id,
        conversation_id=conversation_id,
        call_session_id=call_session_id,
        participant_id=participant_id,
    )


def _kind(groups: _Groups, kind: Kind) -> KindStats | None:
    inbound = groups.get(("inbound-rtp", kind), [])
    outbound = groups.get(("outbound-rtp", kind), [])
    remote = groups.get(("remote-inbound-rtp", kind), [])
    if not (inbound or outbound):
        return None
    counters = {name: _sum(inbound, name) for name in _INBOUND}
    for name in _IN_MS:
        counters[name] = _ms(counters[name])
    reasons = {entry.quality_limitation_reason for entry in outbound}
    return KindStats(
        **counters,
        packets_sent=_sum(outbound, "packets_sent"),
        bytes_sent=_sum(outbound, "bytes_sent"),
        total_round_trip_time=_ms(_sum(remote, "total_round_trip_time")),
        round_trip_time_measurements=_sum(remote, "round_trip_time_measurements"),
        jitter=_ms(_mean(inbound, "jitter")),
        # A tile that is off the screen has no frames: the mean is of those that run.
        frames_per_second=_mean([e for e in inbound if e.frames_per_second] or inbound, _FPS),
        round_trip_time=_ms(_mean(remote, "round_trip_time")),
        frame_width=_max(inbound, "frame_width"),
        frame_height=_max(inbound, "frame_height"),
        frame_width_sent=_max(outbound, "frame_width"),
        frame_height_sent=_max(outbound, "frame_height"),
        quality_limitation_reason=next((r for r in _REASONS if r in reasons), None),
        received_streams=_hashes(inbound),
        sent_streams=_hashes(outbound),
    )


_FPS = "frames_per_second"


def _used_pairs(groups: _Groups) -> list[Entry]:
    """The candidate pairs that carry the media: what the transports say, else the nominated."""
    pairs = groups.get(("candidate-pair", None), [])
    chosen = {t.selected_candidate_pair_id for t in groups.get(("transport", None), [])}
    selected = [pair for pair in pairs if pair.id in chosen or pair.selected]
    return selected or [pair for pair in pairs if pair.nominated]


def _known(entries: list[Entry], name: str) -> list[Any]:
    return [value for entry in entries if (value := getattr(entry, name)) is not None]


def _sum(entries: list[Entry], name: str) -> Any:
    if len(entries) == 1:  # as it nearly always is
        return getattr(entries[0], name)
    known = _known(entries, name)
    whole = sum(known) if known else None
    if whole is not None and whole >= 2**63:
        raise Invalid.field("/report", f"{name} is more than 64 bits hold, over all streams")
    return whole


def _mean(entries: list[Entry], name: str) -> Any:
    if len(entries) == 1:
        return getattr(entries[0], name)
    known = _known(entries, name)
    return sum(known) / len(known) if known else None


def _max(entries: list[Entry], name: str) -> Any:
    if len(entries) == 1:
        return getattr(entries[0], name)
    return max(_known(entries, name), default=None)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 6)


def _hashes(entries: list[Entry]) -> tuple[str, ...]:
    return tuple(sorted(_hash(entry.id) for entry in entries))


def _hash(id: str) -> str:
    return blake2s(id.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def _time(entries: list[Entry], now: datetime, at: datetime | None) -> datetime:
    stamps = [entry.timestamp or 0.0 for entry in entries]
    latest = max(stamps, default=0.0)
    if not latest:
        return _given_time(now, at)
    if abs(latest - now.timestamp() * 1000) > MAX_SKEW / timedelta(milliseconds=1):
        pointer = f"/report/{stamps.index(latest)}/timestamp"
        raise Invalid.field(pointer, "is more than 5 minutes off the server's time")
    return from_ms(int(latest))


def _given_time(now: datetime, at: datetime | None) -> datetime:
    if at is None:
        raise Invalid.field("/report", "has no timestamp: give `at`")
    if at.tzinfo is None:
        raise Invalid.field("/at", "must have a time zone")
    if abs(at - now) > MAX_SKEW:
        raise Invalid.field("/at", "is more than 5 minutes off the server's time")
    return cut(at.astimezone(UTC))


def _decode(report: object) -> list[Entry]:
    if isinstance(report, str):
        report = report.encode("utf-8", "surrogatepass")
    if isinstance(report, bytes):
        if len(report) > MAX_BYTES:
            raise Invalid.field("/report", f"is over {MAX_BYTES} bytes")
        try:
            return _entries.decode(report)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            report = _loads(report)
    elif isinstance(report, list) and len(report) <= MAX_ENTRIES:
        with suppress(msgspec.ValidationError, ValueError, TypeError, RecursionError):
            return msgspec.convert(report, list[Entry])
    return _one_by_one(report)


def _loads(report: bytes) -> object:
    try:
        return json.loads(report)  # unlike msgspec it reads NaN: the error can name the field
    except (ValueError, RecursionError):
        raise Invalid.field("/report", "is not JSON") from None


def _one_by_one(report: object) -> list[Entry]:
    """Field by field, so that each wrong one is named, and what is wrong in a field or a type that
    nobody reads is not looked at.
    """
    if not isinstance(report, list):
        raise Invalid.field("/report", "must be the list of a report's stats")
    if len(report) > MAX_ENTRIES:
        raise Invalid.field("/report", f"has over {MAX_ENTRIES} entries")
    errors: list[tuple[str, str]] = []
    entries = [_entry(item, f"/report/{n}", errors) for n, item in enumerate(report)]
    if errors:
        raise Invalid(errors[:MAX_ERRORS])
    return entries


def _entry(item: object, pointer: str, errors: list[tuple[str, str]]) -> Entry:
    entry = Entry(type="")
    if not isinstance(item, dict):
        errors.append((pointer, "must be an object"))
        return entry
    if not isinstance(item.get("type"), str):
        errors.append((f"{pointer}/type", "must be a string"))
        return entry
    read = item["type"] in _TYPES
    known: dict[str, Any] = {}
    for name, hint in _FIELDS:
        if name in item and (read or name == "timestamp"):
            try:
                known[name] = msgspec.convert(item[name], hint)
            except (msgspec.ValidationError, ValueError, TypeError, OverflowError) as error:
                errors.append((f"{pointer}/{name}", _plain(error)))
    return msgspec.convert({"type": item["type"], **known}, Entry)


def _plain(error: Exception) -> str:
    """The message of msgspec, in the words of the other messages."""
    return str(error).replace("Expected", "must be").replace("`", "").replace("| null", "or null")
