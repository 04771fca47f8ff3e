"""The real getStats traces in the package, moved to any time that a benchmark needs."""

import gzip
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

Report = list[dict[str, Any]]

MEDIA = ("inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "candidate-pair", "transport")

_COUNTERS = (
    "packetsReceived",
    "packetsLost",
    "packetsDiscarded",
    "bytesReceived",
    "headerBytesReceived",
    "retransmittedPacketsReceived",
    "jitterBufferDelay",
    "jitterBufferEmittedCount",
    "concealedSamples",
    "silentConcealedSamples",
    "totalSamplesReceived",
    "framesDecoded",
    "framesDropped",
    "freezeCount",
    "totalFreezesDuration",
    "packetsSent",
    "bytesSent",
    "totalRoundTripTime",
    "roundTripTimeMeasurements",
    "responsesReceived",
)


def peers() -> list[list[tuple[float, Report]]]:
    """The reports of each peer of each trace in order, with their ms since its first."""
    found: list[list[tuple[float, Report]]] = []
    folder = files("callstore.quality") / "traces"
    for path in sorted(folder.iterdir(), key=lambda each: each.name):
        if path.name.endswith(".jsonl.gz"):
            found.extend(_peers_of(gzip.decompress(path.read_bytes())))
    return found


def _peers_of(lines: bytes) -> Iterator[list[tuple[float, Report]]]:
    by_peer: dict[str, list[tuple[float, Report]]] = {}
    for line in lines.splitlines():
        told = json.loads(line)
        by_peer.setdefault(told["peer"], []).append((told["t"], told["report"]))
    for told_by in by_peer.values():
        first = told_by[0][0]
        yield [(t - first, report) for t, report in told_by]


def stamped(report: Report, ms: float) -> Report:
    """The report with its latest entry at `ms` since 1970, the others as long before it as ever."""
    by = ms - max(entry["timestamp"] for entry in report)
    return [{**entry, "timestamp": entry["timestamp"] + by} for entry in report]


def as_json(report: Report) -> bytes:
    return json.dumps(report, separators=(",", ":")).encode()


def end_to_end(peer: list[tuple[float, Report]]) -> Iterator[Report]:
    """The peer's media over and over without end, with counters that go on where they were."""
    reports = [[e for e in report if e["type"] in MEDIA] for _, report in peer]
    whole = {entry["id"] for entry in reports[-1]}
    reports = reports[next(n for n, r in enumerate(reports) if {e["id"] for e in r} == whole) :]
    first, last = (
        {entry["id"]: entry for entry in report} for report in reports[:: len(reports) - 1]
    )
    grown = {
        id: {
            name: last[id][name] - first[id].get(name, 0) for name in _COUNTERS if name in last[id]
        }
        for id in whole
    }
    lap = 0
    while True:
        for report in reports[:-1]:
            yield [_later(entry, grown.get(entry["id"], {}), lap) for entry in report]
        lap += 1


def _later(entry: dict[str, Any], grown: dict[str, float], laps: int) -> dict[str, Any]:
    return {**entry, **{name: entry.get(name, 0) + laps * by for name, by in grown.items()}}
