"""R18, R19: faults that can be proven."""

from dataclasses import replace

import pytest

from noded.codec.schema import encode_value
from noded.consensus.effects import Effect, Report
from noded.consensus.evidence import evidence_checks, evidence_fault
from noded.consensus.reporting import REPORTS_MAX
from noded.consensus.rules import EpochFacts
from noded.types.block import Block
from noded.types.checks import SignatureCheck
from noded.types.evidence import (
    ConflictingProposals,
    ConflictingVotes,
    Evidence,
    InvalidProposal,
    proposal_signing_bytes,
)
from noded.types.ids import BatchHash, BlockHash, Epoch, Height, TimestampMs, View
from noded.types.messages import EvidenceFound, Votes
from noded.types.vote import Certificate, Vote, VoteKind
from tests.helpers.consensus_bench import Bench, F, N, X, penalties, sent, votes_sent
from tests.helpers.consensus_values import (
    CHAIN_ID,
    bad_signature,
    equal_set,
    is_good,
    make_block,
    make_certificate,
    make_genesis,
    make_proposal,
    make_vote,
    sign,
    validator_id,
)

SET = equal_set(4)
GENESIS = make_genesis(SET)
FACTS = EpochFacts(CHAIN_ID, SET, GENESIS.header, GENESIS.hash, 1000)
ONE, OTHER = BlockHash(b"\1" * 32), BlockHash(b"\2" * 32)


def reports(effects: list[Effect]) -> list[Evidence]:
    return [effect.evidence for effect in effects if isinstance(effect, Report)]


def two_proposals() -> ConflictingProposals:
    first, second = (
        make_proposal(make_block(SET, view=1, parent=GENESIS, payload=payload))
        for payload in ((), (bytes(32),))
    )
    return ConflictingProposals(
        culprit=validator_id(1),
        epoch=Epoch(1),
        view=View(1),
        first=first.block.hash,
        first_signature=first.signature,
        second=second.block.hash,
        second_signature=second.signature,
    )


def invalid_block() -> Block:
    """It states a table at the wrong place."""
    return make_block(SET, view=1, parent=GENESIS, next_epoch_root=SET.root)


def with_another_body(block: Block) -> Block:
    """The header of `block`, which its proposer signed, and a body that it did not."""
    return Block(header=block.header, body=replace(block.body, payload=(BatchHash(bytes(32)),)))


def invalid_proposal(block: Block, *, parent: Block | None = None) -> InvalidProposal:
    header = block.header
    return InvalidProposal(
        culprit=header.proposer,
        epoch=header.epoch,
        view=header.view,
        block=encode_value(block),
        signature=sign(
            header.proposer, proposal_signing_bytes(CHAIN_ID, header.epoch, header.view, block.hash)
        ),
        parent_header=b"" if parent is None else encode_value(parent.header),
    )


def two_votes(first: VoteKind = N, second: VoteKind = N) -> ConflictingVotes:
    return ConflictingVotes(
        first=make_vote(3, first, block=None if first is X else ONE),
        second=make_vote(3, second, block=None if second is X else OTHER),
    )


