"""Blocks and transactions as the store has them."""

from collections.abc import Iterator, Sequence
from typing import Final

from noded.api.backend import Outcome, StateAt
from noded.api.problems import NoSuchThing, Pruned
from noded.codec.schema import decode_value
from noded.ledger.commit import APPLIED, Receipt, Receipts
from noded.storage.store import StoredBlock
from noded.types.batch import decode_batch
from noded.types.block import BlockBody, BlockHeader
from noded.types.ids import Height, TransactionHash
from noded.types.transaction import SignedTransaction, decode_transaction

STORED_BYTES_MAX: Final = 256 * 1024 * 1024
"""What the store itself may return for one column of a block; it was bounded when it was written."""


def stored_block(at: StateAt, height: int) -> StoredBlock:
    """
    The block at a height.

    Raises:
        NoSuchThing: The chain has not come so far.
    """
    stored = at.reader.block(height)
    if stored is None:
        raise NoSuchThing(f"there is no block {height}; the last one here is {at.height}")
    return stored


def header_of(stored: StoredBlock) -> BlockHeader:
    """A stored block's header."""
    return decode_value(BlockHeader, stored.header, max_bytes=STORED_BYTES_MAX)


def body_of(stored: StoredBlock) -> BlockBody:
    """
    A stored block's body.

    Raises:
        Pruned: The node has forgotten it.
    """
    if stored.body is None:
        raise Pruned(f"this node has forgotten the transactions of block {stored.height}")
    return decode_value(BlockBody, stored.body, max_bytes=STORED_BYTES_MAX)


def receipts_of(stored: StoredBlock) -> tuple[Receipt, ...]:
    """
    What became of a stored block's transactions, in order.

    Raises:
        Pruned: The node has forgotten it.
    """
    if stored.receipts is None:
        raise Pruned(f"this node has forgotten the transactions of block {stored.height}")
    return decode_value(Receipts, stored.receipts, max_bytes=STORED_BYTES_MAX).receipts


def transactions_of(at: StateAt, stored: StoredBlock, first: int = 0) -> Iterator[tuple[int, bytes]]:
    """Position and encoding of a stored block's transactions, from a position on; reads a batch at a time."""
    position = 0
    for name in body_of(stored).payload:
        batch = at.reader.batch(name)
        if batch is None:
            raise Pruned(f"this node has forgotten the transactions of block {stored.height}")
        encodings = decode_batch(batch.data).read().transactions
        start = max(0, first - position)
        yield from ((position + index, encodings[index]) for index in range(start, len(encodings)))
        position += len(encodings)


def outcome_of(at: StateAt, name: TransactionHash) -> Outcome | None:
    """What became of a transaction; None while it is not final, or if nobody knows it."""
    place = at.reader.transaction(name)
    if place is None:
        return None
    receipt = APPLIED
    if not place.applied:
        stored = stored_block(at, place.height)
        if stored.receipts is None:
            receipt = Receipt("Rejected", "this node has forgotten why")
        else:
            receipt = receipts_of(stored)[place.position]
    return Outcome(Height(place.height), place.position, receipt)


def outcomes_of(at: StateAt, names: Sequence[TransactionHash]) -> dict[TransactionHash, Outcome]:
    """What became of those transactions that are final."""
    found = {name: outcome_of(at, name) for name in names}
    return {name: outcome for name, outcome in found.items() if outcome is not None}


def find_transaction(at: StateAt, name: TransactionHash) -> SignedTransaction:
    """
    A final transaction.

    Raises:
        NoSuchThing: It is not final, or nobody knows it.
        Pruned: The node has forgotten it.
    """
    place = at.reader.transaction(name)
    if place is None:
        raise NoSuchThing(f"transaction {name.hex()} is not final, or is not known here")
    for _, encoding in transactions_of(at, stored_block(at, place.height), place.position):
        return decode_transaction(encoding)
    raise AssertionError("a place in the index is one in a block")
