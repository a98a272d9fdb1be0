"""How work is timed: contenders take turns inside one run, so that whatever else the machine does
is shared by all of them.

Nothing here imports torch: the process that only starts others stays light.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any


class Unavailable(Exception):
    """A row or a contender that can't run on this machine; the text says why."""


@dataclass
class Timing:
    """What a work has measured itself, where the time from outside would hold too much.

    Attributes:
        seconds: of the whole.
        parts: seconds by stage.
        values: other numbers by name, such as an error.
    """

    seconds: float | None = None
    parts: dict[str, float] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)


Work = Callable[[], Timing | None]


@dataclass(frozen=True)
class Contender:
    """One way of doing a row's work.

    Attributes:
        work: does it once. `Unavailable`, raised by its first call, takes it out.
        flop: floating-point operations of a call, where they are known.
        counts_flop: whether the warm-up counts them (convolutions and matrix products).
    """

    work: Work
    flop: float | None = None
    counts_flop: bool = False


@dataclass
class Record:
    """What is known about a contender. Times are of one unit of work, by round."""

    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    flop: float | None = None
    peak_bytes: int | None = None
    unavailable: str | None = None

    def add(self, seconds: float, processor: float, timing: Timing | None, per: float) -> None:
        """A call, which did `per` units."""
        timing = timing or Timing()
        self.seconds.append((seconds if timing.seconds is None else timing.seconds) / per)
        if timing.seconds is None:
            self.processor_seconds.append(processor / per)
        for name, value in timing.parts.items():
            self.parts.setdefault(name, []).append(value / per)
        self.values |= timing.values

    def to_dict(self) -> dict[str, Any]:
        """For JSON; stages by their medians."""
        parts = {name: statistics.median(values) for name, values in self.parts.items()}
        known = {
            "seconds": self.seconds,
            "processor_seconds": self.processor_seconds,
            "parts": parts,
            "values": self.values,
            "flop": self.flop,
            "peak_bytes": self.peak_bytes,
            "unavailable": self.unavailable,
        }
        return {name: value for name, value in known.items() if value not in (None, {}, [])}


def take_turns(
    contenders: Mapping[str, Contender],
    *,
    rounds: int = 5,
    per: float = 1,
    warm_up: bool = True,
    left: Callable[[], float] = lambda: float("inf"),
    count: Callable[[], AbstractContextManager[Any]] = nullcontext,
    report: Callable[[dict[str, Record], str], None] = lambda records, state: None,
) -> tuple[dict[str, Record], str]:
    """Times every contender once a round, each round starting with another one.

    Args:
        contenders: by name.
        rounds: at most; a round that would take longer than `left()` isn't begun.
        per: units of work in a call; times are divided by it.
        warm_up: whether each does its work once before. If there is time for nothing else, the
            warm-up's times are reported, and the state says so.
        left: seconds until the end.
        count: a context with a method `get_total_flops`, for contenders whose operations are
            counted in the warm-up.
        report: called after each round with what is known so far.

    Returns:
        a record for each contender, and "done" or what is missing.
    """
    records = {name: Record(flop=contender.flop) for name, contender in contenders.items()}
    cold = {}
    for name, contender in contenders.items():
        if warm_up or contender.counts_flop:
            cold[name] = warmed_up(contender, records[name], per, count)
            report(records, "warming up")
    running = [name for name in contenders if records[name].unavailable is None]
    longest, state = sum(sum(record.seconds) * per for record in cold.values()), "done"
    for number in range(rounds):
        if longest > left():
            state = f"time was up after {number} of {rounds} rounds"
            break
        started = time.perf_counter()
        turn = number % max(1, len(running))
        for name in [*running[turn:], *running[:turn]]:
            timed(contenders[name].work, records[name], per)
        longest = time.perf_counter() - started
        report(records, f"{number + 1} of {rounds} rounds")
    if running and not any(records[name].seconds for name in running):
        for name in running:
            if name in cold:
                records[name].seconds = cold[name].seconds
                records[name].processor_seconds = cold[name].processor_seconds
                records[name].parts = cold[name].parts
        state = "time was up: these are the warm-up's times"
    report(records, state)
    return records, state


def warmed_up(
    contender: Contender,
    record: Record,
    per: float,
    count: Callable[[], AbstractContextManager[Any]],
) -> Record:
    """The record of a first call, which compiles and fills caches."""
    first = Record()
    try:
        with count() if contender.counts_flop else nullcontext() as counter:
            timed(contender.work, first, per)
    except Unavailable as reason:
        record.unavailable = str(reason)
        return first
    record.values |= first.values
    if counter is not None:
        record.flop = counter.get_total_flops() / per
    return first


def timed(work: Work, record: Record, per: float) -> None:
    """Does it once, and records its time."""
    processor, started = time.process_time(), time.perf_counter()
    timing = work()
    seconds = time.perf_counter() - started
    record.add(seconds, time.process_time() - processor, timing, per)


def spread(values: Sequence[float]) -> float:
    """Half of what lies between the smallest and the largest, as a share of the median."""
    return (max(values) - min(values)) / 2 / statistics.median(values)


def paired_ratio(slower: Sequence[float], faster: Sequence[float]) -> float:
    """Median over the rounds of the ratio within the round."""
    return statistics.median(a / b for a, b in zip(slower, faster, strict=False))
