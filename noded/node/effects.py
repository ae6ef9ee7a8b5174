"""What a node wants done, in order."""

from typing import TypeAlias

from noded.consensus.effects import PenalizePeer, Persist, Send, StartTimer, Verify
from noded.ledger.commit import CommittedBlock
from noded.types.frozen import frozen
from noded.types.ids import Height, PeerId, TransactionHash


@frozen()
class Submission:
    """What became of one submitted transaction."""

    hash: TransactionHash
    refused: str | None
    """Name of the `NodedError` that says why it was not taken; None when it is in the pool."""
    detail: str


@frozen()
class Answer:
    """Answer the clients of TransactionsSubmitted(token)."""

    token: int
    submissions: tuple[Submission, ...]


@frozen()
class CommitBlocks:
    """Store these blocks, each atomically and in order, then feed Committed with the last height."""

    blocks: tuple[CommittedBlock, ...]


@frozen()
class SendBlocks:
    """Read finalised blocks from the store and send them to the peer as one BlockRange that fits a frame."""

    peer: PeerId
    first: Height
    last: Height


@frozen()
class MembersChanged:
    """The ledger's members or their network keys and endpoints changed with the last commit."""


@frozen()
class Halt:
    """The node must not go on voting (its state differs from a finalised header); alarm the operator."""

    reason: str


Effect: TypeAlias = (
    Persist
    | Send
    | StartTimer
    | Verify
    | Answer
    | CommitBlocks
    | SendBlocks
    | MembersChanged
    | PenalizePeer
    | Halt
)

__all__ = [
    "Answer",
    "CommitBlocks",
    "Effect",
    "Halt",
    "MembersChanged",
    "PenalizePeer",
    "Persist",
    "Send",
    "SendBlocks",
    "StartTimer",
    "Submission",
    "Verify",
]
