"""L11: a genesis document must not contradict itself; the state that it founds."""

from dataclasses import replace

import pytest

from noded.ledger.genesis import InvalidGenesis, check_genesis, found
from noded.ledger.keys import get_key
from noded.ledger.members import get_members
from noded.types.genesis import FoundingValidator, Genesis
from noded.types.ids import VotingPower
from noded.types.validator_set import ValidatorSet
from tests.helpers.ledger import TestChain, account, make_genesis, make_institution, member_id

GENESIS = make_genesis()


class TestContradictions:
    """L11: what the types do not say."""

    @pytest.mark.parametrize(
        ("genesis", "why"),
        [
            (replace(GENESIS, institutions=GENESIS.institutions[::-1]), "order of id"),
            (replace(GENESIS, institutions=GENESIS.institutions[:1] * 2), "order of id"),
            (replace(GENESIS, validators=GENESIS.validators[::-1]), "order of id"),
            (
                replace(
                    GENESIS,
                    validators=(
                        *GENESIS.validators,
                        FoundingValidator(id=member_id(9), power=VotingPower(1000)),
                    ),
                ),
                "is no institution",
            ),
            (make_genesis(k_min=2), "k_min"),
            (
                make_genesis(
                    institutions=[
                        make_institution(1),
                        make_institution(2, account_key=make_institution(1).consensus_key),
                    ]
                ),
                "the account key of Member 2 is the consensus key of Member 1",
            ),
            (
                make_genesis(
                    institutions=[
                        make_institution(1),
                        make_institution(2, encryption_key=make_institution(1).encryption_key),
                    ]
                ),
                "the encryption key of Member 2 is the encryption key of Member 1",
            ),
        ],
    )
    def test_each_is_named(self, genesis: Genesis, why: str) -> None:
        with pytest.raises(InvalidGenesis, match=why):
            check_genesis(genesis)
        with pytest.raises(InvalidGenesis, match=why):
            found(genesis)


class TestFounding:
    """The founders are members, and vote with capped powers."""

    def test_founders_are_members_with_keys(self) -> None:
        chain = TestChain(make_genesis(5, validators=4))
        entry = get_key(chain.state, account(5))

        assert get_members(chain.state) == tuple(member_id(number) for number in range(1, 6))
        assert entry is not None
        assert entry.owner == member_id(5)
        assert chain.validators.ids() == [member_id(number) for number in range(1, 5)]

    def test_founding_powers_are_capped(self) -> None:
        chain = TestChain(make_genesis(powers=[9000, 1000, 1000, 1000]))
        validators: ValidatorSet = chain.validators

        assert 3 * max(validators.powers) < validators.total

    def test_chain_id_names_the_document(self) -> None:
        assert GENESIS.chain_id == make_genesis().chain_id
        assert GENESIS.chain_id != make_genesis(idle_interval_ms=1).chain_id
        assert found(GENESIS).block.header.chain_id == GENESIS.chain_id