class TestVotes:
    """R18: two votes that exclude each other, whichever comes first."""

    @pytest.mark.parametrize(("first", "second"), [(N, N), (F, F), (X, F), (F, X)])
    def test_a_conflict_is_reported_and_told(self, first: VoteKind, second: VoteKind) -> None:
        bench = Bench()
        pair = two_votes(first, second)

        bench.hear(3, Votes(votes=(pair.first,), certificates=()))
        effects = bench.hear(3, Votes(votes=(pair.second,), certificates=()))

        assert reports(effects) == [pair]
        (send,) = sent(effects, EvidenceFound)
        assert send.message == EvidenceFound(evidence=pair)
        assert len(send.peers) == 3

    @pytest.mark.parametrize(("first", "second"), [(N, X), (N, F), (X, X)])
    def test_what_may_stand_together_is_not(self, first: VoteKind, second: VoteKind) -> None:
        bench = Bench()
        votes = tuple(make_vote(3, kind, block=None if kind is X else ONE) for kind in (first, second))

        effects = bench.hear(3, Votes(votes=votes, certificates=()))

        assert reports(effects) == []

    def test_it_is_reported_once(self) -> None:
        bench = Bench()
        third = make_vote(3, N, block=BlockHash(b"\3" * 32))
        pair = two_votes()

        effects = bench.hear(3, Votes(votes=(pair.first, pair.second, third), certificates=()))
        effects += bench.hear(3, Votes(votes=(pair.second,), certificates=()))

        assert len(reports(effects)) == 1

    def test_nobody_hides_behind_the_faults_of_another(self) -> None:
        """R18: who shows its own faults by the thousand is named, and so is who is at fault after it."""
        bench = Bench()

        def pair(voter: int, view: int) -> ConflictingVotes:
            return ConflictingVotes(
                first=make_vote(voter, N, view=view, block=ONE),
                second=make_vote(voter, N, view=view, block=OTHER),
            )

        own = [reports(bench.hear(2, EvidenceFound(evidence=pair(2, view)))) for view in range(1, 1500)]

        assert reports(bench.hear(3, EvidenceFound(evidence=pair(3, 1)))) == [pair(3, 1)]
        assert sum(map(len, own)) == REPORTS_MAX

    def test_a_bad_signature_frames_nobody(self) -> None:
        bench = Bench()
        pair = two_votes()
        forged = replace(pair.second, signature=bad_signature())

        effects = bench.hear(3, Votes(votes=(pair.first, forged), certificates=()))

        assert reports(effects) == []
        assert penalties(effects) == [(validator_id(3), "BadSignature")]

    def test_the_first_vote_goes_on_counting(self) -> None:
        bench = Bench()
        block = bench.propose(1, bench.genesis).block
        rival = make_vote(3, N, block=ONE)

        bench.vote([3], N, block=block)
        bench.hear(3, Votes(votes=(rival,), certificates=()))
        bench.vote([1, 2], N, block=block)

        assert bench.core.view == 2


class TestCertificates:
    """R18: who tells this node one thing and has its vote for another in a certificate."""

    def certificate(self, kind: VoteKind, block: BlockHash | None) -> Certificate:
        return make_certificate(SET, kind, view=1, block=block, voters=(1, 2, 3))

    @pytest.mark.parametrize(("told", "certified"), [(N, N), (F, X), (X, F), (F, F)])
    @pytest.mark.parametrize("is_vote_first", [True, False])
    def test_a_contradiction_is_reported_and_told(
        self, told: VoteKind, certified: VoteKind, is_vote_first: bool
    ) -> None:
        bench = Bench()
        vote = make_vote(3, told, block=None if told is X else ONE)
        certificate = self.certificate(certified, None if certified is X else OTHER)
        steps = [
            (3, Votes(votes=(vote,), certificates=())),
            (2, Votes(votes=(), certificates=(certificate,))),
        ]
        first, second = steps if is_vote_first else steps[::-1]
        assert reports(bench.hear(*first)) == []

        effects = bench.hear(*second)

        (evidence,) = reports(effects)
        assert isinstance(evidence, ConflictingVotes)
        assert evidence.culprit == validator_id(3)
        assert evidence_fault(evidence, FACTS) is None
        assert all(map(is_good, evidence_checks(evidence, SET, CHAIN_ID)))
        assert len(sent(effects, EvidenceFound)) == 1

    @pytest.mark.parametrize(("told", "certified"), [(N, N), (N, X), (X, N), (F, N), (X, X)])
    def test_what_may_stand_together_is_not(self, told: VoteKind, certified: VoteKind) -> None:
        bench = Bench()
        vote = make_vote(3, told, block=None if told is X else ONE)
        certificate = self.certificate(certified, None if certified is X else ONE)

        effects = bench.hear(3, Votes(votes=(vote,), certificates=()))
        effects += bench.hear(2, Votes(votes=(), certificates=(certificate,)))
        effects += bench.hear(3, Votes(votes=(vote,), certificates=()))

        assert reports(effects) == []

    def test_who_is_not_in_the_certificate_is_not_blamed(self) -> None:
        bench = Bench()
        certificate = make_certificate(SET, N, view=1, block=OTHER, voters=(0, 1, 2))

        effects = bench.hear(3, Votes(votes=(make_vote(3, N, block=ONE),), certificates=()))
        effects += bench.hear(2, Votes(votes=(), certificates=(certificate,)))

        assert reports(effects) == []

    @pytest.mark.parametrize("is_vote_first", [True, False])
    def test_a_bad_signature_frames_nobody(self, is_vote_first: bool) -> None:
        bench = Bench()
        forged = replace(make_vote(3, N, block=ONE), signature=bad_signature())
        certificate = self.certificate(N, OTHER)
        steps = [
            (3, Votes(votes=(forged,), certificates=())),
            (2, Votes(votes=(), certificates=(certificate,))),
        ]

        effects = [
            effect for step in (steps if is_vote_first else steps[::-1]) for effect in bench.hear(*step)
        ]

        assert reports(effects) == []
        assert penalties(effects) == [(validator_id(3), "BadSignature")]


