"""What a transition may know besides the state."""

from dataclasses import dataclass, field

from noded.ledger.keys import KeyEntry
from noded.types.frozen import frozen
from noded.types.genesis import NetworkParameters
from noded.types.ids import ChainId, Epoch, Height, InstitutionId, PublicKey, TimestampMs, TransactionHash
from noded.types.roles import KeyKind
from noded.types.validator_set import ValidatorSet


@frozen(kw_only=True)
class BlockContext:
    """The block that is being executed."""

    chain_id: ChainId
    height: Height
    epoch: Epoch
    time_ms: TimestampMs
    params: NetworkParameters
    """As they stood at the block's start."""
    validators: ValidatorSet
    """Of the block's epoch."""


@dataclass(slots=True, kw_only=True)
class Context:
    """
    The transaction that is being executed; its signatures are verified and its sender may send this operation.

    `key` says who the sender is; cosigners are known by nothing but their signatures.
    """

    block: BlockContext
    signer: PublicKey
    key: KeyEntry
    """The sender's entry, active."""
    cosigners: tuple[PublicKey, ...]
    transaction: TransactionHash
    operation_index: int = 0
    """Position of the operation within its transaction."""
    institution: InstitutionId | None = field(init=False)
    """The member whose account key sent the transaction; None when somebody else did."""

    def __post_init__(self) -> None:
        self.institution = InstitutionId(self.key.owner) if self.key.kind is KeyKind.INSTITUTION else None

    @property
    def chain_id(self) -> ChainId:
        """Of this chain."""
        return self.block.chain_id

    @property
    def height(self) -> Height:
        """Of the block."""
        return self.block.height

    @property
    def time_ms(self) -> TimestampMs:
        """The block's time: the only clock there is."""
        return self.block.time_ms

    @property
    def params(self) -> NetworkParameters:
        """Network parameters as they stood at the block's start."""
        return self.block.params
