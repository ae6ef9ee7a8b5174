"""Messages between nodes, and their tags on the wire."""

from typing import Annotated, TypeAlias

from noded.codec.schema import Limit, Registry
from noded.types.batch import BATCH_BYTES_MAX, TRANSACTION_BYTES_MAX, TRANSACTIONS_MAX
from noded.types.block import Block, BlockHeader
from noded.types.evidence import EVIDENCE, Evidence
from noded.types.frozen import frozen
from noded.types.ids import BatchHash, BlockHash, Epoch, Height, Signature, View
from noded.types.validator_set import ValidatorTable
from noded.types.vote import Certificate, Vote, VoteKind

CONSENSUS_MESSAGE_BYTES_MAX = 64 * 1024 - 64
"""What one frame of the consensus lane holds; a larger message goes over the bulk lane."""

BULK_MESSAGE_BYTES_MAX = 1024 * 1024 - 64
"""What one frame of the bulk lane holds."""

GAP_CERTIFICATES_MAX = 64
"""Nullifications enclosed in a proposal; voters ask for the rest in pages."""

VOTES_MAX = 32
"""Votes in one message: one's own of the view, F votes that ride along for 8 views, late votes for 16."""

HELD_MAX = 128
"""Batches acknowledged by one message: 1 KiB."""

HASHES_MAX = 1024
BLOCKS_MAX = 64
"""Blocks in one range of block sync."""


@frozen(kw_only=True)
class Proposal:
    """A block offered in its view, with every certificate that the check of R2 needs."""

    block: Block
    signature: Signature
    """The proposer's, over `proposal_signing_bytes`."""
    parent: Certificate | None
    """Notarization (or finalization) of the parent; None when the parent is the epoch's genesis block."""
    nullifications: Annotated[tuple[Certificate, ...], Limit(0, GAP_CERTIFICATES_MAX)]
    """Of the views between the parent's and this one, the latest ones where not all fit."""
    finalization: Certificate | None
    """The proposer's best."""


@frozen(kw_only=True)
class Votes:
    """Votes of the sender, and the best certificates it knows."""

    votes: Annotated[tuple[Vote, ...], Limit(0, VOTES_MAX)]
    certificates: Annotated[tuple[Certificate, ...], Limit(0, 8)]
    held: Annotated[tuple[Annotated[bytes, Limit(8, 8)], ...], Limit(0, HELD_MAX)] = ()
    """First 8 bytes of the hashes of unordered batches that the sender holds durably; counts towards their
    availability, and is filled in by the node, not by consensus."""


@frozen(kw_only=True)
class GetCertificates:
    """Ask for certificates of one kind in a span of views."""

    kind: VoteKind
    epoch: Epoch
    first: View
    last: View


@frozen(kw_only=True)
class Certificates:
    """Certificates that were asked for, or that end a view in which a peer still is."""

    certificates: Annotated[tuple[Certificate, ...], Limit(1, GAP_CERTIFICATES_MAX)]


@frozen(kw_only=True)
class GetBlock:
    """Ask for an unfinalised block by hash."""

    hash: BlockHash


@frozen(kw_only=True)
class BlockFound:
    """A block that was asked for; its hash is its warrant."""

    block: Block


@frozen(kw_only=True)
class EvidenceFound:
    """Evidence for whoever proposes next."""

    evidence: Annotated[Evidence, EVIDENCE]


@frozen(kw_only=True)
class ProposalSeen:
    """What the proposer of a view signed and showed the sender, for those who may have been shown another block."""

    epoch: Epoch
    view: View
    block_hash: BlockHash
    signature: Signature
    """The proposer's, over `proposal_signing_bytes`."""


@frozen(kw_only=True)
class BatchPushed:
    """A batch that the receiver did not ask for."""

    batch: Annotated[bytes, Limit(1, BATCH_BYTES_MAX)]
    """Encoding of the batch."""


@frozen(kw_only=True)
class BatchesAnnounced:
    """Names of batches that the sender holds and the receiver may ask for."""

    hashes: Annotated[tuple[BatchHash, ...], Limit(1, HASHES_MAX)]


