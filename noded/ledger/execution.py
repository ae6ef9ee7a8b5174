"""Executing one block on top of its parent's state."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from noded.crypto.sparse_merkle import (
    LEAF_BYTES,
    TreeDelta,
    UpperTree,
    bucket_of,
    bucket_root,
    leaf_in,
    leaf_of,
    path_of,
    updated,
    with_leaf,
    with_leaves,
)
from noded.ledger.admission import OpenBatch
from noded.ledger.commit import IndexWrite, NamedBatch, PlacedEvent, Receipt, StateWrite, TransactionEntry
from noded.ledger.context import BlockContext
from noded.ledger.deadlines import sweep
from noded.ledger.epoch import NextEpoch, enter_epoch, start_head
from noded.ledger.head import CHAIN_KEY, HEAD_KEY, BlockAt, Chain, Head, block_key
from noded.ledger.participation import apply_evidence, count_block
from noded.ledger.state import Overlay, Value
from noded.ledger.transition import DEADLINES, process_transaction
from noded.types.block import Block
from noded.types.ids import Height, StateRoot
from noded.types.validator_set import ValidatorSet


class Changes(NamedTuple):
    """What a block makes of the authenticated state."""

    writes: tuple[StateWrite, ...]
    buckets: Mapping[int, bytes]
    """The leaves of each changed bucket, side by side in order of their paths."""
    replaced: Mapping[bytes, bytes]
    """By path, the leaves of keys that had one before: of 1,000 new records none, and their buckets are 1 MB."""
    bucket_roots: tuple[tuple[int, bytes], ...]
    delta: TreeDelta

    def before(self, bucket: int) -> bytes | None:
        """What a bucket had before, if the block changed it."""
        leaves = self.buckets.get(bucket)
        if leaves is not None:
            for write in self.writes:
                if bucket_of(write.path) == bucket:
                    leaves = with_leaf(leaves, write.path, self.replaced.get(write.path))
        return leaves


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Execution:
    """
    What executing a block gave; never changed, so that nodes of one simulation may share it.

    It holds no reference to the state below it.
    """

    block: Block
    batches: tuple[NamedBatch, ...]
    head: Head
    state_root: StateRoot
    values: Mapping[bytes, Value]
    """Changed keys with their new values, as objects where they were written as such."""
    changes: Changes
    index: tuple[IndexWrite, ...]
    entries: tuple[TransactionEntry, ...]
    receipts: tuple[Receipt, ...]
    events: tuple[PlacedEvent, ...]
    members_changed: bool


def execute_block(
    state: Overlay,
    block: Block,
    batches: Sequence[OpenBatch],
    validators: ValidatorSet,
    closed: NextEpoch | None,
) -> tuple[Head, list[Receipt], list[PlacedEvent], list[TransactionEntry]]:
    """
    Apply a block to its parent's state; the caller has checked that it may stand there.

    In order: votes and skipped views (L120), the next epoch's table where this one ends (L141), evidence (L124),
    deadlines (L9), transactions (L6).
    """
    chain = state.read(CHAIN_KEY, Chain)
    parent = state.read(HEAD_KEY, Head)
    assert chain is not None
    assert parent is not None
    header = block.header
    context = BlockContext(
        chain_id=chain.chain_id,
        height=header.height,
        epoch=header.epoch,
        time_ms=header.time_ms,
        params=chain.parameters,
        validators=validators,
    )
    head = count_block(start_head(parent, context), block, validators)
    if closed is not None:
        enter_epoch(state, closed, context)
    apply_evidence(state, block, context)
    state.write(HEAD_KEY, head)
    sweep(state, context, DEADLINES)
    state.keep()
    events = [PlacedEvent(None, event) for event in state.events]
    receipts: list[Receipt] = []
    entries: list[TransactionEntry] = []
    position = 0
    for batch in batches:
        for signed in batch.transactions:
            emitted = len(state.events)
            receipt = process_transaction(state, signed, context)
            receipts.append(receipt)
            entries.append(TransactionEntry(signed.hash, position, receipt.error is None))
            if len(state.events) > emitted:
                events += [PlacedEvent(position, event) for event in state.events[emitted:]]
            position += 1
    state.write(block_key(header.height), BlockAt(hash=block.hash))
    if header.height == 1:
        state.write(block_key(Height(0)), BlockAt(hash=header.parent_hash))
    state.keep()
    final = state.read(HEAD_KEY, Head)
    assert final is not None
    return final, receipts, events, entries


def changes_of(
    state: Overlay,
    upper: UpperTree,
    deltas: Sequence[TreeDelta],
    leaves_of: Callable[[int], bytes],
    paths: Mapping[bytes, bytes],
) -> Changes:
    """
    What the kept changes make of the tree that `deltas` make of `upper`.

    Args:
        state: Has the changes.
        upper: The tree below.
        deltas: Of the blocks between, oldest first.
        leaves_of: Gives a bucket's leaves, side by side in order of their paths.
        paths: Of keys, as far as they are known.
    """
    writes: list[StateWrite] = []
    changed: dict[int, list[tuple[bytes, bytes | None]]] = {}
    for key, value in state.encodings.items():
        path = paths.get(key) or path_of(key)
        leaf = None if value is None else leaf_of(value)
        writes.append(StateWrite(path, key, value, leaf))
        bucket = path[0] << 8 | path[1]  # `bucket_of`, for every key of every block.
        if bucket in changed:
            changed[bucket].append((path, leaf))
        else:
            changed[bucket] = [(path, leaf)]
    replaced: dict[bytes, bytes] = {}
    buckets: dict[int, bytes] = {}
    for bucket, leaves in changed.items():
        before = leaves_of(bucket)
        after = buckets[bucket] = with_leaves(before, leaves)
        if len(after) < len(before) + len(leaves) * LEAF_BYTES:  # Not all of them are new keys.
            replaced |= {path: old for path, _ in leaves if (old := leaf_in(before, path)) is not None}
    roots = {bucket: bucket_root(packed) for bucket, packed in buckets.items()}
    return Changes(
        tuple(writes), buckets, replaced, tuple(sorted(roots.items())), updated(upper, deltas, roots)
    )
