"""L120–L122: what is counted at the end of an epoch is the sum of what its blocks say."""

import random
from dataclasses import replace

import pytest

from noded.ledger.epoch import founding_table
from noded.ledger.participation import read_counters
from noded.ledger.tracing import LateVote, Signal, trace_conduct
from noded.types.ids import Root, View
from noded.types.validator_set import ValidatorSet
from noded.types.vote import VoteKind
from tests.helpers.ledger import TestChain, make_genesis, member_id
from tests.ledger.test_participation import make_credit, make_equivocation


def trace(chain: TestChain, member: int) -> list[Signal]:
    """Of the chain's first epoch."""
    validators = ValidatorSet(founding_table(chain.genesis))
    blocks = [committed.block for committed in chain.committed[1:]]
    return list(
        trace_conduct((each for each in blocks if each.header.epoch == 1), validators, member_id(member))
    )


class TestSignals:
    """One for each counted block."""

    def test_votes_in_the_parents_certificate(self) -> None:
        chain = TestChain()
        chain.run()
        chain.run(voters=[0, 1, 2])
        chain.run()

        assert [(each.counted, each.voted) for each in trace(chain, 4)] == [
            (False, False),
            (True, False),
            (True, True),
        ]

    def test_late_votes_name_their_view(self) -> None:
        chain = TestChain()
        chain.run()
        chain.run(voters=[0, 1, 2])
        chain.run(credits=[make_credit(chain, 4, behind=2)])

        assert trace(chain, 4)[-1].late == (LateVote(kind="NOTARIZE", view=View(1), points=2),)
        assert trace(chain, 3)[-1].late == ()

    def test_a_credit_for_a_vote_that_counted_earns_nothing(self) -> None:
        chain = TestChain()
        chain.run()
        chain.run()
        chain.run(credits=[make_credit(chain, 4, behind=2)])

        assert trace(chain, 4)[-1].late == ()

    def test_skipped_views_and_evidence(self) -> None:
        chain = TestChain()
        chain.run()
        validators = chain.ledger.validators_after(chain.tip)
        chain.run(skipped=[View(2)], view=3, evidence=[make_equivocation(2)])
        failed = [number for number in range(1, 5) if trace(chain, number)[-1].skipped]

        assert [member_id(number) for number in failed] == [validators.proposer(View(2))]
        assert trace(chain, 2)[-1].evidence == ("ConflictingProposals",)
        assert trace(chain, 1)[-1].evidence == ()

    def test_the_terminal_block_is_not_traced(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        chain.finish_epoch()

        assert [each.height for each in trace(chain, 1)] == [1, 2, 3]


@pytest.mark.parametrize("seed", range(5))
def test_sums_are_what_the_report_says(seed: int) -> None:
    """Of any epoch, for every member."""
    chance = random.Random(seed)
    chain = TestChain(make_genesis(epoch_length=12))
    chain.run()
    while chain.ledger.head(chain.tip).height < 11:
        credits = []
        if chain.ledger.head(chain.tip).height > 3:
            for behind in (1, 2, 3):
                kind = chance.choice((VoteKind.NOTARIZE, VoteKind.FINALIZE))
                credits.append(make_credit(chain, chance.randint(1, 4), behind=behind, kind=kind))
        voters = sorted(chance.sample(range(4), chance.randint(3, 4)))
        chain.run(voters=voters, credits=credits)
    head = chain.ledger.head(chain.tip)
    counted = [read_counters(each) for each in (head.points, head.proposed, head.failed)]

    for index in range(4):
        signals = trace(chain, index + 1)
        late = sum(vote.points for each in signals for vote in each.late)
        traced = (
            2 * sum(each.voted for each in signals) + late,
            sum(each.proposed for each in signals),
            sum(len(each.skipped) for each in signals),
        )
        assert traced == tuple(numbers[index] for numbers in counted)
        assert sum(each.counted for each in signals) == head.opportunities


class TestRecounting:
    """L144: counters and table are what the epoch's blocks and the last header say, or the node is told why not."""

    def make_chain(self) -> TestChain:
        chain = TestChain(make_genesis(5, epoch_length=12))
        chain.finish_epoch(voters=[0, 1, 2, 3])
        for voters in ([0, 1, 2, 3], [1, 2, 3, 4], [0, 2, 3, 4]):
            chain.run(voters=voters, skipped=[View(90)], view=91)
        return chain

    def doubt(self, chain: TestChain) -> str | None:
        blocks = [committed.block for committed in chain.committed[1:]]
        tip = blocks[-1].header
        return chain.ledger.why_doubted(tip, [each for each in blocks if each.header.epoch == tip.epoch])

    def test_nothing_to_doubt(self) -> None:
        chain = self.make_chain()
        assert self.doubt(chain) is None
        chain.finish_epoch()
        assert self.doubt(chain) is None

    def test_other_counters_are_noticed(self) -> None:
        chain = self.make_chain()
        blocks = [committed.block for committed in chain.committed[1:]]
        tip = blocks[-1].header
        lacking = [each for each in blocks if each.header.epoch == tip.epoch][1:]

        why = chain.ledger.why_doubted(tip, lacking)
        assert why == "the stored counters of epoch 2 are not what its blocks say"

    def test_other_table_is_noticed(self) -> None:
        chain = self.make_chain()
        tip = replace(chain.committed[-1].block.header, epoch_root=Root(bytes(32)))

        assert chain.ledger.why_doubted(tip, ()) == (
            "the stored table of epoch 2 is not the one that block 15 commits to"
        )
