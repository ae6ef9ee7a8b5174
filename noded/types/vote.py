"""Votes and the certificates that a quorum of them makes."""

from dataclasses import field
from enum import IntEnum
from typing import Annotated

from noded.codec.schema import Limit
from noded.crypto.hashing import tagged_hash
from noded.types.frozen import frozen
from noded.types.ids import (
    VALIDATORS_MAX,
    ZERO_HASH,
    Bitmap,
    BlockHash,
    ChainId,
    Epoch,
    Signature,
    ValidatorId,
    View,
)

VOTE_DOMAIN = b"noded/vote/1"


class VoteKind(IntEnum):
    """What a vote says about its view."""

    NOTARIZE = 1
    NULLIFY = 2
    FINALIZE = 3


def vote_signing_bytes(
    chain_id: ChainId, kind: VoteKind, epoch: Epoch, view: View, block_hash: BlockHash | None
) -> bytes:
    """What every voter of one choice signs; fixed length, so no two choices share their bytes."""
    return b"".join(
        (
            VOTE_DOMAIN,
            chain_id,
            bytes((kind,)),
            epoch.to_bytes(8, "big"),
            view.to_bytes(8, "big"),
            ZERO_HASH if block_hash is None else block_hash,
        )
    )


@frozen(kw_only=True)
class Vote:
    """
    A validator's signed choice in one view of one epoch.

    A correct validator signs at most one NOTARIZE and one FINALIZE a view, and never both
    NULLIFY and FINALIZE (R1, R3). Two votes that break this prove equivocation by themselves.
    """

    kind: VoteKind
    epoch: Epoch
    view: View
    block_hash: BlockHash | None
    """The chosen block; None exactly for NULLIFY."""
    voter: ValidatorId
    signature: Signature
    """Over the vote's signing bytes in the domain ``noded/vote/1``."""

    def conflicts_with(self, other: "Vote") -> bool:
        """Whether the two votes prove that their voter equivocated (R1, R3)."""
        if (self.voter, self.epoch, self.view) != (other.voter, other.epoch, other.view):
            return False
        if self.kind is other.kind:
            return self.block_hash != other.block_hash
        return VoteKind.NOTARIZE not in (self.kind, other.kind)

    def signing_bytes(self, chain_id: ChainId) -> bytes:
        """The bytes that `signature` signs."""
        return vote_signing_bytes(chain_id, self.kind, self.epoch, self.view, self.block_hash)


@frozen(kw_only=True)
class Certificate:
    """
    Votes of one kind for one choice in one view: a notarization, a nullification or a finalization.

    Valid iff the powers in the bitmap make a quorum of its epoch and every signature verifies.
    """

    kind: VoteKind
    epoch: Epoch
    view: View
    block_hash: BlockHash | None
    """The chosen block; None exactly for a nullification."""
    bitmap: Bitmap
    signatures: Annotated[tuple[Signature, ...], Limit(1, VALIDATORS_MAX)]
    """One for each bit set, in the bitmap's order."""
    _signatures_hash: bytes | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_signatures_hash", None)

    @property
    def signatures_hash(self) -> bytes:
        """What a block's body commits to in place of the signatures; computed once."""
        known = self._signatures_hash
        if known is None:
            known = tagged_hash("noded/signatures/1", *self.signatures)
            object.__setattr__(self, "_signatures_hash", known)
        return known

    def signing_bytes(self, chain_id: ChainId) -> bytes:
        """The bytes that each of `signatures` signs."""
        return vote_signing_bytes(chain_id, self.kind, self.epoch, self.view, self.block_hash)
