"""Whether a figure that was sampled for long stays where it is."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A straight line through samples, by least squares."""

    mean: float
    growth: float
    """By how much the line rises from the first sample to the last."""

    @property
    def growth_part(self) -> float:
        """The same as part of the mean."""
        return self.growth / self.mean


def fit(samples: Sequence[tuple[float, float]]) -> Course:
    """
    The line through samples.

    Args:
        samples: Second and value, at least two of different seconds.
    """
    count = len(samples)
    middle_s = sum(at_s for at_s, _ in samples) / count
    mean = sum(value for _, value in samples) / count
    spread = sum((at_s - middle_s) ** 2 for at_s, _ in samples)
    slope = sum((at_s - middle_s) * (value - mean) for at_s, value in samples) / spread
    return Course(mean=mean, growth=slope * (samples[-1][0] - samples[0][0]))
