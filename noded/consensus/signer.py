"""What the core needs of a validator's keys: signatures that it cannot make conflict."""

from enum import Enum
from typing import Protocol

from noded.types.ids import BlockHash, Epoch, PublicKey, Signature, ValidatorId, View
from noded.types.validator_set import ValidatorSet
from noded.types.vote import VoteKind


class Signer(Protocol):
    """Signs with the validator's consensus key of the present epoch; keeps a watermark of its own."""

    def switch_to(self, key: PublicKey) -> bool:
        """Sign with this key from now on; False, and nothing changes, if it is not at hand."""

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


class Silence(Enum):
    """Why a node signs nothing in an epoch (R21)."""

    NOT_IN_TABLE = "the epoch's table does not name this validator"
    NO_KEY = "the key that the table names is not at hand"
    LOG_LOST = "what was signed before is not known"
    WAITING = "how far the chain is is not known yet"
    STOPPED = "the node was told to stop"


def takes_part(validators: ValidatorSet, member: ValidatorId, signer: Signer) -> bool:
    """R21: whether a member may sign in an epoch: with the key that its table names, which is now the one in use."""
    return member in validators and signer.switch_to(validators.public_key(member))
