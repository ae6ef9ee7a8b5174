"""Keeping a store small: what a node never needs again of old blocks is forgotten, what proofs take is kept (O6)."""

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Up to where a store may be pruned."""

    height: int
    """The lowest whose body must stay."""
    why: str


def prune_floor(reader: Reader, keep: int) -> Floor:
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
    expiry_ms = chain.parameters.batch_expiry_ms
    limits = (
        (head.height - keep + 1, f"the newest {keep} blocks are to be kept"),
        (head.first_height - 1, "a start needs the blocks since the end of the last epoch"),
        (
            _first_since(reader, head.height, head.time_ms - expiry_ms),
            f"batches in the blocks of the last {expiry_ms / 1000:g} s could be named again",
        ),
    )
    height, why = min(limits, key=lambda limit: limit[0])
    return Floor(height=max(0, height), why=why)


def prune(store: SqliteStore, floor: Floor) -> int:
    """
    Forget transactions, receipts and events of all blocks below a floor, and free their space.

    Headers, finalizations, ends of epochs, the state and the places of transactions stay: what was provable is.

    Args:
        store: Of a home on which no node runs.
        floor: Of this store.

    Returns:
        Blocks pruned.
    """
    count = 0
    while pruned := store.prune_blocks(floor.height, PRUNED_AT_ONCE):
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
