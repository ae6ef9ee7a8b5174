"""Quantiles, and intervals for what few runs show."""

from collections.abc import Callable, Sequence

from sim.streams import Stream

RESAMPLES = 2_000
"""Bootstrap resamples: the ends of a 95 % interval are the 50th value from either end."""


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value below which this share of the values lies, interpolated; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def median(values: Sequence[float]) -> float | None:
    """The middle value."""
    return quantile(values, 0.5)


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean of at least one value."""
    return sum(values) / len(values)


def bootstrap(
    values: Sequence[float],
    statistic: Callable[[Sequence[float]], float] = mean,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """A percentile bootstrap interval of a statistic of at least one value; of one value, that value."""
    if len(values) == 1:
        only = statistic(values)
        return only, only
    stream = Stream(seed, "bootstrap")
    count = len(values)
    found = sorted(statistic([values[stream.below(count)] for _ in range(count)]) for _ in range(RESAMPLES))
    tail = (1.0 - confidence) / 2
    low, high = quantile(found, tail), quantile(found, 1.0 - tail)
    assert low is not None
    assert high is not None
    return low, high
