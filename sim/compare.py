"""Comparing two sets of runs: the same scenarios with the same seeds, pair by pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
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

PAIRS_MIN = 6
"""Fewer pairs all differ in the same direction by chance in more than 5 of 100 cases: 2 · 1/2⁵ = 6.3 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a figure differs between two sets."""

    figure: str
    first: float | None
    """Mean over the pairs; None where none has the figure on both sides."""
    second: float | None
    ratio: float | None
    """Geometric mean of second / first by pair; None where one of them is zero."""
    ratio_low: float | None
    ratio_high: float | None
    """Ends of its 95 % interval."""
    pairs: int
    left_out: int
    """Pairs of which one run or both have no such figure."""

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves no doubt that there is a difference; with a few pairs there always is doubt."""
        if self.pairs < PAIRS_MIN or self.ratio_low is None or self.ratio_high is None:
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
    found = [(figure_of(before, figure), figure_of(after, figure)) for before, after in pairs]
    if all(before is None and after is None for before, after in found):
        return None
    values = [(before, after) for before, after in found if before is not None and after is not None]
    changes = [log(after / before) for before, after in values if before > 0 and after > 0]
    ratio = low = high = None
    if changes and len(changes) == len(values):
        ratio, low, high = map(exp, (mean(changes), *bootstrap(changes)))
    return Difference(
        figure=figure,
        first=mean([before for before, _ in values]) if values else None,
        second=mean([after for _, after in values]) if values else None,
        ratio=ratio,
        ratio_low=low,
        ratio_high=high,
        pairs=len(values),
        left_out=len(pairs) - len(values),
    )
