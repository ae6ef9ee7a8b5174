"""Blocks: ordered batches, with what the parent's certificate and the skipped views say about the voters."""

from dataclasses import field
from enum import IntEnum
from typing import Annotated

from noded.codec.schema import Limit, encode_value
from noded.crypto.hashing import tagged_hash
from noded.crypto.merkle import merkle_root
from noded.types.evidence import EVIDENCE, Evidence
from noded.types.frozen import frozen
from noded.types.ids import (
    BatchHash,
    Bitmap,
    BlockHash,
    ChainId,
    Epoch,
    Height,
    Root,
    Signature,
    StateRoot,
    TimestampMs,
    ValidatorId,
    View,
)
from noded.types.vote import Certificate, VoteKind

BLOCK_VERSION = 1
BLOCK_DOMAIN = "noded/block/1"

BATCHES_MAX = 1024
"""Batches named by one block: 32 KiB of hashes, so that a proposal fits a consensus frame of 64 KiB."""

CREDITS_MAX = 64
"""Late votes credited by one block."""

SKIPS_MAX = 256
"""Skipped views recorded by one block; a longer gap records its latest ones."""

TAIL_MAX = 64
"""Headers between a block and a finalization above it."""

EVIDENCE_MAX = 4
"""Pieces of evidence in one block; each may hold two whole proposals."""


class BlockKind(IntEnum):
    """The place of a block in its epoch."""

    NORMAL = 1
    TERMINAL = 2
    """At the epoch's last height; commits the next epoch's table."""
    SEAL = 3
    """After a terminal block, to get it finalised; empty, and no part of the ledger."""


@frozen(kw_only=True)
class BlockHeader:
    """What a block's hash commits to."""

    version: Annotated[int, Limit(1, 255)]
    chain_id: ChainId
    epoch: Epoch
    view: View
    """0 exactly for the chain's genesis block."""
    height: Height
    parent_hash: BlockHash
    parent_view: View
    """View in which the parent was proposed; 0 when the parent is the epoch's genesis block."""
    proposer: ValidatorId
    kind: BlockKind
    payload_root: Root
    parent_state_root: StateRoot
    """State after executing the parent: one block of lag, so that no vote waits for its own block."""
    justify_root: Root
    evidence_root: Root
    time_ms: TimestampMs
    epoch_root: Root
    """Merkle root of this epoch's table of validators."""
    next_epoch_root: Root | None
    """Merkle root of the next epoch's table; None except in a TERMINAL block."""


@frozen(kw_only=True)
class JustifyLeaf:
    """A certificate without its signatures, which travel beside and may be pruned."""

    kind: VoteKind
    view: View
    block_hash: BlockHash | None
    bitmap: Bitmap
    signatures_hash: Annotated[bytes, Limit(32, 32)]


@frozen(kw_only=True)
class LateCredit:
    """A vote for an ancestor that came after its certificate; the signature proves it."""

    kind: VoteKind
    view: View
    """View of the ancestor voted for, in this epoch."""
    block_hash: BlockHash
    voter: ValidatorId
    signature: Signature


@frozen(kw_only=True)
class BlockBody:
    """What a block carries."""

    payload: Annotated[tuple[BatchHash, ...], Limit(0, BATCHES_MAX)]
    parent: JustifyLeaf | None
    """The parent's notarization; None in the first block of an epoch."""
    skipped: Annotated[tuple[JustifyLeaf, ...], Limit(0, SKIPS_MAX)]
    """Nullifications of the views between the parent's and this one, ascending."""
    credits: Annotated[tuple[LateCredit, ...], Limit(0, CREDITS_MAX)]
    evidence: Annotated[tuple[Annotated[Evidence, EVIDENCE], ...], Limit(0, EVIDENCE_MAX)]


@frozen(kw_only=True)
class Block:
    """A header and the body that it commits to."""

    header: BlockHeader
    body: BlockBody
    hash: BlockHash = field(init=False, compare=False)
    _is_consistent: bool | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hash", header_hash(self.header))
        object.__setattr__(self, "_is_consistent", None)

    def is_consistent(self) -> bool:
        """Whether the header's roots are those of the body; computed once."""
        known = self._is_consistent
        if known is None:
            header, body = self.header, self.body
            known = (
                header.payload_root == payload_root(body.payload)
                and header.justify_root == justify_root(body)
                and header.evidence_root == evidence_root(body.evidence)
            )
            object.__setattr__(self, "_is_consistent", known)
        return known


@frozen(kw_only=True)
class FinalityProof:
    """Why a block is final: a finalization of it, or of a descendant with the headers between."""

    tail: Annotated[tuple[BlockHeader, ...], Limit(0, TAIL_MAX)]
    """From the block's child to the block that the finalization names; empty where it names the block."""
    finalization: Certificate


def header_hash(header: BlockHeader) -> BlockHash:
    """The hash that names a block."""
    return BlockHash(tagged_hash(BLOCK_DOMAIN, encode_value(header)))


def payload_root(payload: tuple[BatchHash, ...]) -> Root:
    """Merkle root over the batch hashes, in order."""
    return Root(merkle_root(list(payload)))


def justify_root(body: BlockBody) -> Root:
    """Merkle root over the parent's leaf, the skipped views' leaves, then the credits."""
    leaves = [encode_value(body.parent)] if body.parent is not None else []
    leaves += [encode_value(leaf) for leaf in body.skipped]
    leaves += [encode_value(credit) for credit in body.credits]
    return Root(merkle_root(leaves))


def evidence_root(evidence: tuple[Evidence, ...]) -> Root:
    """Merkle root over the pieces of evidence, in order."""
    return Root(merkle_root([EVIDENCE.encode(piece) for piece in evidence]))


def justify_leaf(certificate: Certificate) -> JustifyLeaf:
    """What of a certificate goes into a block's body."""
    return JustifyLeaf(
        kind=certificate.kind,
        view=certificate.view,
        block_hash=certificate.block_hash,
        bitmap=certificate.bitmap,
        signatures_hash=certificate.signatures_hash,
    )