@frozen(kw_only=True)
class BatchesAcknowledged:
    """Names of batches that the sender holds durably; counts towards availability."""

    hashes: Annotated[tuple[BatchHash, ...], Limit(1, HASHES_MAX)]


@frozen(kw_only=True)
class GetBatches:
    """Ask for batches by name."""

    hashes: Annotated[tuple[BatchHash, ...], Limit(1, HASHES_MAX)]


@frozen(kw_only=True)
class TransactionsForwarded:
    """Transactions that a node which is no validator hands on for its clients."""

    transactions: Annotated[
        tuple[Annotated[bytes, Limit(1, TRANSACTION_BYTES_MAX)], ...], Limit(1, TRANSACTIONS_MAX)
    ]


@frozen(kw_only=True)
class ChainStatus:
    """Where a node stands; sent on connecting and from time to time."""

    epoch: Epoch
    view: View
    height: Height
    """Last finalised."""
    hash: BlockHash


@frozen(kw_only=True)
class GetBlocks:
    """Ask for finalised blocks `first … last` with their batches."""

    first: Height
    last: Height


@frozen(kw_only=True)
class SyncedBlock:
    """A finalised block and what it names."""

    block: Block
    batches: Annotated[tuple[Annotated[bytes, Limit(1, BATCH_BYTES_MAX)], ...], Limit(0, HASHES_MAX)]
    """Encodings, in the order of the block's payload."""


@frozen(kw_only=True)
class BlockRange:
    """
    Consecutive finalised blocks of one epoch, the last one proven.

    `tail` holds the headers from the last block's child to the block that the finalization names: SEALs
    above a terminal block, or blocks that did not fit; empty where it names the last block itself.
    """

    first: Height
    blocks: Annotated[tuple[SyncedBlock, ...], Limit(0, BLOCKS_MAX)]
    tail: Annotated[tuple[BlockHeader, ...], Limit(0, BLOCKS_MAX)]
    finalization: Certificate | None
    """None exactly when there are no blocks: the sender does not have them."""


@frozen(kw_only=True)
class EpochEntry:
    """Proof that an epoch ended: its terminal block, the SEALs above it, a finalization of the last of them."""

    terminal: BlockHeader
    seals: Annotated[tuple[BlockHeader, ...], Limit(0, BLOCKS_MAX)]
    """From the terminal block's child to the block that the finalization names; empty where it names itself."""
    finalization: Certificate
    table: ValidatorTable
    """Of the next epoch; the terminal header commits to it."""


ConsensusMessage: TypeAlias = (
    Proposal
    | Votes
    | GetCertificates
    | Certificates
    | GetBlock
    | BlockFound
    | EvidenceFound
    | EpochEntry
    | ProposalSeen
)
BatchMessage: TypeAlias = (
    BatchPushed | BatchesAnnounced | BatchesAcknowledged | GetBatches | TransactionsForwarded
)
SyncMessage: TypeAlias = ChainStatus | GetBlocks | BlockRange
Message: TypeAlias = ConsensusMessage | BatchMessage | SyncMessage

MESSAGES: Registry[Message] = Registry("message")
for _tag, _cls in (
    (1, Proposal),
    (2, Votes),
    (3, GetCertificates),
    (4, Certificates),
    (5, GetBlock),
    (6, BlockFound),
    (7, EvidenceFound),
    (8, EpochEntry),
    (9, ProposalSeen),
    (16, BatchPushed),
    (17, BatchesAnnounced),
    (18, BatchesAcknowledged),
    (19, GetBatches),
    (20, TransactionsForwarded),
    (32, ChainStatus),
    (33, GetBlocks),
    (34, BlockRange),
):
    MESSAGES.register(_tag, _cls)

_BULK = (BlockFound, BatchPushed, BlockRange, TransactionsForwarded)


def is_bulk(message: Message) -> bool:
    """Whether a message travels on the bulk lane whatever its size."""
    return isinstance(message, _BULK)
