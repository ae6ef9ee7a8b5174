"""Records of the write-ahead log: what must be on disk before a byte that depends on it leaves the node."""

from typing import Annotated, TypeAlias

from noded.codec.schema import Limit, Registry
from noded.types.batch import BATCH_BYTES_MAX
from noded.types.block import Block
from noded.types.frozen import frozen
from noded.types.messages import EpochEntry, Proposal
from noded.types.vote import Certificate, Vote


@frozen(kw_only=True)
class VoteRecord:
    """A vote of this node with its signature; before the vote is sent (R1, R3)."""

    vote: Vote


@frozen(kw_only=True)
class ProposalRecord:
    """A proposal of this node, whole; after a restart the same bytes are sent again, never a second one."""

    proposal: Proposal


@frozen(kw_only=True)
class BlockRecord:
    """A block; before N or F for it."""

    block: Block


@frozen(kw_only=True)
class BatchRecord:
    """A batch; before N or F for a block that names it, and before it is acknowledged."""

    encoding: Annotated[bytes, Limit(1, BATCH_BYTES_MAX)]


@frozen(kw_only=True)
class CertificateRecord:
    """A certificate: the notarization behind an F vote, or a finalization."""

    certificate: Certificate


@frozen(kw_only=True)
class EpochRecord:
    """The proof by which this node enters an epoch; before its first vote there."""

    entry: EpochEntry


Record: TypeAlias = VoteRecord | ProposalRecord | BlockRecord | BatchRecord | CertificateRecord | EpochRecord

RECORDS: Registry[Record] = Registry("record")
for _tag, _cls in (
    (1, VoteRecord),
    (2, ProposalRecord),
    (3, BlockRecord),
    (4, BatchRecord),
    (5, CertificateRecord),
    (6, EpochRecord),
):
    RECORDS.register(_tag, _cls)
