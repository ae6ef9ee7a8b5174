"""L123–L135, L140–L143: from an epoch's conduct to the next epoch's table."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noded.codec.schema import decode_value
from noded.ledger.conduct import (
    Fault,
    S,
    conduct_key,
    get_conduct,
    get_credits,
    record_attestation,
    record_fault,
)
from noded.ledger.epoch import REPORTS, EpochReport, close_epoch
from noded.ledger.head import HEAD_KEY, table_key
from noded.ledger.reputation import FOUNDING_REPUTATION, POWER_FLOOR, tolerated
from noded.ledger.table import JAIL_EPOCHS
from noded.types.block import BlockKind
from noded.types.genesis import FoundingValidator, Genesis
from noded.types.ids import Epoch, VotingPower
from noded.types.operations.membership import Admit, Reinstate, Remove, ValidatorReady
from noded.types.validator_set import ValidatorTable
from tests.helpers.ledger import TestChain, account, key_of, make_genesis, make_institution, member_id
from tests.helpers.voting import decide
from tests.ledger.test_participation import make_equivocation, make_invalid_proposal


def powers(chain: TestChain) -> dict[int, int]:
    return {int.from_bytes(each.id[:2]): int(each.power) for each in chain.validators.table.validators}


def rows(chain: TestChain) -> dict[int, Any]:
    return {int.from_bytes(each.id[:2]): each for each in chain.validators.table.validators}


def ready(chain: TestChain, number: int) -> str | None:
    """A member shows that its node runs."""
    key = key_of(number, "consensus")
    operation = ValidatorReady(epoch=chain.ledger.epoch_after(chain.tip), key=key)
    return chain.send(operation, sender=account(number), cosigners=[key]).error


class TestEpochs:
    """L140: an epoch has so many heights, the last of which is terminal."""

    def test_terminal_blocks_end_epochs(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        blocks = [chain.run().block.header for _ in range(9)]

        assert [header.height for header in blocks if header.kind is BlockKind.TERMINAL] == [4, 8]
        assert [header.epoch for header in blocks] == [1] * 4 + [2] * 4 + [3]


class TestTables:
    """L141, L142, L143: the next table is a function of the state after the terminal block's parent."""

    def test_terminal_header_commits_to_the_table_that_follows(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        chain.finish_epoch()
        terminal = chain.committed[-1].block

        assert terminal.header.next_epoch_root == chain.validators.root
        assert chain.validators.epoch == 2

    def test_terminal_transactions_count_in_the_next_epoch(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        for _ in range(3):
            chain.run()
        expected = chain.ledger.next_table(chain.tip)
        chain.run(evidence=[make_equivocation(1)])

        assert chain.validators.table == expected
        assert 1 in powers(chain)
        assert get_conduct(chain.state, member_id(1)).equivocations == 1

    def test_seed_is_known_one_epoch_early_and_always_new(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        other = TestChain(make_genesis(epoch_length=4))
        for each, after_ms in ((chain, 1000), (other, 1001)):
            each.finish_epoch()
            while each.ledger.epoch_after(each.tip) < 3:
                each.run(after_ms=after_ms)
        sets = [chain.ledger.validators_of(Epoch(epoch)) for epoch in (1, 2, 3)]

        assert len({each.table.seed for each in sets if each is not None}) == 3
        assert chain.validators.table.seed == other.validators.table.seed
        chain.finish_epoch()
        other.finish_epoch(after_ms=1001)
        assert chain.validators.table.seed != other.validators.table.seed

    def test_tables_are_kept_as_long_as_evidence_counts(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4, evidence_epochs=2))
        for _ in range(5):
            chain.finish_epoch()

        assert chain.ledger.epoch_after(chain.tip) == 6
        kept = [epoch for epoch in range(1, 8) if chain.ledger.validators_of(Epoch(epoch)) is not None]
        assert kept == [4, 5, 6]
        assert chain.state.read(table_key(Epoch(6)), ValidatorTable) == chain.validators.table


class TestMovement:
    """L125–L129: conduct moves power and share."""

    def test_silent_member_sinks_and_recovers(self) -> None:
        chain = TestChain(make_genesis(7, epoch_length=40, k_min=2))
        for _ in range(8):
            chain.finish_epoch(voters=[0, 1, 2, 3, 4, 5])
        sunk = rows(chain)
        for _ in range(40):
            chain.finish_epoch()
        recovered = rows(chain)

        assert sunk[7].reputation < sunk[1].reputation // 4
        assert sunk[7].share < sunk[1].share // 16
        assert sunk[7].power < sunk[1].power
        assert sunk[7].power >= POWER_FLOOR
        assert recovered[7].reputation > 6 * S // 10
        assert recovered[7].share > 8 * sunk[7].share

    def test_good_conduct_of_all_changes_nothing_between_them(self) -> None:
        chain = TestChain(make_genesis(epoch_length=6))
        for _ in range(5):
            chain.finish_epoch(proposer=member_id(1))
        table = rows(chain)

        assert len({(row.power, row.reputation) for row in table.values()}) == 1
        assert table[1].reputation > FOUNDING_REPUTATION

    def test_weights_of_genesis_are_where_moves_start(self) -> None:
        chain = TestChain(make_genesis(powers=[2000, 1000, 1000, 1000], epoch_length=4))

        assert powers(chain) == {1: 1499, 2: 1000, 3: 1000, 4: 1000}
        assert rows(chain)[1].raw_power == 2000
        chain.finish_epoch()
        assert 2000 - 2000 // 8 <= rows(chain)[1].raw_power < 2000

    def test_owners_of_several_members_are_capped_together(self) -> None:
        institutions = [
            make_institution(number, owner="group" if number <= 3 else "") for number in range(1, 8)
        ]
        chain = TestChain(make_genesis(institutions=institutions, epoch_length=4))
        for _ in range(2):
            held = powers(chain)
            assert 3 * sum(held[number] for number in (1, 2, 3)) < sum(held.values())
            chain.finish_epoch()

    def test_without_reputation_powers_stay_and_proposers_take_turns(self) -> None:
        chain = TestChain(make_genesis(powers=[1500, 1000, 1000, 1000], epoch_length=4, reputation=False))
        before = powers(chain)
        for _ in range(3):
            chain.finish_epoch(voters=[0, 1, 2])

        assert powers(chain) == before
        assert chain.validators.table.round_robin

    def test_faults_of_duty_cost(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        chain.run()
        state = chain.state
        for _ in range(2):
            record_fault(state, member_id(1), Fault.GRAVE)
            record_fault(state, member_id(2), Fault.OVERDUE)
        record_attestation(state, member_id(3), member_id(4))
        record_attestation(state, member_id(3), member_id(4))
        record_attestation(state, member_id(3), member_id(3))
        closed = close_epoch(state, chain.validators.table)
        reports = {int.from_bytes(member[:2]): report for member, report in closed.reports}

        assert reports[1].debt == 2 * (S // 16)
        assert (reports[2].lost, reports[2].attesting) == (2, S * 8 // 28)
        assert reports[2].reputation < FOUNDING_REPUTATION < reports[3].reputation
        assert reports[3].accepted == 1

    @pytest.mark.parametrize(("epoch", "counted", "kept"), [(64, 1, 1), (65, 0, 0)])
    def test_attestations_count_for_sixty_four_epochs(self, epoch: int, counted: int, kept: int) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        chain.run()
        state = chain.state
        record_fault(state, member_id(1), Fault.OVERDUE)
        first = dict(close_epoch(state, chain.validators.table).conducts)[member_id(1)]
        assert (first.lost, [(each.epoch, each.lost) for each in first.history]) == (0, [(1, 1)])

        for past in range(2, epoch):
            first = replace(first, accepted_by=(member_id(2),))
            state.write(conduct_key(member_id(1)), first)
            state.write(HEAD_KEY, replace(chain.ledger.head(chain.tip), epoch=Epoch(past)))
            first = dict(close_epoch(state, chain.validators.table).conducts)[member_id(1)]
        state.write(conduct_key(member_id(1)), first)
        state.write(HEAD_KEY, replace(chain.ledger.head(chain.tip), epoch=Epoch(epoch)))
        report = dict(close_epoch(state, chain.validators.table).reports)[member_id(1)]

        assert (report.lost, report.accepted) == (counted, 62 if kept else 63)

    def test_invalid_proposal_is_a_debt(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        chain.run(evidence=[make_invalid_proposal(2)])
        chain.finish_epoch()

        assert rows(chain)[2].debt == S // 4
        chain.finish_epoch()
        assert rows(chain)[2].debt == S // 4 - S // 4 // 64 - 1


class TestNewcomers:
    """L130, L131: a member enters the table once its node has shown that it runs, and never too many at once."""

    def make_chain(self, waiting: int = 1) -> TestChain:
        return TestChain(make_genesis(4 + waiting, validators=4, epoch_length=8))

    def test_idle_member_does_not_enter(self) -> None:
        chain = self.make_chain()
        chain.finish_epoch()

        assert sorted(powers(chain)) == [1, 2, 3, 4]

    def test_ready_member_enters_at_the_floor(self) -> None:
        chain = self.make_chain()
        assert ready(chain, 5) is None
        chain.finish_epoch()

        assert powers(chain)[5] == POWER_FLOOR
        assert rows(chain)[5].reputation == S // 4
        assert rows(chain)[5].public_key == key_of(5, "consensus")

    def test_readiness_of_an_earlier_epoch_does_not_count(self) -> None:
        chain = self.make_chain(waiting=2)
        assert ready(chain, 5) is None
        assert ready(chain, 6) is None
        chain.finish_epoch()
        chain.finish_epoch()

        assert sorted(powers(chain)) == [1, 2, 3, 4, 5]

    def test_newcomers_of_one_epoch_add_at_most_a_sixth(self) -> None:
        institutions = 12 + 6
        chain = TestChain(make_genesis(institutions, validators=12, epoch_length=12))
        for number in range(13, 19):
            assert ready(chain, number) is None
        before = sum(powers(chain).values())
        chain.finish_epoch()
        entered = [number for number in powers(chain) if number > 12]

        assert entered == [13, 14]
        assert 6 * sum(powers(chain)[number] for number in entered) <= before


class TestJail:
    """L134, L135: equivocation costs the vote until a reinstatement, unless too few voters would be left."""

    def jailed(self, members: int = 5, count: int = 1) -> TestChain:
        chain = TestChain(make_genesis(members, epoch_length=8))
        chain.run(evidence=[make_equivocation(2, view=view) for view in range(1, count + 1)])
        chain.finish_epoch()
        return chain

    def test_equivocator_leaves_the_table(self) -> None:
        chain = self.jailed()

        assert sorted(powers(chain)) == [1, 3, 4, 5]
        conduct = get_conduct(chain.state, member_id(2))
        assert (conduct.reputation, conduct.debt, conduct.equivocations) == (0, S, 0)
        assert conduct.jailed_until == 2 + JAIL_EPOCHS

    def test_several_equivocations_lengthen_the_jail(self) -> None:
        chain = self.jailed(count=3)

        assert get_conduct(chain.state, member_id(2)).jailed_until == 2 + 3 * JAIL_EPOCHS

    def test_readiness_does_not_end_the_jail(self) -> None:
        chain = self.jailed()
        assert ready(chain, 2) is None
        chain.finish_epoch()

        assert 2 not in powers(chain)

    def test_vote_ends_the_jail_once_it_has_lasted(self) -> None:
        chain = self.jailed()
        assert decide(chain, Reinstate(institution=member_id(2)), voters=(1, 3, 4, 5)) == "StillJailed"
        while chain.ledger.epoch_after(chain.tip) < 2 + JAIL_EPOCHS:
            chain.finish_epoch()
        assert decide(chain, Reinstate(institution=member_id(2)), voters=(1, 3, 4, 5)) is None
        chain.finish_epoch()
        assert 2 not in powers(chain)

        assert ready(chain, 2) is None
        chain.finish_epoch()
        assert powers(chain)[2] == POWER_FLOOR
        assert rows(chain)[2].reputation == 0
        assert rows(chain)[2].debt == S

    def test_one_of_four_stays_without_proposing(self) -> None:
        chain = self.jailed(members=4)

        assert powers(chain)[2] == POWER_FLOOR
        assert rows(chain)[2].share == 0
        chain.finish_epoch()
        assert powers(chain)[2] == POWER_FLOOR
        assert rows(chain)[2].share == 0

    def test_jailed_voter_leaves_when_a_newcomer_takes_its_place(self) -> None:
        chain = TestChain(make_genesis(5, validators=4, epoch_length=8))
        chain.run(evidence=[make_equivocation(2)])
        chain.finish_epoch()
        assert sorted(powers(chain)) == [1, 2, 3, 4]
        ready(chain, 5)
        chain.finish_epoch()

        assert sorted(powers(chain)) == [1, 3, 4, 5]

    def test_somebody_can_propose_even_if_all_equivocate(self) -> None:
        chain = TestChain(make_genesis(4, epoch_length=8))
        chain.run(evidence=[make_equivocation(number) for number in range(1, 5)])
        chain.finish_epoch()

        assert sorted(powers(chain)) == [1, 2, 3, 4]
        assert sum(row.share for row in rows(chain).values()) > 0


class TestAlarms:
    """L133: a quarter of the power falling silent is an incident of the network."""

    def test_silent_power_raises_an_alarm(self) -> None:
        chain = TestChain(make_genesis(7, epoch_length=30))
        chain.finish_epoch(voters=[0, 1, 2, 3, 4])
        events = [placed.event for placed in chain.committed[-1].events]

        assert [event.detail for event in events if event.name == "epoch.alarm"] == [b"silent-power"]

    def test_calm_epoch_raises_none(self) -> None:
        chain = TestChain(make_genesis(7, epoch_length=30))
        chain.finish_epoch()

        names = [placed.event.name for placed in chain.committed[-1].events]
        assert names == ["epoch.closed"]


class TestReports:
    """The arithmetic of each epoch can be looked up, member by member."""

    def test_report_agrees_with_the_table(self) -> None:
        chain = TestChain(make_genesis(epoch_length=6))
        chain.finish_epoch(voters=[0, 1, 2])
        index = dict(chain.committed[-1].index)
        row = rows(chain)[4]
        encoding = index[REPORTS + member_id(4) + (1).to_bytes(8)]
        assert encoding is not None
        report = decode_value(EpochReport, encoding, max_bytes=len(encoding))

        assert (report.reputation, report.debt, report.power, report.share) == (
            row.reputation,
            row.debt,
            row.power,
            row.share,
        )
        assert (report.points, report.opportunities) == (0, 4)

    def test_final_proposals_earn_service_credits(self) -> None:
        chain = TestChain(make_genesis(epoch_length=8))
        proposers = [chain.run().block.header.proposer for _ in range(8)]

        for number in range(1, 5):
            assert get_credits(chain.state, member_id(number)) == proposers[:7].count(member_id(number))


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


@pytest.mark.parametrize("members", [1, 2, 3, 4, 10])
def test_chain_of_any_size_goes_through_epochs(members: int) -> None:
    chain = TestChain(make_genesis(members, epoch_length=4))
    for _ in range(3):
        chain.finish_epoch()

    assert len(chain.validators) == members
    assert chain.validators.epoch == 4
