"""Why a transaction is not taken, or a batch not kept."""

from noded.errors import InvalidMessage, InvalidTransaction
from noded.types.ids import BatchHash


class PoolFull(InvalidTransaction):
    """This node holds as many unordered transactions as it may; send again later."""

    def __init__(self, *, unordered_bytes: int) -> None:
        super().__init__(f"{unordered_bytes} bytes of this node's transactions still wait to be ordered")
        self.unordered_bytes = unordered_bytes


class AlreadyKnown(InvalidTransaction):
    """The very same transaction was handed in a short time ago."""


class BadSignature(InvalidTransaction):
    """A signature of the transaction does not verify."""


class TransactionTooLarge(InvalidTransaction):
    """The encoding is larger than one batch may carry."""


class NoValidatorReachable(InvalidTransaction):
    """This node does not order transactions itself and reaches nobody who does."""


class InvalidBatch(InvalidMessage):
    """A batch that no correct validator makes; no block may name it."""

    def __init__(self, *, batch: BatchHash, why: str) -> None:
        super().__init__(f"batch {batch.hex()[:16]}: {why}")
        self.batch = batch
        self.why = why


class QuotaExceeded(InvalidMessage):
    """An author has more unordered bytes under way than any one may have."""
