"""What the core needs of a key: signatures that it cannot make conflict."""

from typing import Protocol

from noded.types.ids import BlockHash, Epoch, PublicKey, Signature, View
from noded.types.vote import VoteKind


class Signer(Protocol):
    """Signs with the validator's consensus key; keeps a watermark of its own."""

    @property
    def public_key(self) -> PublicKey:
        """What the signatures verify under."""

    def sign_vote(
        self,
        kind: VoteKind,
        epoch: Epoch,
        view: View,
        block_hash: BlockHash | None,
        signing_bytes: bytes,
    ) -> Signature:
        """
        Sign a vote.

        Raises:
            UnsafeToSign: It would conflict with what was signed before.
        """

    def sign_proposal(
        self, epoch: Epoch, view: View, block_hash: BlockHash, signing_bytes: bytes
    ) -> Signature:
        """
        Sign a proposal.

        Raises:
            UnsafeToSign: Another one was signed for this view.
        """