class TestProposals:
    """R18: two blocks of one proposer in one view."""

    def test_both_are_reported(self) -> None:
        bench = Bench()
        first = bench.propose(1, bench.genesis)
        second = bench.propose(1, bench.genesis, payload=(bytes(32),))

        bench.hear(1, first)
        effects = bench.hear(1, second)

        (evidence,) = reports(effects)
        assert evidence == two_proposals()

    def test_a_bad_signature_frames_nobody(self) -> None:
        bench = Bench()
        bench.hear(1, bench.propose(1, bench.genesis))
        second = bench.propose(1, bench.genesis, payload=(bytes(32),)).block

        effects = bench.hear(1, make_proposal(second, signature=bad_signature()))

        assert reports(effects) == []
        assert penalties(effects) == [(validator_id(1), "BadSignature")]


class TestInvalidProposals:
    """R19: what a block's bytes, its parent's header and the table decide."""

    def test_it_is_reported_and_nullified_at_once(self) -> None:
        bench = Bench()
        block = invalid_block()

        effects = bench.hear(1, make_proposal(block))

        assert reports(effects) == [invalid_proposal(block)]
        assert votes_sent(effects) == [(X, 1)]
        assert penalties(effects) == [(validator_id(1), "InvalidBlock")]

    def test_a_wrong_height_is_shown_with_the_parent_s_header(self) -> None:
        bench = Bench()
        first = bench.propose(1, bench.genesis)
        bench.hear(1, first)
        second = bench.propose(2, first.block, height=Height(7))

        effects = bench.hear(2, second)

        assert reports(effects) == [invalid_proposal(second.block, parent=first.block)]

    def test_time_never_is(self) -> None:
        bench = Bench()
        block = bench.propose(1, bench.genesis, time_ms=TimestampMs(1)).block

        effects = bench.hear(1, make_proposal(block))

        assert reports(effects) == []
        assert votes_sent(effects) == [(X, 1)]

    def test_state_never_is(self) -> None:
        bench = Bench()
        proposal = bench.propose(1, bench.genesis)
        bench.invalid[proposal.block.hash] = "another state"

        assert reports(bench.hear(1, proposal)) == []

    def test_another_body_under_a_signed_header_is_an_offence_but_proves_nothing(self) -> None:
        """The signature covers the header: anybody can put another body under it."""
        bench = Bench()
        proposal = bench.propose(1, bench.genesis)

        effects = bench.hear(1, make_proposal(with_another_body(proposal.block)))

        assert reports(effects) == []
        assert penalties(effects) == [(validator_id(1), "BadProposal")]
        assert votes_sent(bench.hear(1, proposal)) == [(N, 1)]

    def test_without_its_signature_nothing_is_proven(self) -> None:
        bench = Bench()

        effects = bench.hear(1, make_proposal(invalid_block(), signature=bad_signature()))

        assert reports(effects) == []
        assert penalties(effects) == [(validator_id(1), "BadSignature")]


