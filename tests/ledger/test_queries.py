"""Questions about members, validators, reputations and proposals."""

from collections.abc import Sequence

from noded.ledger import queries
from noded.ledger.conduct import S
from noded.types.operations.membership import Remove
from tests.helpers.ledger import TestChain, make_genesis, member_id
from tests.helpers.voting import decide
from tests.ledger.test_participation import make_equivocation


class Rows:
    """The listings of a chain, as its store would have them."""

    def __init__(self, chain: TestChain) -> None:
        self._rows = dict(pair for committed in chain.committed for pair in committed.index)

    def index_range(self, prefix: bytes, after: bytes, limit: int) -> Sequence[tuple[bytes, bytes]]:
        return [
            (key, value)
            for key, value in sorted(self._rows.items())
            if key.startswith(prefix) and key > after and value is not None
        ][:limit]


class TestStandings:
    def test_all_members_are_shown_as_they_stand(self) -> None:
        chain = TestChain(make_genesis(6, validators=5, epoch_length=8))
        chain.run(evidence=[make_equivocation(2)])
        chain.finish_epoch()
        chain.run()
        chain.run(voters=[0, 1, 2])
        standings = queries.standings(chain.state)

        assert [each.member.institution.id for each in standings] == [
            member_id(number) for number in range(1, 7)
        ]
        voter, jailed, newcomer = standings[0], standings[1], standings[5]
        assert (voter.points, voter.opportunities, voter.jailed_until) == (2, 1, None)
        assert voter.power >= 1000
        assert (jailed.power, jailed.reputation, jailed.debt, jailed.effective) == (0, 0, S, 0)
        assert jailed.jailed_until is not None
        assert (newcomer.power, newcomer.reputation, newcomer.points) == (0, None, 0)
        assert sum(each.proposed for each in standings) == 2

    def test_right_after_a_terminal_block_nothing_is_counted_yet(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        chain.finish_epoch()

        assert [each.points for each in queries.standings(chain.state)] == [0] * 4
        status = queries.epoch_status(chain.state)
        assert (status.epoch, status.first_height, status.last_height) == (2, 5, 8)


class TestEpoch:
    def test_status_of_the_epoch(self) -> None:
        chain = TestChain(make_genesis(7, epoch_length=8))
        chain.run()
        status = queries.epoch_status(chain.state)

        assert (status.epoch, status.first_height, status.last_height) == (1, 1, 8)
        assert (status.total_power, status.quorum, status.tolerated) == (7000, 4667, 2)


class TestLists:
    def test_reports_come_in_pages(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        for _ in range(4):
            chain.finish_epoch()
        rows = Rows(chain)
        first = queries.reports(rows, member_id(2), limit=3)
        rest = queries.reports(rows, member_id(2), after=first[-1].epoch)

        assert [report.epoch for report in first + rest] == [1, 2, 3, 4]

    def test_proposals_come_in_pages(self) -> None:
        chain = TestChain(make_genesis(6))
        for number in (6, 5):
            decide(chain, Remove(institution=member_id(number)), voters=(1, 2, 3, 4, 5, 6))
        rows = Rows(chain)
        first = queries.proposals(chain.state, rows, limit=1)
        rest = queries.proposals(chain.state, rows, after=queries.proposal_row(*first[0]))

        assert [proposal.action for _, proposal in first + rest] == [
            Remove(institution=member_id(number)) for number in (6, 5)
        ]

    def test_members_include_former_ones(self) -> None:
        chain = TestChain(make_genesis(5))
        decide(chain, Remove(institution=member_id(5)))

        assert len(queries.members(chain.state)) == 5
