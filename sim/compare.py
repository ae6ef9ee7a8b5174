"""Comparing two sets of runs: the same scenarios with the same seeds, pair by pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sim.report.frames import figure_of, value_of, varied_keys
from sim.results import Saved
from sim.statistics import bootstrap, mean

FIGURES = (
    "blocks_per_s",
    "tx_per_s",
    "finality_ms.p50",
    "finality_ms.p99",
    "tx_finality_ms.p50",
    "tx_finality_ms.p99",
    "messages_per_block",
    "bytes_per_block",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a figure differs between two sets."""

    figure: str
    first: float
    """Mean over the pairs."""
    second: float
    ratio: float | None
    """Mean of second / first by pair; None where a first is zero."""
    ratio_low: float | None
    ratio_high: float | None
    """Ends of its 95 % interval."""
    pairs: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves no doubt that there is a difference; with one pair there always is doubt."""
        if self.pairs < 2 or self.ratio_low is None or self.ratio_high is None:
            return False
        return self.ratio_low > 1.0 or self.ratio_high < 1.0


def compare(first: Sequence[Saved], second: Sequence[Saved]) -> list[Difference]:
    """
    The differences between two sets of runs.

    Runs are paired by seed and by all keys that vary within one of the sets: with common random numbers the difference of a pair
    is that of the scenarios, not that of the draws.
    """
    keys = list(dict.fromkeys([*varied_keys(first), *varied_keys(second)]))
    others = {_name(run, keys): run for run in second}
    pairs = [(run, others[_name(run, keys)]) for run in first if _name(run, keys) in others]
    found = (_difference(figure, pairs) for figure in FIGURES)
    return [difference for difference in found if difference is not None]


def _name(run: Saved, keys: Sequence[str]) -> tuple[Any, ...]:
    return (run.scenario.seed, *(repr(value_of(run, key)) for key in keys))


def _difference(figure: str, pairs: Sequence[tuple[Saved, Saved]]) -> Difference | None:
    values = [
        (before, after)
        for a, b in pairs
        if (before := figure_of(a, figure)) is not None and (after := figure_of(b, figure)) is not None
    ]
    if not values:
        return None
    ratios = [after / before for before, after in values if before]
    low, high = bootstrap(ratios) if len(ratios) == len(values) else (None, None)
    return Difference(
        figure=figure,
        first=mean([before for before, _ in values]),
        second=mean([after for _, after in values]),
        ratio=mean(ratios) if len(ratios) == len(values) else None,
        ratio_low=low,
        ratio_high=high,
        pairs=len(values),
    )
