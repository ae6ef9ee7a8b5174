"""Twins-style fuzzing: no seed breaks safety or stays stuck, and each planted bug is found."""

from collections.abc import Callable
from random import Random

import pytest

from tests.helpers.byzantine.equivocator import Equivocator
from tests.helpers.byzantine.liar import Liar
from tests.helpers.chaos import Chaos
from tests.helpers.consensus_net import Behaviour
from tests.helpers.planted import PLANTS, plant

SEEDS = range(40)
SEEDS_SLOW = range(1000, 3000)

SEEDS_TO_FIND = range(400)
"""Seeds in which a planted bug must show."""

RECOVERY_MS = 30_000
"""Virtual time in which all correct hosts must commit again after all healed: hundreds of timeouts."""


def run_seed(seed: int) -> None:
    chaos = Chaos(seed)
    net = chaos.run()
    assert net.violations == []
    before = max(host.height for host in net.correct())
    chaos.heal()
    has_recovered = net.run_until(lambda: net.min_height() > before + 2, limit_ms=RECOVERY_MS)
    net.check()
    assert has_recovered, f"seed {seed} stays at {before}"


@pytest.mark.parametrize("seed", SEEDS)
def test_no_seed_breaks_safety_or_stays_stuck(seed: int) -> None:
    run_seed(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS_SLOW)
def test_no_seed_of_thousands_breaks_safety_or_stays_stuck(seed: int) -> None:
    run_seed(seed)


def twins(random: Random) -> Behaviour | None:
    return random.choice([None, Equivocator()])


def skipping_liars(random: Random) -> Behaviour | None:
    return Liar(states_view_before=False)


def misstating_liars(random: Random) -> Behaviour | None:
    return Liar(states_view_before=True)


@pytest.mark.parametrize(
    ("bug", "draw"),
    [
        ("half quorum", twins),
        ("finalize after nullify", twins),
        ("nullification not required", skipping_liars),
        ("two N votes", twins),
        ("unbound parent view", misstating_liars),
        ("switch on a notarized terminal block", twins),
    ],
)
def test_planted_bug_is_found(
    bug: str, draw: Callable[[Random], Behaviour | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(bug, monkeypatch)

    assert any(Chaos(seed, draw=draw, is_plain=draw is not twins).run().violations for seed in SEEDS_TO_FIND)


def test_every_planted_bug_is_looked_for() -> None:
    mark = next(mark for mark in test_planted_bug_is_found.pytestmark if mark.name == "parametrize")

    assert [bug for bug, _ in mark.args[1]] == list(PLANTS)


@pytest.mark.parametrize("draw", [twins, skipping_liars, misstating_liars])
def test_nothing_is_found_where_nothing_was_planted(
    draw: Callable[[Random], Behaviour | None],
) -> None:
    assert not any(Chaos(seed, draw=draw).run().violations for seed in range(12))