class TestJudging:
    """R18, R19: evidence is judged by its epoch's table, and by nothing else."""

    GOOD = (
        two_votes(),
        two_votes(F, F),
        two_votes(X, F),
        two_proposals(),
        invalid_proposal(invalid_block()),
        invalid_proposal(
            make_block(SET, view=1, parent=GENESIS, height=Height(9)),
        ),
    )

    @pytest.mark.parametrize("evidence", GOOD)
    def test_good_evidence_has_no_fault_and_good_signatures(self, evidence: Evidence) -> None:
        assert evidence_fault(evidence, FACTS) is None
        assert all(is_good(check) for check in evidence_checks(evidence, SET, CHAIN_ID))

    @pytest.mark.parametrize(
        "evidence",
        [
            ConflictingVotes(first=make_vote(3, N, block=ONE), second=make_vote(3, N, block=ONE)),
            ConflictingVotes(first=make_vote(3, N, block=ONE), second=make_vote(2, N, block=OTHER)),
            ConflictingVotes(first=make_vote(3, N, block=ONE), second=make_vote(3, N, view=2, block=OTHER)),
            ConflictingVotes(first=make_vote(3, N, block=ONE), second=make_vote(3, X)),
            ConflictingVotes(first=make_vote(9, N, block=ONE), second=make_vote(9, N, block=OTHER)),
            ConflictingVotes(
                first=make_vote(3, N, block=ONE, epoch=2), second=make_vote(3, N, block=OTHER, epoch=2)
            ),
            replace(two_proposals(), second=two_proposals().first),
            replace(two_proposals(), culprit=validator_id(2)),
            replace(two_proposals(), view=View(2)),
            invalid_proposal(make_block(SET, view=1, parent=GENESIS)),
            invalid_proposal(with_another_body(make_block(SET, view=1, parent=GENESIS))),
            invalid_proposal(with_another_body(invalid_block())),
            replace(invalid_proposal(invalid_block()), block=b"\x80"),
            replace(invalid_proposal(invalid_block()), parent_header=b"\x80"),
            replace(invalid_proposal(invalid_block()), view=View(5)),
            replace(invalid_proposal(invalid_block()), parent_header=encode_value(invalid_block().header)),
        ],
    )
    def test_what_proves_nothing_is_refused(self, evidence: Evidence) -> None:
        assert evidence_fault(evidence, FACTS) is not None

    def test_a_forged_signature_shows(self) -> None:
        forged = replace(two_proposals(), second_signature=bad_signature())

        checks = evidence_checks(forged, SET, CHAIN_ID)

        assert [is_good(check) for check in checks] == [True, False]
        assert all(isinstance(check, SignatureCheck) for check in checks)


class TestEvidenceFromPeers:
    """R18: evidence of others is taken over once it is verified."""

    def hear(self, bench: Bench, evidence: Evidence) -> list[Effect]:
        return bench.hear(2, EvidenceFound(evidence=evidence))

    def test_it_is_reported_but_not_passed_on(self) -> None:
        effects = self.hear(Bench(), two_votes())

        assert reports(effects) == [two_votes()]
        assert sent(effects, EvidenceFound) == []

    def test_once(self) -> None:
        bench = Bench()
        self.hear(bench, two_votes())

        assert self.hear(bench, two_votes()) == []

    def test_what_proves_nothing_is_an_offence(self) -> None:
        nothing = ConflictingVotes(first=two_votes().first, second=two_votes().first)

        assert penalties(self.hear(Bench(), nothing)) == [(validator_id(2), "BadEvidence")]

    def test_so_is_what_was_not_signed(self) -> None:
        vote: Vote = two_votes().second
        forged = ConflictingVotes(first=two_votes().first, second=replace(vote, signature=bad_signature()))

        assert penalties(self.hear(Bench(), forged)) == [(validator_id(2), "BadEvidence")]
