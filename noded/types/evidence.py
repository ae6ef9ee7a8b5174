"""Evidence: signed statements that prove a fault by themselves, to anyone who has the epoch's table."""

from typing import Annotated, TypeAlias

from noded.codec.schema import Limit, Registry
from noded.types.frozen import frozen
from noded.types.ids import BlockHash, ChainId, Epoch, Signature, ValidatorId, View
from noded.types.vote import Vote

PROPOSAL_DOMAIN = b"noded/proposal/1"

INVALID_PROPOSAL_BYTES_MAX = 60_000
"""A block whose invalidity is evidence; a larger one is refused unseen and proves nothing."""


def proposal_signing_bytes(chain_id: ChainId, epoch: Epoch, view: View, block_hash: BlockHash) -> bytes:
    """What a proposer signs; fixed length, so no two proposals share their bytes."""
    return b"".join(
        (PROPOSAL_DOMAIN, chain_id, epoch.to_bytes(8, "big"), view.to_bytes(8, "big"), block_hash)
    )


@frozen(kw_only=True)
class ConflictingVotes:
    """Two votes of one signer, epoch and view that no correct validator signs together (R1, R3)."""

    first: Vote
    second: Vote

    @property
    def culprit(self) -> ValidatorId:
        """Who signed both."""
        return self.first.voter

    @property
    def epoch(self) -> Epoch:
        """The epoch whose table judges it."""
        return self.first.epoch

    @property
    def view(self) -> View:
        """Where it happened."""
        return self.first.view


@frozen(kw_only=True)
class ConflictingProposals:
    """Two blocks that one proposer signed for one view (R1)."""

    culprit: ValidatorId
    epoch: Epoch
    view: View
    first: BlockHash
    first_signature: Signature
    second: BlockHash
    second_signature: Signature


@frozen(kw_only=True)
class InvalidProposal:
    """A signed block that its own bytes, its parent's header and the epoch's table show to be invalid."""

    culprit: ValidatorId
    epoch: Epoch
    view: View
    block: Annotated[bytes, Limit(1, INVALID_PROPOSAL_BYTES_MAX)]
    """Encoding of the block."""
    signature: Signature
    parent_header: Annotated[bytes, Limit(0, 1024)]
    """Encoding of the header that the block names as its parent; empty where it is not needed."""


Evidence: TypeAlias = ConflictingVotes | ConflictingProposals | InvalidProposal

EVIDENCE: Registry[Evidence] = Registry("evidence")
EVIDENCE.register(1, ConflictingVotes)
EVIDENCE.register(2, ConflictingProposals)
EVIDENCE.register(3, InvalidProposal)
