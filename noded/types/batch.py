"""Batches: transactions packed by one validator, sent once, named by hash in blocks."""

from collections.abc import Sequence
from dataclasses import field
from typing import Annotated

from noded.codec.schema import Limit, decode_value, encode_value
from noded.crypto.hashing import tagged_hash
from noded.types.frozen import frozen
from noded.types.ids import BatchHash, ChainId, Epoch, Signature, TimestampMs, ValidatorId

BATCH_DOMAIN = "noded/batch/1"
BATCH_SIGNING_DOMAIN = b"noded/batch-author/1"

BATCH_BYTES_MAX = 512 * 1024
"""Encoding of a batch: half of a bulk frame, so that one batch and its envelope always fit one."""

TRANSACTION_BYTES_MAX = 256 * 1024
"""Encoding of a transaction: 256 operations of up to 1 KiB."""

TRANSACTIONS_MAX = 2048
"""Transactions in a batch: 2048 of about 250 bytes fill it."""


@frozen(kw_only=True)
class Batch:
    """
    Transactions in the order in which they will be executed.

    Valid iff its author is in the table of `epoch`, the signature verifies, and every transaction decodes
    and carries good signatures: facts that never depend on state.
    """

    author: ValidatorId
    epoch: Epoch
    number: int
    """Counts the author's batches; makes each one distinct."""
    time_ms: TimestampMs
    """When the author sealed it; unused batches expire by it."""
    transactions: Annotated[
        tuple[Annotated[bytes, Limit(1, TRANSACTION_BYTES_MAX)], ...], Limit(1, TRANSACTIONS_MAX)
    ]
    """Encodings of transactions, as received."""
    signature: Signature
    """The author's consensus key over `batch_signing_bytes`."""


@frozen(kw_only=True)
class SealedBatch:
    """A batch by its encoding and its name, with what is often asked of it: its transactions are in the encoding only."""

    author: ValidatorId
    epoch: Epoch
    number: int
    time_ms: TimestampMs
    signature: Signature
    encoding: bytes
    hash: BatchHash = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hash", BatchHash(tagged_hash(BATCH_DOMAIN, self.encoding)))

    def read(self) -> Batch:
        """All that is in it."""
        return _read(self.encoding)

    def signing_bytes(self, chain_id: ChainId, transactions: Sequence[bytes]) -> bytes:
        """What its author signed, if these are its transactions."""
        head = (chain_id, self.author, self.epoch, self.number, self.time_ms)
        return _signing_bytes(*head, transactions)


def seal_batch(batch: Batch) -> SealedBatch:
    """Encode and name a batch."""
    return _sealed(batch, encode_value(batch))


def decode_batch(encoding: bytes) -> SealedBatch:
    """
    Read a batch as received.

    Raises:
        Malformed: The bytes are no batch.
    """
    return _sealed(_read(encoding), encoding)


def _read(encoding: bytes) -> Batch:
    return decode_value(Batch, encoding, max_bytes=BATCH_BYTES_MAX)


def _sealed(batch: Batch, encoding: bytes) -> SealedBatch:
    return SealedBatch(
        author=batch.author,
        epoch=batch.epoch,
        number=batch.number,
        time_ms=batch.time_ms,
        signature=batch.signature,
        encoding=encoding,
    )


def batch_signing_bytes(chain_id: ChainId, batch: Batch) -> bytes:
    """What a batch's author signs: everything but the signature."""
    head = (chain_id, batch.author, batch.epoch, batch.number, batch.time_ms)
    return _signing_bytes(*head, batch.transactions)


def _signing_bytes(
    chain_id: ChainId,
    author: ValidatorId,
    epoch: Epoch,
    number: int,
    time_ms: TimestampMs,
    transactions: Sequence[bytes],
) -> bytes:
    return b"".join(
        (
            BATCH_SIGNING_DOMAIN,
            chain_id,
            author,
            epoch.to_bytes(8, "big"),
            number.to_bytes(8, "big"),
            time_ms.to_bytes(8, "big"),
            tagged_hash("noded/batch-transactions/1", *transactions),
        )
    )
