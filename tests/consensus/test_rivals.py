"""R18: two blocks of one proposer in one view, of which nobody was shown both."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from noded.consensus.effects import Effect, Report, Send
from noded.consensus.finalizing import FORGET_VIEWS
from noded.consensus.tree import LATE_VIEWS
from noded.types.block import Block
from noded.types.evidence import ConflictingProposals
from noded.types.ids import Epoch, View
from noded.types.messages import Certificates, EvidenceFound, Proposal, ProposalSeen, Votes
from noded.types.vote import VoteKind
from tests.helpers.consensus_bench import Bench, F, N, X, penalties, sent
from tests.helpers.consensus_values import bad_signature, make_certificate, validator_id

PROPOSER = 1
"""Of view 1."""


def seen(proposal: Proposal) -> ProposalSeen:
    return ProposalSeen(
        epoch=Epoch(1), view=View(1), block_hash=proposal.block.hash, signature=proposal.signature
    )


def told(effects: list[Effect]) -> list[Send]:
    return sent(effects, ProposalSeen)


class Split:
    """A node that was shown `first`, where others were shown `rival`."""

    def __init__(self) -> None:
        self.bench = Bench(n=7)
        self.first = self.bench.propose(1, self.bench.genesis)
        self.rival = self.bench.propose(1, self.bench.genesis, payload=(bytes(32),))

    def shown(self) -> list[Effect]:
        return self.bench.hear(PROPOSER, self.first)

    def votes(self, block: Block, *voters: int) -> list[Effect]:
        return self.bench.vote(voters, N, block=block)

    def notarized(self, block: Block) -> list[Effect]:
        certificate = make_certificate(self.bench.validators, N, view=1, block=block, voters=(2, 3, 4, 5, 6))
        return self.bench.hear(4, Certificates(certificates=(certificate,)))


class TestTelling:
    """R18: who has one signature and learns of another block shows it to those who may have the other."""

    def test_the_voter_is_answered(self) -> None:
        split = Split()
        split.shown()

        effects = split.votes(split.rival.block, 3)

        assert effects == [Send((validator_id(3),), seen(split.first))]

    def test_so_is_who_voted_before_this_node_was_shown_anything(self) -> None:
        split = Split()
        split.votes(split.rival.block, 3, 4)
        split.votes(split.first.block, 5)

        answers = told(split.shown())

        assert answers == [Send((validator_id(voter),), seen(split.first)) for voter in (3, 4)]

    def test_a_vote_earns_one_answer(self) -> None:
        split = Split()
        split.shown()
        split.votes(split.rival.block, 3)

        assert told(split.votes(split.rival.block, 3)) == []

    @pytest.mark.parametrize("is_notarized_first", [True, False])
    def test_all_are_told_when_the_other_block_is_notarized(self, is_notarized_first: bool) -> None:
        split = Split()
        steps: list[Callable[[], list[Effect]]] = [partial(split.notarized, split.rival.block), split.shown]
        first, second = steps if is_notarized_first else reversed(steps)
        assert told(first()) == []

        (send,) = told(second())

        assert send.message == seen(split.first)
        assert len(send.peers) == 6

    def test_nobody_is_told_of_what_agrees(self) -> None:
        split = Split()

        effects = split.votes(split.first.block, 2)
        effects += split.shown()
        effects += split.votes(split.first.block, 3)
        effects += split.notarized(split.first.block)

        assert told(effects) == []

    @pytest.mark.parametrize("kind", [X, F])
    def test_other_votes_are_no_occasion(self, kind: VoteKind) -> None:
        split = Split()
        split.shown()
        block = None if kind is X else split.rival.block

        effects = split.bench.vote([3], kind, block=block)

        assert told(effects) == []

    def test_nor_is_a_proposal_that_was_not_signed(self) -> None:
        split = Split()
        split.votes(split.rival.block, 3)

        assert told(split.bench.hear(PROPOSER, replace(split.first, signature=bad_signature()))) == []

    def test_the_proposer_itself_is_not_told(self) -> None:
        split = Split()
        split.shown()

        assert told(split.votes(split.rival.block, PROPOSER)) == []


class TestHearing:
    """R18: both signatures are the evidence."""

    def test_another_block_is_reported_and_told(self) -> None:
        split = Split()
        split.shown()

        effects = split.bench.hear(3, seen(split.rival))

        evidence = ConflictingProposals(
            culprit=validator_id(PROPOSER),
            epoch=Epoch(1),
            view=View(1),
            first=split.first.block.hash,
            first_signature=split.first.signature,
            second=split.rival.block.hash,
            second_signature=split.rival.signature,
        )
        assert effects[0] == Report(evidence)
        assert [send.message for send in sent(effects, EvidenceFound)] == [EvidenceFound(evidence=evidence)]

    def test_once(self) -> None:
        split = Split()
        split.shown()
        split.bench.hear(3, seen(split.rival))

        assert split.bench.hear(4, seen(split.rival)) == []

    def test_also_when_the_view_is_final(self) -> None:
        split = Split()
        split.shown()
        split.notarized(split.first.block)
        split.bench.vote(range(2, 7), F, block=split.first.block)
        assert split.bench.core.final_view == 1

        effects = split.bench.hear(3, seen(split.rival))

        assert [effect for effect in effects if isinstance(effect, Report)] != []

    def test_the_same_block_is_nothing(self) -> None:
        split = Split()
        split.shown()

        assert split.bench.hear(3, seen(split.first)) == []

    def test_who_was_shown_nothing_cannot_tell(self) -> None:
        split = Split()

        assert split.bench.hear(3, seen(split.rival)) == []

    def test_a_bad_signature_frames_nobody(self) -> None:
        split = Split()
        split.shown()

        effects = split.bench.hear(3, replace(seen(split.rival), signature=bad_signature()))

        assert penalties(effects) == [(validator_id(3), "BadSignature")]
        assert [effect for effect in effects if isinstance(effect, Report)] == []

    def test_of_a_view_of_long_ago_nothing_is_kept(self) -> None:
        """R14: what proposers signed is forgotten with the votes."""
        bench = Bench()
        block, certificate = bench.genesis, None
        for view in range(1, 40):
            proposal = bench.propose(view, block, certificate=certificate)
            if bench.proposer(view) != 0:
                bench.hear(bench.proposer(view), proposal)
            block, certificate = proposal.block, bench.certificate(N, view=view, block=proposal.block)
            finalization = bench.certificate(F, view=view, block=proposal.block)
            bench.hear(2, Votes(votes=(), certificates=(certificate, finalization)))

        assert bench.core.final_view == 39
        assert min(bench.core._state.seen) >= 39 - LATE_VIEWS - FORGET_VIEWS


def test_a_message_of_another_epoch_is_not_taken_for_this_one() -> None:
    split = Split()
    split.shown()

    effects = split.bench.hear(3, replace(seen(split.rival), epoch=Epoch(2)))

    assert [effect for effect in effects if isinstance(effect, Report)] == []
