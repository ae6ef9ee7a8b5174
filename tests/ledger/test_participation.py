"""L120–L122, L124: what blocks say about the validators."""

from noded.ledger.conduct import get_conduct
from noded.ledger.head import CREDIT_VIEWS
from noded.ledger.participation import read_counters
from noded.types.block import BlockKind, LateCredit
from noded.types.evidence import ConflictingProposals, Evidence, InvalidProposal
from noded.types.ids import ZERO_HASH, BlockHash, Epoch, View
from noded.types.vote import VoteKind
from tests.helpers.ledger import NO_SIGNATURE, TestChain, make_genesis, member_id


def points(chain: TestChain) -> list[int]:
    return read_counters(chain.ledger.head(chain.tip).points)


def make_credit(
    chain: TestChain, voter: int, *, behind: int = 1, kind: VoteKind = VoteKind.NOTARIZE
) -> LateCredit:
    """A late vote for the block that is `behind` blocks below the next."""
    committed = chain.committed[-behind]
    return LateCredit(
        kind=kind,
        view=View(committed.block.header.height),
        block_hash=committed.block.hash,
        voter=member_id(voter),
        signature=NO_SIGNATURE,
    )


def make_equivocation(culprit: int, *, epoch: int = 1, view: int = 1) -> ConflictingProposals:
    return ConflictingProposals(
        culprit=member_id(culprit),
        epoch=Epoch(epoch),
        view=View(view),
        first=BlockHash(ZERO_HASH),
        first_signature=NO_SIGNATURE,
        second=BlockHash(bytes([1]) * 32),
        second_signature=NO_SIGNATURE,
    )


def make_invalid_proposal(culprit: int, *, view: int = 1) -> Evidence:
    return InvalidProposal(
        culprit=member_id(culprit),
        epoch=Epoch(1),
        view=View(view),
        block=b"x",
        signature=NO_SIGNATURE,
        parent_header=b"",
    )


class TestPoints:
    """L121: two points for a vote in a certificate that a later block of the epoch shows."""

    def test_voters_of_the_parent_are_counted(self) -> None:
        chain = TestChain()
        chain.run()
        assert points(chain) == [0, 0, 0, 0]
        chain.run(voters=[0, 1, 2])
        chain.run(voters=[1, 2, 3])

        assert points(chain) == [2, 4, 4, 2]
        assert chain.ledger.head(chain.tip).opportunities == 2


