"""L128: powers do not depend on order, and hold when others have left."""

from hypothesis import given, settings
from hypothesis import strategies as st

from noded.ledger.reputation import POWER_FLOOR, tolerated
from noded.types.genesis import FoundingValidator, Genesis
from noded.types.ids import VotingPower
from noded.types.operations.membership import Admit, Remove
from tests.helpers.ledger import TestChain, make_genesis, member_id
from tests.helpers.tables import powers, ready, rows
from tests.helpers.voting import decide


class TestOrder:
    """Nothing depends on the order in which facts or members come."""

    @settings(max_examples=15)
    @given(
        st.lists(st.lists(st.sampled_from(range(5)), min_size=4, unique=True), min_size=4, max_size=4),
        st.permutations(range(4)),
    )
    def test_members_in_another_order_get_the_same(self, voters: list[list[int]], order: list[int]) -> None:
        """A chain whose members have other ids gives the same facts the same powers."""
        names = [0, 1, 2, 3, 4]
        renamed = [order[name] if name < 4 else 4 for name in names]
        plain = TestChain(_weighted([1000, 1100, 1200, 1300, 1400]))
        weights = [0] * 5
        for name, weight in zip(renamed, [1000, 1100, 1200, 1300, 1400], strict=True):
            weights[name] = weight
        other = TestChain(_weighted(weights))
        for chosen in [*voters, *voters[:2]]:
            plain.run(voters=chosen, proposer=member_id(5))
            other.run(voters=sorted(renamed[name] for name in chosen), proposer=member_id(5))

        first, second = powers(plain), powers(other)
        assert plain.validators.epoch == other.validators.epoch == 2
        assert [first[name + 1] for name in names] == [second[renamed[name] + 1] for name in names]


class TestShrinking:
    """L128: how many byzantine members are tolerated holds in the very epoch in which others have left."""

    def shrunk(self, weights: list[int], k_min: int, *leaving: int) -> TestChain:
        chain = TestChain(_weighted(weights, epoch_length=len(weights) * len(leaving) + 8, k_min=k_min))
        for number in leaving:
            assert (
                decide(chain, Remove(institution=member_id(number)), voters=range(1, len(weights) + 1))
                is None
            )
        chain.finish_epoch()
        return chain

    def test_the_strongest_are_taken_down_to_what_the_rest_bears(self) -> None:
        chain = self.shrunk([1900, 1900] + [1000] * 8, 2, 8, 9, 10)

        assert tolerated(list(powers(chain).values())) == 2
        assert powers(chain)[1] < 1300 < rows(chain)[1].raw_power

    def test_with_too_few_as_many_are_tolerated_as_can_be(self) -> None:
        chain = self.shrunk([1300, 1300, 1300] + [1000] * 7, 3, 8, 9, 10)

        assert tolerated(list(powers(chain).values())) == 2

    def test_three_are_equal_and_a_fourth_finds_them_in_order(self) -> None:
        chain = self.shrunk([1400, 1000, 1000, 1000], 1, 4)
        assert powers(chain) == dict.fromkeys((1, 2, 3), POWER_FLOOR)
        assert chain.validators.quorum == 3 * POWER_FLOOR - 999
        chain.finish_epoch()
        assert decide(chain, Admit(institution=member_id(4)), voters=(1, 2, 3)) is None
        assert ready(chain, 4) is None
        chain.finish_epoch()

        assert tolerated(list(powers(chain).values())) == 1
        assert 3 * max(powers(chain).values()) < sum(powers(chain).values())


def _weighted(weights: list[int], *, epoch_length: int = 6, k_min: int = 1) -> Genesis:
    genesis = make_genesis(len(weights), epoch_length=epoch_length, k_min=k_min)
    return Genesis(
        name=genesis.name,
        time_ms=genesis.time_ms,
        parameters=genesis.parameters,
        institutions=genesis.institutions,
        validators=tuple(
            FoundingValidator(id=member_id(number), power=VotingPower(weight))
            for number, weight in enumerate(weights, 1)
        ),
    )
