"""L125–L129, L140–L143: from an epoch's conduct to the next epoch's table."""

from dataclasses import replace

import pytest

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
from noded.ledger.reputation import FOUNDING_REPUTATION, POWER_FLOOR
from noded.types.block import BlockKind
from noded.types.ids import Epoch
from noded.types.operations.membership import SetParameters
from noded.types.validator_set import ValidatorTable
from tests.helpers.ledger import TestChain, make_genesis, make_institution, member_id
from tests.helpers.tables import powers, rows
from tests.helpers.voting import decide
from tests.ledger.test_participation import make_equivocation, make_invalid_proposal


def kept_tables(chain: TestChain) -> list[int]:
    present = chain.ledger.epoch_after(chain.tip)
    return [epoch for epoch in range(1, present + 2) if chain.ledger.validators_of(Epoch(epoch)) is not None]


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
        assert kept_tables(chain) == [4, 5, 6]
        assert chain.state.read(table_key(Epoch(6)), ValidatorTable) == chain.validators.table

    def test_fewer_are_kept_once_that_is_voted(self) -> None:
        chain = TestChain(make_genesis(epoch_length=8, evidence_epochs=4))
        for _ in range(6):
            chain.finish_epoch()
        assert kept_tables(chain) == [3, 4, 5, 6, 7]
        fewer = replace(chain.parameters, evidence_epochs=1)
        assert decide(chain, SetParameters(parameters=fewer)) is None
        for _ in range(2):
            chain.finish_epoch()

        assert chain.ledger.epoch_after(chain.tip) == 9
        assert kept_tables(chain) == [8, 9]


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


@pytest.mark.parametrize("members", [1, 2, 3, 4, 10])
def test_chain_of_any_size_goes_through_epochs(members: int) -> None:
    chain = TestChain(make_genesis(members, epoch_length=4))
    for _ in range(3):
        chain.finish_epoch()

    assert len(chain.validators) == members
    assert chain.validators.epoch == 4