class TestScope:
    """L120: the bodies of terminal blocks do not count, and every epoch begins anew."""

    def test_terminal_body_is_not_counted(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        for _ in range(3):
            chain.run()
        before = chain.ledger.head(chain.tip)
        block = chain.run(skipped=[View(4)], view=5).block
        after = chain.ledger.head(chain.tip)

        assert block.header.kind is BlockKind.TERMINAL
        assert after.terminal
        assert (after.points, after.failed, after.proposed) == (before.points, before.failed, before.proposed)

    def test_new_epoch_starts_at_zero(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        chain.finish_epoch()
        chain.run()
        head = chain.ledger.head(chain.tip)

        assert (head.epoch, head.first_height, head.last_height) == (2, 5, 8)
        assert points(chain) == [0, 0, 0, 0]
        assert sum(read_counters(head.proposed)) == 1
        assert head.opportunities == 0


class TestLateVotes:
    """L122: a late vote counts once, for an ancestor of this epoch, within 16 views."""

    def test_prompt_and_late_votes_differ(self) -> None:
        chain = TestChain()
        chain.run()
        for behind, kind, expected in (
            (4, VoteKind.NOTARIZE, 2),
            (5, VoteKind.NOTARIZE, 1),
            (2, VoteKind.FINALIZE, 1),
        ):
            chain = TestChain()
            chain.run()
            while len(chain.committed) <= behind:
                chain.run(voters=[0, 1, 2])
            before = points(chain)[3]
            chain.run(voters=[0, 1, 2], credits=[make_credit(chain, 4, behind=behind, kind=kind)])

            assert points(chain)[3] - before == expected, (behind, kind)

    def test_vote_counts_once(self) -> None:
        chain = TestChain()
        chain.run()
        chain.run(voters=[0, 1, 2])
        credit = make_credit(chain, 4, behind=2)
        final = make_credit(chain, 4, behind=2, kind=VoteKind.FINALIZE)
        chain.run(voters=[0, 1, 2], credits=[credit, credit, final])
        chain.run(voters=[0, 1, 2], credits=[credit, final])

        assert points(chain) == [6, 6, 6, 2]

    def test_voter_in_the_certificate_earns_nothing_more(self) -> None:
        chain = TestChain()
        chain.run()
        chain.run(voters=[0, 1, 2])
        chain.run(voters=[0, 1, 2], credits=[make_credit(chain, 1, behind=2)])

        assert points(chain) == [4, 4, 4, 0]

    def test_vote_for_the_parent_may_be_credited_at_once(self) -> None:
        chain = TestChain()
        chain.run()
        chain.run(voters=[0, 1, 2], credits=[make_credit(chain, 4, behind=1)])

        assert points(chain) == [2, 2, 2, 2]

    def test_foreign_or_old_votes_do_not_count(self) -> None:
        chain = TestChain()
        chain.run()
        credits = []
        for _ in range(CREDIT_VIEWS + 3):
            credits.append(make_credit(chain, 4, behind=1))
            chain.run(voters=[0, 1, 2])
        stranger = make_credit(chain, 9, behind=2)
        rival = LateCredit(
            kind=VoteKind.NOTARIZE,
            view=stranger.view,
            block_hash=BlockHash(bytes(32)),
            voter=member_id(4),
            signature=NO_SIGNATURE,
        )
        before = points(chain)[3]
        chain.run(voters=[0, 1, 2], credits=[credits[0], stranger, rival])

        assert points(chain)[3] == before == 0
        chain.run(voters=[0, 1, 2], credits=[credits[-1]])
        assert points(chain)[3] == 2


class TestProposers:
    """L120: a proposer is credited with its final blocks, and charged with its skipped views."""

    def test_final_blocks_are_counted(self) -> None:
        chain = TestChain()
        proposers = [chain.run().block.header.proposer for _ in range(20)]
        counted = read_counters(chain.ledger.head(chain.tip).proposed)

        assert counted == [proposers.count(member_id(number)) for number in range(1, 5)]

    def test_skipped_views_are_charged(self) -> None:
        chain = TestChain()
        chain.run()
        skipped = [View(2), View(3), View(4)]
        chain.run(skipped=skipped, view=5)
        culprits = [chain.validators.proposer(view) for view in skipped]
        failed = read_counters(chain.ledger.head(chain.tip).failed)

        assert failed == [culprits.count(member_id(number)) for number in range(1, 5)]


class TestEvidence:
    """L124: evidence is counted once for each culprit, epoch, view and kind."""

    def test_same_fault_counts_once(self) -> None:
        chain = TestChain()
        chain.run(evidence=[make_equivocation(2), make_equivocation(2)])
        chain.run(evidence=[make_equivocation(2)])

        assert get_conduct(chain.state, member_id(2)).equivocations == 1

    def test_other_views_and_kinds_count_apart(self) -> None:
        chain = TestChain()
        chain.run(evidence=[make_equivocation(2), make_equivocation(2, view=2), make_invalid_proposal(2)])
        conduct = get_conduct(chain.state, member_id(2))

        assert (conduct.equivocations, conduct.invalid_proposals) == (2, 1)

    def test_culprit_that_never_was_a_member_is_passed_over(self) -> None:
        chain = TestChain()
        chain.run(evidence=[make_equivocation(77)])

        assert chain.ledger.final_height == 1
