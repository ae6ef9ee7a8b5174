"""Builders for what a store keeps."""

import hashlib
from collections.abc import Sequence
from typing import Any

from noded.storage.store import CommitBatch, StateRow, StoredBlock, TransactionPlace


def hash_of(text: str) -> bytes:
    """32 bytes that differ for each text."""
    return hashlib.sha256(text.encode()).digest()


def make_block(height: int = 0, **fields: Any) -> StoredBlock:
    """A stored block; every field differs between heights."""
    values: dict[str, Any] = {
        "hash": hash_of(f"block {height}"),
        "header": b"header %d" % height,
        "body": b"body %d" % height,
        "receipts": b"receipts %d" % height,
        "events": b"events %d" % height,
        "certificate": b"certificate %d" % height,
    }
    return StoredBlock(height=height, **{**values, **fields})


def make_blocks(first: int, last: int) -> tuple[StoredBlock, ...]:
    """Blocks of the heights `first … last`."""
    return tuple(make_block(height) for height in range(first, last + 1))


def make_row(key: str, value: str = "value", *, path: bytes | None = None) -> StateRow:
    """A state row; its path is the key's hash unless given."""
    return StateRow(path or hash_of(key), hash_of(f"leaf {key} {value}"), key.encode(), value.encode())


def make_place(text: str, *, height: int = 1, position: int = 0, applied: bool = True) -> TransactionPlace:
    """A place of a transaction, named by a text."""
    return TransactionPlace(hash_of(text), height, position, applied)


def put(*rows: StateRow, blocks: Sequence[StoredBlock] = ()) -> CommitBatch:
    """A batch that writes these rows of state."""
    return CommitBatch(blocks=blocks, state_puts=rows)
