import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.crypto.signing import public_key_of, verify
from noded.keys.errors import BelowWatermark, ConflictingProposal, ConflictingVote
from noded.keys.signer import START, Watermark, WatermarkSigner
from noded.types.batch import BATCH_SIGNING_DOMAIN
from noded.types.evidence import proposal_signing_bytes
from noded.types.ids import ChainId, Epoch, PublicKey, View
from noded.types.vote import VoteKind, vote_signing_bytes
from tests.helpers.signers import (
    BLOCK_1,
    BLOCK_2,
    CHAIN,
    SEED,
    F,
    N,
    X,
    at,
    make_signer,
    propose,
    vote,
)


class TestRotation:
    """K6: the key that the ledger names signs; memory and watermark are the validator's."""

    OTHER = bytes(range(1, 33))
    KEY = PublicKey(public_key_of(OTHER))

    def make_signer(self, watermark: Watermark = START) -> WatermarkSigner:
        return WatermarkSigner(SEED, CHAIN, watermark=watermark, find_seed=self.find)

    def find(self, key: PublicKey) -> bytes | None:
        return {self.KEY: self.OTHER, PublicKey(public_key_of(SEED)): SEED}.get(key)

    def test_goes_over_and_back(self) -> None:
        signer = self.make_signer()
        first = signer.public_key

        for view, key in enumerate((self.KEY, self.KEY, first), 1):
            assert signer.switch_to(key)
            assert signer.public_key == key
            vote(signer, N, view=view)
            assert verify(key, BATCH_SIGNING_DOMAIN + CHAIN, signer.sign_batch(BATCH_SIGNING_DOMAIN + CHAIN))

    def test_a_key_that_is_not_at_hand_changes_nothing(self) -> None:
        signer = self.make_signer()
        before = signer.public_key

        assert not signer.switch_to(PublicKey(bytes(32)))
        assert not make_signer().switch_to(self.KEY)
        assert signer.public_key == before

    def test_the_new_key_contradicts_nothing_of_the_old_one(self) -> None:
        signer = self.make_signer(at(2, 5))
        first = vote(signer, N, epoch=3, view=8)
        propose(signer, epoch=3, view=8)
        signer.switch_to(self.KEY)

        with pytest.raises(ConflictingVote):
            vote(signer, N, BLOCK_2, epoch=3, view=8)
        with pytest.raises(ConflictingProposal):
            propose(signer, BLOCK_2, epoch=3, view=8)
        with pytest.raises(BelowWatermark):
            vote(signer, N, epoch=2, view=5)
        message = vote_signing_bytes(CHAIN, N, Epoch(3), View(8), BLOCK_1)
        assert signer.sign_vote(N, Epoch(3), View(8), BLOCK_1, message) == first.signature
        assert signer.highest == at(3, 8)


class TestOneVoteOfAKind:
    """K1: at most one NOTARIZE, one NULLIFY and one FINALIZE a view."""

    @pytest.mark.parametrize("kind", VoteKind)
    def test_the_same_request_gives_the_same_signature(self, kind: VoteKind) -> None:
        signer = make_signer()

        assert vote(signer, kind) == vote(signer, kind)

    @pytest.mark.parametrize("kind", [N, F])
    def test_another_block_is_refused(self, kind: VoteKind) -> None:
        signer = make_signer()
        first = vote(signer, kind, epoch=3, view=8)

        with pytest.raises(ConflictingVote) as refused:
            vote(signer, kind, BLOCK_2, epoch=3, view=8)
        assert (refused.value.epoch, refused.value.view) == (3, 8)
        assert (refused.value.wanted, refused.value.signed) == (kind.name, kind.name)
        assert vote(signer, kind, epoch=3, view=8) == first

    def test_another_view_or_epoch_is_free(self) -> None:
        signer = make_signer()
        vote(signer, N, BLOCK_1)

        vote(signer, N, BLOCK_2, view=2)
        vote(signer, N, BLOCK_2, epoch=2)


class TestKindsThatExclude:
    """K2: never both NULLIFY and FINALIZE in a view, and no NOTARIZE after a NULLIFY."""

    @pytest.mark.parametrize(("first", "second"), [(X, F), (F, X), (X, N)])
    def test_the_second_is_refused(self, first: VoteKind, second: VoteKind) -> None:
        signer = make_signer()
        vote(signer, first)

        with pytest.raises(ConflictingVote) as refused:
            vote(signer, second)
        assert (refused.value.wanted, refused.value.signed) == (second.name, first.name)

    @pytest.mark.parametrize(("first", "second"), [(N, X), (N, F), (F, N)])
    def test_legal_pairs_are_signed(self, first: VoteKind, second: VoteKind) -> None:
        signer = make_signer()

        vote(signer, first)
        vote(signer, second)

    def test_a_finalize_needs_no_notarize_of_the_same_block(self) -> None:
        signer = make_signer()
        vote(signer, N, BLOCK_1)

        vote(signer, F, BLOCK_2)

    def test_a_notarize_signed_before_the_nullify_is_given_again(self) -> None:
        signer = make_signer()
        first = vote(signer, N)
        vote(signer, X)

        assert vote(signer, N) == first


