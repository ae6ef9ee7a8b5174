"""What a signer knows after a restart, and that it never contradicts itself, whatever it is asked."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from noded.errors import UnsafeToSign
from noded.keys.errors import ConflictingProposal, ConflictingVote
from noded.types.ids import BlockHash, Epoch, Signature, View
from noded.types.vote import Vote, VoteKind
from tests.helpers.signers import (
    BLOCK_1,
    BLOCK_2,
    CHAIN,
    VOTER,
    F,
    N,
    X,
    at,
    make_signer,
    propose,
    vote,
)


class TestRestore:
    """The signer is rebuilt from the log's records."""

    def test_what_was_signed_before_a_restart_binds(self) -> None:
        before = make_signer()
        notarize, finalize = vote(before, N), vote(before, F)
        proposal = propose(before, view=2)
        after = make_signer()
        for known in (notarize, finalize):
            after.restore_vote(known)
        after.restore_proposal(Epoch(1), View(2), BLOCK_1, proposal)

        assert vote(after, N) == notarize
        assert propose(after, view=2) == proposal
        assert after.highest == at(1, 2)
        with pytest.raises(ConflictingVote):
            vote(after, N, BLOCK_2)
        with pytest.raises(ConflictingVote):
            vote(after, X)
        with pytest.raises(ConflictingProposal):
            propose(after, BLOCK_2, view=2)

    def test_the_stored_signature_is_given_again(self) -> None:
        signer = make_signer()
        known = Vote(
            kind=N,
            epoch=Epoch(1),
            view=View(1),
            block_hash=BLOCK_1,
            voter=VOTER,
            signature=Signature(b"\x01" * 64),
        )
        signer.restore_vote(known)

        message = known.signing_bytes(CHAIN)
        assert signer.sign_vote(N, Epoch(1), View(1), BLOCK_1, message) == known.signature

    def test_a_record_twice_in_the_log_is_harmless(self) -> None:
        known = vote(make_signer(), N)
        proposal = propose(make_signer())
        signer = make_signer()
        for _ in range(2):
            signer.restore_vote(known)
            signer.restore_proposal(Epoch(1), View(1), BLOCK_1, proposal)

        assert vote(signer, N) == known

    def test_a_log_in_which_the_key_contradicts_itself_is_refused(self) -> None:
        signer = make_signer()
        signer.restore_vote(vote(make_signer(), N, BLOCK_1))
        signer.restore_proposal(Epoch(1), View(1), BLOCK_1, propose(make_signer(), BLOCK_1))

        with pytest.raises(ConflictingVote):
            signer.restore_vote(vote(make_signer(), N, BLOCK_2))
        with pytest.raises(ConflictingProposal):
            signer.restore_proposal(Epoch(1), View(1), BLOCK_2, propose(make_signer(), BLOCK_2))


class SignerMachine(RuleBasedStateMachine):
    """Whatever is asked, in whatever order, with restarts: no two signatures contradict each other."""

    def __init__(self) -> None:
        super().__init__()
        self.signer = make_signer()
        self.log: list[Vote] = []
        self.proposals: list[tuple[int, BlockHash, Signature]] = []

    @rule(kind=st.sampled_from(VoteKind), view=st.integers(1, 3), block=st.sampled_from([BLOCK_1, BLOCK_2]))
    def ask_for_a_vote(self, kind: VoteKind, view: int, block: BlockHash) -> None:
        try:
            self.log.append(vote(self.signer, kind, block, view=view))
        except UnsafeToSign:
            return

    @rule(view=st.integers(1, 3), block=st.sampled_from([BLOCK_1, BLOCK_2]))
    def ask_for_a_proposal(self, view: int, block: BlockHash) -> None:
        try:
            self.proposals.append((view, block, propose(self.signer, block, view=view)))
        except UnsafeToSign:
            return

    @rule(view=st.integers(0, 2))
    def raise_the_watermark(self, view: int) -> None:
        self.signer.raise_watermark(at(1, view))

    @rule()
    def restart(self) -> None:
        watermark = self.signer.watermark
        self.signer = make_signer(watermark)
        for known in self.log:
            if at(known.epoch, known.view) > watermark:
                self.signer.restore_vote(known)
        for view, block, signature in self.proposals:
            if at(1, view) > watermark:
                self.signer.restore_proposal(Epoch(1), View(view), block, signature)

    @invariant()
    def no_vote_conflicts_with_another(self) -> None:
        for i, first in enumerate(self.log):
            assert not any(first.conflicts_with(second) for second in self.log[i + 1 :])
            later = self.log[i + 1 :]
            if first.kind is X:
                again = self.log[:i]
                assert all(v in again for v in later if v.kind is N and v.view == first.view)
        chosen: dict[int, BlockHash] = {}
        for view, block, _ in self.proposals:
            assert chosen.setdefault(view, block) == block


TestSignerMachine = SignerMachine.TestCase
