"""Rounds, rotation, percentiles, and the figures that come of them.

The machine is never quiet: what is compared runs side by side in each round, in an order that
rotates, and what counts is the median of the rounds.
"""

import contextlib
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from callstore.testing.mongod import LocalMongod, NoMongod, local_mongod

T = TypeVar("T")


class NotMeasured(Exception):
    """Something that a benchmark needs is not there; the message says what."""


@dataclass(frozen=True)
class Options:
    folder: Path  # for the databases; must be a disk whose flushes are real
    rounds: int = 5
    quick: bool = False  # smaller sizes: a look, not a measurement
    calls: int = 1_000_000  # of `million`
    only: Sequence[str] = ()  # parts of `mongo`; empty: all
    svg: Path | None = None  # where `mongo` is drawn to


@dataclass(frozen=True)
class Target:
    bound: float
    least: bool  # at least, or else at most
    why: str = ""

    def met(self, value: float) -> bool:
        return value >= self.bound if self.least else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.least else '<='} {shown(self.bound)}"


def at_least(bound: float, why: str = "") -> Target:
    return Target(bound, True, why)


def at_most(bound: float, why: str = "") -> Target:
    return Target(bound, False, why)


def beside_the_bare_loop(rate: float, bare: float) -> Target:
    """At least `rate`; where the bare loop makes less than twice that, 40 % of it instead."""
    if bare >= 2 * rate:
        return at_least(rate)
    return at_least(0.4 * bare, f"40 % of the bare loop, which is under twice {rate:,.0f}")


@dataclass(frozen=True)
class Figure:
    name: str
    value: float
    unit: str = ""
    target: Target | None = None
    note: str = ""
    detail: Mapping[str, float] = field(default_factory=dict)  # what else the same runs showed

    @property
    def ok(self) -> bool:
        return self.target is None or self.target.met(self.value)


@dataclass
class Timing:
    """One contestant's run: wall seconds, the process's CPU seconds, what was done in them."""

    done: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    latencies: dict[str, list[float]] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.done / self.seconds

    @property
    def cpu_each(self) -> float:
        """CPU microseconds per operation."""
        return self.cpu / self.done * 1e6

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        began, cpu = time.perf_counter(), time.process_time()
        yield
        self.seconds += time.perf_counter() - began
        self.cpu += time.process_time() - cpu

    def add(self, kind: str, began: float) -> None:
        """One operation is done that began at that perf_counter()."""
        self.latencies.setdefault(kind, []).append(time.perf_counter() - began)
        self.done += 1


@contextlib.contextmanager
def mongod_in(folder: Path) -> Iterator[LocalMongod]:
    """A replica set of one member, whose data lies in the folder that is said."""
    tempfile.tempdir = str(folder)
    try:
        with local_mongod() as mongod:
            yield mongod
    except NoMongod as error:
        raise NotMeasured(str(error)) from None
    finally:
        tempfile.tempdir = None


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: a value that was measured."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def median_of(runs: Sequence[T], value: Callable[[T], float]) -> float:
    return statistics.median(value(run) for run in runs)


def latency(runs: Sequence[Timing], kind: str, share: float) -> float:
    """A latency's percentile in ms: the median of the rounds' percentiles."""
    return 1e3 * median_of(runs, lambda run: percentile(run.latencies[kind], share))


def ratio(ours: Sequence[Timing], theirs: Sequence[Timing]) -> float:
    """The median of the rounds' ratios of rates."""
    pairs = zip(ours, theirs, strict=True)
    return statistics.median(a.rate / b.rate for a, b in pairs)


def spread(runs: Sequence[Timing]) -> str:
    rates = [run.rate for run in runs]
    return f"rounds {min(rates):,.0f} to {max(rates):,.0f}"


def in_turn(contestants: Sequence[T], rounds: int) -> Iterator[tuple[int, T]]:
    """(round, contestant): each once a round, and another one first each time."""
    for number in range(rounds):
        for contestant in rotated(contestants, number):
            yield number, contestant


def rotated(contestants: Sequence[T], number: int) -> Sequence[T]:
    """All of them, in the order of round `number`."""
    shift = number % len(contestants)
    return (*contestants[shift:], *contestants[:shift])


def shown(value: float) -> str:
    """A number with as many digits as it deserves."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
