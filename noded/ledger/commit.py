"""What a finalised block leaves behind, for the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from noded.codec.schema import Limit
from noded.crypto.sparse_merkle import TreeDelta
from noded.ledger.events import Event
from noded.types.batch import TRANSACTIONS_MAX
from noded.types.block import BATCHES_MAX, Block, BlockHeader
from noded.types.frozen import frozen
from noded.types.ids import BatchHash, StateRoot, TransactionHash
from noded.types.vote import Certificate

ERROR_BYTES_MAX = 64
DETAIL_BYTES_MAX = 256

TRANSACTIONS_PER_BLOCK_MAX = BATCHES_MAX * TRANSACTIONS_MAX

EVENTS_PER_BLOCK_MAX = 4 * 1_000_000
"""A few for each operation that a block can hold."""


@frozen()
class Receipt:
    """What became of one transaction: applied as a whole, or rejected without effect but for its sequence (L4)."""

    error: Annotated[str, Limit(1, ERROR_BYTES_MAX)] | None
    """Name of the `InvalidTransaction`; None when it was applied."""
    detail: Annotated[str, Limit(0, DETAIL_BYTES_MAX)] = ""
    operation: int | None = None
    """Position of the operation that failed; None when none was tried or all succeeded."""


APPLIED = Receipt(None)


@frozen()
class PlacedEvent:
    """An event and the transaction that caused it."""

    position: int | None
    """Of the transaction in its block; None for deadlines and what the block itself did."""
    event: Event


@frozen()
class Receipts:
    """All receipts of a block, in the order of its transactions: what the store keeps."""

    receipts: Annotated[tuple[Receipt, ...], Limit(0, TRANSACTIONS_PER_BLOCK_MAX)]


@frozen()
class Events:
    """All events of a block, in order: what the store keeps."""

    events: Annotated[tuple[PlacedEvent, ...], Limit(0, EVENTS_PER_BLOCK_MAX)]


IndexWrite = tuple[bytes, bytes | None]
"""A changed row of the listings, key and value; of several with one key the last counts."""


class StateWrite(NamedTuple):
    """A changed key of the state."""

    path: bytes
    key: bytes
    value: bytes | None
    """None when the key was removed."""
    leaf: bytes | None
    """What the tree holds of the value; None when the key was removed."""


class TransactionEntry(NamedTuple):
    """Where a transaction stands; its height is the block's."""

    hash: TransactionHash
    position: int
    applied: bool


class NamedBatch(NamedTuple):
    """A batch that the block names."""

    hash: BatchHash
    encoding: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CommittedBlock:
    """A finalised block with all that executing it changed; to be stored in one atomic commit."""

    block: Block
    batches: tuple[NamedBatch, ...]
    """In the order of the payload."""
    tail: tuple[BlockHeader, ...]
    """From this block's child to the block that the finalization names; empty where it names this block."""
    finalization: Certificate | None
    """None when a later block's finalization covers this one, and for genesis."""
    state_root: StateRoot
    """After this block."""
    writes: tuple[StateWrite, ...]
    """Each path once."""
    replaced: Mapping[bytes, bytes]
    """By path, the leaves of those keys that had one before."""
    delta: TreeDelta
    buckets: Mapping[int, bytes]
    """The leaves of the buckets that changed, side by side in order of their paths."""
    bucket_roots: tuple[tuple[int, bytes], ...]
    """New roots of the buckets that changed, ascending."""
    index: tuple[IndexWrite, ...]
    entries: tuple[TransactionEntry, ...]
    receipts: tuple[Receipt, ...]
    events: tuple[PlacedEvent, ...]
    members_changed: bool
    """Whether members, their network keys or endpoints changed."""
