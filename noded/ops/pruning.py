"""Keeping a store small: what a node never needs again of old blocks is forgotten, what proofs take is kept (O6)."""

from typing import Final

from noded.codec.schema import decode_value
from noded.crypto.sparse_merkle import path_of
from noded.ledger.head import CHAIN_KEY, HEAD_KEY, Chain, Head
from noded.ledger.state import VALUE_BYTES_MAX
from noded.ops.rows import read_header
from noded.storage.sqlite import SqliteStore
from noded.storage.store import Reader

PRUNED_AT_ONCE: Final = 256
"""Blocks forgotten in one transaction where no node runs: some 50 ms."""


def prune_floor(reader: Reader, keep: int) -> int:
    """
    The lowest height whose body must stay when the newest `keep` blocks are wanted.

    More may have to stay: a start needs the bodies from the last end of an epoch on, and those of blocks that may have
    named batches which could still be named again.
    """
    chain_value, head_value = reader.state_get(path_of(CHAIN_KEY)), reader.state_get(path_of(HEAD_KEY))
    assert chain_value is not None
    assert head_value is not None
    chain = decode_value(Chain, chain_value, max_bytes=VALUE_BYTES_MAX)
    head = decode_value(Head, head_value, max_bytes=VALUE_BYTES_MAX)
    oldest_ms = head.time_ms - chain.parameters.batch_expiry_ms
    return max(
        0, min(head.height - keep + 1, head.first_height - 1, _first_since(reader, head.height, oldest_ms))
    )


def prune(store: SqliteStore, keep: int) -> int:
    """
    Forget transactions, receipts and events of all blocks that need not be kept, and free their space.

    Headers, finalizations, ends of epochs, the state and the places of transactions stay: what was provable is.

    Args:
        store: Of a home on which no node runs.
        keep: How many of the newest blocks to keep whole, at least.

    Returns:
        Blocks pruned.
    """
    count = 0
    floor = prune_floor(store, keep)
    while pruned := store.prune_blocks(floor, PRUNED_AT_ONCE):
        count += pruned
        store.checkpoint()
    if count:
        store.reclaim()
    return count


def _first_since(reader: Reader, tip: int, time_ms: int) -> int:
    """The lowest height whose block is not older than this; times grow with heights."""
    low, high = 0, tip
    while low < high:
        middle = (low + high) // 2
        header = read_header(reader, middle)
        assert header is not None, "headers are never pruned"
        if header.time_ms < time_ms:
            low = middle + 1
        else:
            high = middle
    return low
