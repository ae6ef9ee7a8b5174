"""When transactions are meant to be submitted at one gateway."""

from collections.abc import Iterator
from math import sqrt
from pathlib import Path

from noded.errors import ConfigError
from sim.scenario.model import Workload
from sim.streams import Stream

NS = 1_000_000_000


def arrivals(
    workload: Workload, *, gateway: int, gateways: int, stream: Stream, end_ns: int
) -> Iterator[int]:
    """
    Intended times of calls in nanoseconds, ascending, at one of so many gateways, counted from 0.

    A call hands in `workload.post` transactions.

    A closed loop has none: its clients submit when their last transaction is final.

    Raises:
        ConfigError: The trace file cannot be read.
    """
    rate = workload.rate / gateways / workload.post
    match workload.model:
        case "none" | "closed":
            return iter(())
        case "trace":
            return iter(read_trace(workload)[gateway::gateways])
    if rate <= 0:
        return iter(())
    match workload.model:
        case "poisson":
            return _poisson(workload.start, rate, stream, end_ns)
        case "constant":
            return _constant(workload.start, rate, stream, end_ns)
        case "burst":
            return _burst(workload, rate, stream, end_ns)
        case "ramp":
            return _ramp(workload.start, rate, end_ns)
    raise AssertionError(workload.model)


def read_trace(workload: Workload) -> list[int]:
    """
    The submit times of a trace: one number of seconds a line.

    Raises:
        ConfigError: There is no such file, or a line is no number.
    """
    if workload.trace is None:
        raise ConfigError("workload.trace: the model 'trace' needs a file of submit times")
    try:
        lines = Path(workload.trace).read_text().split()
        return sorted(round(float(line) * NS) for line in lines)
    except (OSError, ValueError) as error:
        raise ConfigError(f"workload.trace: {error}") from error


def _poisson(start: int, rate: float, stream: Stream, end: int) -> Iterator[int]:
    time = float(start)
    while True:
        time += stream.exponential(NS / rate)
        if time >= end:
            return
        yield int(time)


def _constant(start: int, rate: float, stream: Stream, end: int) -> Iterator[int]:
    gap = NS / rate
    first = start + stream.fraction() * gap  # Gateways do not submit in step.
    number = 0
    while (time := int(first + number * gap)) < end:
        yield time
        number += 1


def _burst(workload: Workload, rate: float, stream: Stream, end: int) -> Iterator[int]:
    """Poisson within bursts, at the rate that makes the mean rate."""
    share = min(1.0, workload.burst_length / max(1, workload.burst_period))
    for busy in _poisson(0, rate / max(share, 1e-9), stream, end):
        period, within = divmod(busy, max(1, workload.burst_length))
        time = workload.start + period * workload.burst_period + within
        if time >= end:
            return
        yield time


def _ramp(start: int, rate: float, end: int) -> Iterator[int]:
    """From nothing to `rate` in a straight line: the k-th comes when rate · t² / 2T reaches k."""
    span = end - start
    number = 1
    while span > 0:
        time = start + int(sqrt(2 * number * span * NS / rate))
        if time >= end:
            return
        yield time
        number += 1
