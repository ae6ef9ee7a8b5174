"""The open batch of a validator: transactions from its clients, until it is full or old enough."""

from noded.types.batch import BATCH_BYTES_MAX, TRANSACTIONS_MAX
from noded.types.ids import TimestampMs, TransactionHash
from noded.types.transaction import OPERATIONS_MAX, SignedTransaction

BATCH_FILL_BYTES = BATCH_BYTES_MAX - 1024
"""Transactions of one batch with their CBOR heads; the rest is for its other fields."""

HEAD_BYTES = 5
"""CBOR head of a byte string of up to 4 GiB."""

RECENT_MAX = 16_384
"""Transactions remembered to notice that one is handed in twice: eight seconds of 2,000 a second, in 3 MiB."""


class BatchBuilder:
    """Collects verified transactions in order of arrival."""

    def __init__(self) -> None:
        self._open: list[SignedTransaction] = []
        self._bytes = 0
        self._operations = 0
        self.operations_max = OPERATIONS_MAX
        """What a block may carry (M7): no batch has more, or no block could name it."""
        self._since_ms = TimestampMs(0)
        self._recent: dict[TransactionHash, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def size_bytes(self) -> int:
        """Bytes of the transactions that wait in the open batch."""
        return self._bytes

    def is_recent(self, transaction: TransactionHash) -> bool:
        """Whether this very transaction was handed in a short time ago."""
        return transaction in self._recent

    def remember(self, transaction: TransactionHash) -> None:
        """Note that a transaction was handed in."""
        self._recent[transaction] = None
        if len(self._recent) > RECENT_MAX:
            del self._recent[next(iter(self._recent))]

    def forget(self, transaction: TransactionHash) -> None:
        """A transaction was refused after all; it may be handed in again."""
        self._recent.pop(transaction, None)

    def fits(self, transaction: SignedTransaction) -> bool:
        """Whether the open batch has room for it."""
        size = len(transaction.encoding) + HEAD_BYTES
        return (
            len(self._open) < TRANSACTIONS_MAX
            and self._bytes + size <= BATCH_FILL_BYTES
            and self._operations + _operations_in(transaction) <= self.operations_max
        )

    def add(self, transaction: SignedTransaction, now_ms: TimestampMs) -> None:
        """Put a verified transaction into the open batch, which has room."""
        assert self.fits(transaction)
        if not self._open:
            self._since_ms = now_ms
        self._open.append(transaction)
        self._bytes += len(transaction.encoding) + HEAD_BYTES
        self._operations += _operations_in(transaction)

    def is_due(self, now_ms: TimestampMs, age_ms_max: int) -> bool:
        """Whether the open batch is old enough to be sealed."""
        return bool(self._open) and now_ms - self._since_ms >= age_ms_max

    def take(self) -> tuple[SignedTransaction, ...]:
        """Empty the open batch."""
        taken = tuple(self._open)
        self._open.clear()
        self._bytes = 0
        self._operations = 0
        return taken


def _operations_in(transaction: SignedTransaction) -> int:
    return len(transaction.transaction.body.operations)
