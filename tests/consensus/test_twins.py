"""Twins-style fuzzing: no seed breaks safety or stays stuck, and each planted bug is found."""

from collections.abc import Callable
from random import Random

import pytest

from noded.consensus import offering, rules, voting
from noded.consensus.ballots import Ballots
from noded.consensus.state import EpochState
from noded.types.block import BlockHeader, JustifyLeaf
from noded.types.ids import PeerId
from noded.types.messages import Proposal
from noded.types.validator_set import ValidatorSet
from tests.helpers.byzantine.equivocator import Equivocator
from tests.helpers.byzantine.liar import Liar
from tests.helpers.chaos import Chaos
from tests.helpers.consensus_net import Behaviour

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


Plant = Callable[[pytest.MonkeyPatch], None]


def half_quorum(patch: pytest.MonkeyPatch) -> None:
    original = ValidatorSet.__post_init__

    def with_half(self: ValidatorSet) -> None:
        original(self)
        object.__setattr__(self, "quorum", self.total // 2 + self.total % 2)

    patch.setattr(ValidatorSet, "__post_init__", with_half)


def finalize_after_nullify(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ballots, "may_finalize", lambda self, view: view not in self.finalized)


def nullification_not_required(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(voting, "is_gap_nullified", lambda state, entry: True)


def two_notarize_votes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ballots, "may_notarize", lambda self, view: view not in self.nullified)

    def take_the_last(state: EpochState, peer: PeerId, first: Proposal, second: Proposal) -> None:
        del state.offers[second.block.header.view]
        offering.on_proposal(state, peer, second)

    patch.setattr(offering, "on_rival_proposal", take_the_last)


def unbound_parent_view(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "is_parent_bound", lambda header, parent: True)

    def names_parent(header: BlockHeader, leaf: JustifyLeaf) -> bool:
        return leaf.block_hash == header.parent_hash

    patch.setattr(rules, "is_leaf_of_parent", names_parent)


def twins(random: Random) -> Behaviour | None:
    return random.choice([None, Equivocator()])


def skipping_liars(random: Random) -> Behaviour | None:
    return Liar(states_view_before=False)


def misstating_liars(random: Random) -> Behaviour | None:
    return Liar(states_view_before=True)


@pytest.mark.parametrize(
    ("plant", "draw"),
    [
        (half_quorum, twins),
        (finalize_after_nullify, twins),
        (nullification_not_required, skipping_liars),
        (two_notarize_votes, twins),
        (unbound_parent_view, misstating_liars),
    ],
)
def test_planted_bug_is_found(
    plant: Plant, draw: Callable[[Random], Behaviour | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_verdicts", {})
    plant(monkeypatch)

    assert any(Chaos(seed, draw=draw, is_plain=draw is not twins).run().violations for seed in SEEDS_TO_FIND)


@pytest.mark.parametrize("draw", [twins, skipping_liars, misstating_liars])
def test_nothing_is_found_where_nothing_was_planted(
    draw: Callable[[Random], Behaviour | None],
) -> None:
    assert not any(Chaos(seed, draw=draw).run().violations for seed in range(12))
