"""Two sets of runs: what is clear, and what is left out."""

from pathlib import Path

import pytest

from sim.compare import PAIRS_MIN, compare
from sim.results import Saved, versions
from sim.scenario.model import Scenario


def runs(figures: list[float | None]) -> list[Saved]:
    """One run a seed, of one figure."""
    return [
        Saved(
            folder=Path(),
            scenario=Scenario.model_validate({"name": "few", "seed": seed, "nodes": {"count": 4}}),
            manifest={
                "versions": versions(),
                "summary": {} if figure is None else {"tx_per_s": figure},
            },
        )
        for seed, figure in enumerate(figures)
    ]


@pytest.mark.parametrize(("pairs", "is_clear"), [(2, False), (PAIRS_MIN - 1, False), (PAIRS_MIN, True)])
def test_a_few_pairs_may_all_differ_by_chance(pairs: int, is_clear: bool) -> None:
    (found,) = compare(runs([100.0] * pairs), runs([110.0 + pair for pair in range(pairs)]))

    assert found.ratio_low is not None
    assert found.ratio_low > 1
    assert found.is_clear is is_clear


def test_six_pairs_are_the_fewest_that_chance_does_not_explain() -> None:
    """All in one direction, whichever it is."""
    assert 2 * 0.5**PAIRS_MIN < 0.05 < 2 * 0.5 ** (PAIRS_MIN - 1)


def test_twice_and_half_are_no_change() -> None:
    """An arithmetic mean of ratios would say that each of the two sets has a quarter more than the other."""
    (found,) = compare(runs([100.0, 100.0]), runs([50.0, 200.0]))

    assert found.ratio == pytest.approx(1.0)


def test_pairs_without_a_figure_are_counted() -> None:
    (found,) = compare(runs([100.0, 100.0, None]), runs([None, 200.0, 3.0]))

    assert (found.first, found.second, found.pairs, found.left_out) == (100.0, 200.0, 1, 2)


def test_a_figure_that_one_side_lacks_altogether_is_told() -> None:
    (found,) = compare(runs([100.0]), runs([None]))

    assert (found.first, found.ratio, found.pairs, found.left_out) == (None, None, 0, 1)
    assert not found.is_clear


def test_a_zero_has_no_ratio() -> None:
    (found,) = compare(runs([100.0]), runs([0.0]))

    assert (found.first, found.second, found.ratio) == (100.0, 0.0, None)
