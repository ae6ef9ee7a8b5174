"""What can happen to the consensus core."""

from enum import IntEnum
from typing import TypeAlias

from noded.consensus.params import ConsensusParams
from noded.types.block import Block, BlockHeader
from noded.types.evidence import Evidence
from noded.types.frozen import frozen
from noded.types.ids import BatchHash, BlockHash, Epoch, PeerId, Root, StateRoot, View
from noded.types.messages import ConsensusMessage
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Certificate


class TimerKind(IntEnum):
    """What a timer of the node is for."""

    VIEW = 1
    """The view's proposer had its time."""
    RETRY = 2
    """Send again what may have been lost."""
    RELAY = 3
    """A collector waited long enough for the next proposal to carry its certificate."""
    PROPOSE = 4
    """The earliest time for this node's next block."""
    EARLY = 5
    """A proposal that came before its time may now be judged."""
    FETCH = 6
    """A request had its time."""
    BATCH = 7
    """The open batch is old enough to be sealed."""
    SYNC = 8
    """Look again at how far ahead the others are."""
    BUILD = 9
    """A proposer waited long enough for its batches to become available."""


@frozen()
class Timer:
    """Names a timer; a stale one is ignored when it fires, so timers are never cancelled."""

    kind: TimerKind
    epoch: Epoch
    view: View
    token: int = 0


@frozen()
class MessageReceived:
    """A peer's message, decoded; that the peer sent it is certain, what it says is not."""

    peer: PeerId
    message: ConsensusMessage


@frozen()
class TimerFired:
    """A timer has run out."""

    timer: Timer


@frozen()
class Verified:
    """The verdicts on the signatures of one Verify, in its order."""

    token: int
    results: tuple[bool, ...]


@frozen()
class PayloadBuilt:
    """What this node's next block carries; answers BuildPayload."""

    epoch: Epoch
    view: View
    parent: BlockHash
    payload: tuple[BatchHash, ...]
    parent_state_root: StateRoot
    evidence: tuple[Evidence, ...]
    next_epoch_root: Root | None
    """Given for a TERMINAL block; where BuildPayload said NORMAL, giving it makes the block TERMINAL."""


@frozen()
class PayloadChecked:
    """The verdict on a block's payload, state root, evidence and next table; answers CheckPayload."""

    block: BlockHash
    invalid: str | None
    """Why the block is invalid; None when it and all its batches are valid and durable once this step's
    records are."""


@frozen()
class WorkChanged:
    """Whether there is something to order: a valid unordered batch, or evidence."""

    pending: bool


@frozen()
class EpochReady:
    """The next epoch's validators; answers EnterEpoch, and is answered by Persist(EpochRecord)."""

    validators: ValidatorSet
    genesis_block: Block
    """The finalised terminal block of the epoch before."""
    params: ConsensusParams
    """That hold in the epoch; a vote of the members may have changed them."""


@frozen()
class ChainAdvanced:
    """
    Block sync committed blocks up to this one, of the current epoch; or the store was found to end here at start.

    At the epoch's TERMINAL block this is answered by EnterEpoch, as after a Commit. At the block on which the epoch
    began it says that the store was written and the log was not: what it proves is kept for peers (R20).
    """

    block: Block
    tail: tuple[BlockHeader, ...]
    """Headers from the block's child to the one that the finalization names."""
    finalization: Certificate
    """Verified."""


@frozen()
class VotingBegins:
    """This node knows how far the chain is, and may sign from now on."""


@frozen()
class VotingStopped:
    """This node must not sign any more: its state is not what a quorum finalised."""


@frozen()
class PeerUp:
    """A peer can be reached."""

    peer: PeerId


@frozen()
class PeerDown:
    """A peer cannot be reached any more."""

    peer: PeerId


Input: TypeAlias = (
    MessageReceived
    | TimerFired
    | Verified
    | PayloadBuilt
    | PayloadChecked
    | WorkChanged
    | EpochReady
    | ChainAdvanced
    | VotingBegins
    | VotingStopped
    | PeerUp
    | PeerDown
)