class TestProposals:
    """K3: at most one proposal a view."""

    def test_the_same_block_gives_the_same_signature(self) -> None:
        signer = make_signer()

        assert propose(signer) == propose(signer)

    def test_another_block_is_refused(self) -> None:
        signer = make_signer()
        propose(signer, BLOCK_1, epoch=2, view=5)

        with pytest.raises(ConflictingProposal) as refused:
            propose(signer, BLOCK_2, epoch=2, view=5)
        assert (refused.value.epoch, refused.value.view) == (2, 5)

    def test_another_view_is_free(self) -> None:
        signer = make_signer()
        propose(signer, BLOCK_1)

        propose(signer, BLOCK_2, view=2)


class TestWatermark:
    """K4: nothing new at or below the watermark, which only rises."""

    @pytest.mark.parametrize(("epoch", "view"), [(2, 5), (2, 4), (1, 900)])
    def test_at_or_below_is_refused(self, epoch: int, view: int) -> None:
        signer = make_signer(at(2, 5))

        for kind in VoteKind:
            with pytest.raises(BelowWatermark) as refused:
                vote(signer, kind, epoch=epoch, view=view)
            assert (refused.value.epoch, refused.value.view) == (epoch, view)
        with pytest.raises(BelowWatermark):
            propose(signer, epoch=epoch, view=view)

    @pytest.mark.parametrize(("epoch", "view"), [(2, 6), (3, 1)])
    def test_above_is_signed(self, epoch: int, view: int) -> None:
        signer = make_signer(at(2, 5))

        vote(signer, N, epoch=epoch, view=view)
        propose(signer, epoch=epoch, view=view)

    def test_raising_it_forgets_what_lies_below(self) -> None:
        signer = make_signer()
        vote(signer, N, view=1)
        kept = vote(signer, N, view=2)
        signer.raise_watermark(at(1, 1))

        with pytest.raises(BelowWatermark):
            vote(signer, N, view=1)
        assert vote(signer, N, view=2) == kept

    def test_it_never_falls(self) -> None:
        signer = make_signer(at(2, 5))
        signer.raise_watermark(at(1, 9))

        assert signer.watermark == at(2, 5)
        with pytest.raises(BelowWatermark):
            vote(signer, N, epoch=2, view=5)

    def test_the_highest_place_covers_votes_proposals_and_the_watermark(self) -> None:
        signer = make_signer()
        assert signer.highest == START
        vote(signer, N, view=4)
        assert signer.highest == at(1, 4)
        propose(signer, view=6)
        assert signer.highest == at(1, 6)
        vote(signer, N, view=5)
        assert signer.highest == at(1, 6)
        signer.raise_watermark(at(2, 1))
        assert signer.highest == at(2, 1)

    def test_a_copy_elsewhere_signs_nothing_that_the_first_may_have_signed(self) -> None:
        signer = make_signer()
        vote(signer, N, view=7)
        copy = make_signer(signer.highest)

        with pytest.raises(BelowWatermark):
            vote(copy, N, BLOCK_2, view=7)


class TestMessages:
    """K5: only bytes that the signer could judge."""

    def test_a_message_that_is_not_the_votes_own_is_a_bug(self) -> None:
        signer = make_signer()
        other = vote_signing_bytes(CHAIN, N, Epoch(1), View(2), BLOCK_1)

        with pytest.raises(AssertionError):
            signer.sign_vote(N, Epoch(1), View(1), BLOCK_1, other)
        vote(signer, N, BLOCK_2)

    def test_a_message_of_another_chain_is_a_bug(self) -> None:
        message = vote_signing_bytes(ChainId(b"\x08" * 32), X, Epoch(1), View(1), None)

        with pytest.raises(AssertionError):
            make_signer().sign_vote(X, Epoch(1), View(1), None, message)

    def test_a_proposal_of_another_view_is_a_bug(self) -> None:
        message = proposal_signing_bytes(CHAIN, Epoch(1), View(2), BLOCK_1)

        with pytest.raises(AssertionError):
            make_signer().sign_proposal(Epoch(1), View(1), BLOCK_1, message)

    def test_a_batch_is_signed(self) -> None:
        signer = make_signer()
        message = BATCH_SIGNING_DOMAIN + CHAIN + b"batch"

        assert verify(signer.public_key, message, signer.sign_batch(message))

    @pytest.mark.parametrize(
        "message",
        [
            vote_signing_bytes(CHAIN, N, Epoch(1), View(1), BLOCK_1),
            proposal_signing_bytes(CHAIN, Epoch(1), View(1), BLOCK_1),
            BATCH_SIGNING_DOMAIN + b"\x08" * 32,
        ],
    )
    def test_nothing_else_passes_for_a_batch(self, message: bytes) -> None:
        with pytest.raises(AssertionError):
            make_signer().sign_batch(message)


def test_a_refusal_leaves_no_trace() -> None:
    signer = make_signer(at(1, 3))
    with pytest.raises(BelowWatermark):
        vote(signer, N, view=2)
    vote(signer, N, view=5)
    with pytest.raises(ConflictingVote):
        vote(signer, N, BLOCK_2, view=5)
    vote(signer, X, view=5)
    with pytest.raises(ConflictingVote):
        vote(signer, F, view=5)

    assert signer.highest == at(1, 5)
    assert signer.watermark == at(1, 3)


@given(st.binary(min_size=32, max_size=32))
def test_the_public_key_is_the_seeds(seed: bytes) -> None:
    signer = WatermarkSigner(seed, CHAIN)
    message = vote_signing_bytes(CHAIN, X, Epoch(1), View(1), None)

    assert verify(signer.public_key, message, signer.sign_vote(X, Epoch(1), View(1), None, message))
