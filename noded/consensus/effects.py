"""What the consensus core wants done, in order."""

from dataclasses import dataclass
from typing import TypeAlias

from noded.consensus.inputs import Timer
from noded.types.block import Block, BlockHeader, BlockKind
from noded.types.evidence import Evidence
from noded.types.ids import BlockHash, Epoch, Height, PeerId, PublicKey, Signature, View
from noded.types.messages import Message
from noded.types.records import Record
from noded.types.vote import Certificate


@dataclass(frozen=True, slots=True)
class Persist:
    """Make the record durable before performing any Send of this step; one fsync covers them all."""

    record: Record


@dataclass(frozen=True, slots=True)
class Send:
    """Send to these peers, never to oneself."""

    peers: tuple[PeerId, ...]
    message: Message


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Feed TimerFired(timer) back after `after_ms`."""

    timer: Timer
    after_ms: int


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """One signature to be judged by the pinned predicate."""

    public_key: PublicKey
    message: bytes
    signature: Signature


@dataclass(frozen=True, slots=True)
class Verify:
    """Judge the signatures and feed Verified(token, results) back."""

    token: int
    checks: tuple[SignatureCheck, ...]


@dataclass(frozen=True, slots=True)
class BuildPayload:
    """Choose a payload on top of this parent and feed PayloadBuilt back; the parent is stored and valid."""

    epoch: Epoch
    view: View
    parent: BlockHash
    height: Height
    kind: BlockKind
    ancestors: tuple[Block, ...]
    """Unfinalised ancestors, parent first, whose batches must not be named again."""


@dataclass(frozen=True, slots=True)
class CheckPayload:
    """Fetch and judge payload, parent state root, evidence and tables; feed PayloadChecked back."""

    block: Block
    ancestors: tuple[Block, ...]
    """Unfinalised ancestors, parent first; all are stored and valid."""
    hints: tuple[PeerId, ...]
    """Who should hold the block and its batches, best first."""


@dataclass(frozen=True, slots=True)
class Commit:
    """These blocks are final, in order of height; the certificate finalizes the last or a SEAL above it."""

    blocks: tuple[Block, ...]
    seals: tuple[BlockHeader, ...]
    """Headers of the SEAL blocks from above the last block to the one that the certificate names."""
    finalization: Certificate


@dataclass(frozen=True, slots=True)
class EnterEpoch:
    """The epoch's terminal block is final and committed: feed EpochReady with the next one's validators."""

    epoch: Epoch
    terminal: Block
    seals: tuple[BlockHeader, ...]
    finalization: Certificate


@dataclass(frozen=True, slots=True)
class Report:
    """A fault was proven; to be kept for a block's body and told to the others."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class PenalizePeer:
    """A peer broke the protocol; the reason is the name of an `InvalidMessage`."""

    peer: PeerId
    reason: str


@dataclass(frozen=True, slots=True)
class SyncNeeded:
    """A certificate shows that blocks are final which this node lacks and cannot fetch one by one."""

    peer: PeerId
    epoch: Epoch


Effect: TypeAlias = (
    Persist
    | Send
    | StartTimer
    | Verify
    | BuildPayload
    | CheckPayload
    | Commit
    | EnterEpoch
    | Report
    | PenalizePeer
    | SyncNeeded
)
