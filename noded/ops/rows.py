"""The ledger in a store: the rows that a committed block becomes, and reading them back."""

from collections.abc import Iterable, Sequence
from typing import Final

from noded.codec.schema import decode_value, encode_value
from noded.crypto.sparse_merkle import UpperTree, pack_leaves
from noded.ledger.base import HeldBack
from noded.ledger.commit import CommittedBlock, Events, Receipts, StateWrite
from noded.ledger.head import table_key
from noded.ledger.state import VALUE_BYTES_MAX
from noded.ops.buckets import BucketCache
from noded.storage.store import (
    CommitBatch,
    Reader,
    StoredBatch,
    StoredBlock,
    TransactionPlace,
)
from noded.types.block import TAIL_MAX, Block, BlockBody, BlockHeader, BlockKind, FinalityProof
from noded.types.ids import Epoch
from noded.types.messages import EpochEntry
from noded.types.validator_set import ValidatorTable

STORED_BYTES_MAX: Final = 16 * 1024 * 1024
"""What the store itself may return for one header, body or proof; it was valid when it was written."""


class StoreBase:
    """The ledger's durable state, read from a store; its tree is kept in memory, 2.2 MB."""

    def __init__(self, reader: Reader) -> None:
        """Read the roots of all buckets, once."""
        self._reader = reader
        roots = reader.bucket_roots()
        self._tree = HeldBack(UpperTree.from_bucket_roots(roots))
        self._buckets = BucketCache(roots, lambda bucket: pack_leaves(reader.state_bucket(bucket)))

    @property
    def upper(self) -> UpperTree:
        """The tree one block behind the store, whose state the last header certifies."""
        return self._tree.upper

    def get(self, path: bytes) -> bytes | None:
        """The value of the key with this path."""
        return self._reader.state_get(path)

    def bucket(self, bucket: int) -> bytes:
        """The leaves of a bucket, side by side in order of their paths."""
        return self._buckets.get(bucket)

    def fold(self, committed: CommittedBlock) -> None:
        """The store holds this block now."""
        self._tree.fold(committed.delta)
        self._buckets.update(committed.buckets)


# Writing.


def commit_batch(blocks: Sequence[CommittedBlock]) -> CommitBatch:
    """What the store writes for consecutive blocks; of several changes of one key the last counts."""
    writes: dict[bytes, StateWrite] = {}
    stored: dict[bytes, None] = {}
    """Paths of keys that the store has."""
    for committed in blocks:
        stored.update((path, None) for path in committed.replaced if path not in writes)
        for write in committed.writes:
            writes[write.path] = write
    changed = [writes.pop(path) for path in stored]
    roots = dict(pair for committed in blocks for pair in committed.bucket_roots)
    index = dict(pair for committed in blocks for pair in committed.index)
    return CommitBatch(
        blocks=[
            StoredBlock(
                height=committed.block.header.height,
                hash=committed.block.hash,
                header=encode_value(committed.block.header),
                body=encode_value(committed.block.body),
                receipts=encode_value(Receipts(committed.receipts)),
                events=encode_value(Events(committed.events)),
                certificate=_proof(committed),
            )
            for committed in blocks
        ],
        state_adds=_state_rows(writes.values()),
        state_puts=_state_rows(changed),
        state_deletes=[write.path for write in changed if write.value is None],
        bucket_roots=sorted(roots.items()),
        index_puts=[(key, value) for key, value in index.items() if value is not None],
        index_deletes=[key for key, value in index.items() if value is None],
        transactions=[
            TransactionPlace(entry.hash, committed.block.header.height, entry.position, entry.applied)
            for committed in blocks
            for entry in committed.entries
        ],
        batches=[
            StoredBatch(batch.hash, committed.block.header.height, batch.encoding)
            for committed in blocks
            for batch in committed.batches
        ],
        meta=[entry for committed in blocks for entry in _epoch_end(committed)],
    )


def _state_rows(writes: Iterable[StateWrite]) -> list[tuple[bytes, bytes, bytes, bytes]]:
    return [
        (path, leaf, key, value)
        for path, key, value, leaf in writes
        if value is not None and leaf is not None
    ]


def epoch_meta_key(epoch: Epoch) -> str:
    """Under which name the store has the proof that an epoch ended."""
    return f"epoch/{epoch}"


def _proof(committed: CommittedBlock) -> bytes | None:
    if committed.finalization is None:
        return None
    return encode_value(FinalityProof(tail=committed.tail, finalization=committed.finalization))


def _epoch_end(committed: CommittedBlock) -> list[tuple[str, bytes]]:
    """The proof that an epoch ended, if this block ended one: what proofs of the state begin with."""
    header = committed.block.header
    if header.kind is not BlockKind.TERMINAL or committed.finalization is None:
        return []
    place = table_key(Epoch(header.epoch + 1))
    (table,) = (write.value for write in committed.writes if write.key == place and write.value is not None)
    entry = EpochEntry(
        terminal=header,
        seals=committed.tail,
        finalization=committed.finalization,
        table=decode_value(ValidatorTable, table, max_bytes=VALUE_BYTES_MAX),
    )
    return [(epoch_meta_key(header.epoch), encode_value(entry))]


# Reading.


def read_header(reader: Reader, height: int) -> BlockHeader | None:
    """A stored header; None above the tip."""
    stored = reader.block(height)
    return None if stored is None else header_of(stored)


def header_of(stored: StoredBlock) -> BlockHeader:
    """The header of a stored block."""
    return decode_value(BlockHeader, stored.header, max_bytes=STORED_BYTES_MAX)


def read_block(reader: Reader, height: int) -> Block | None:
    """A stored block; None if there is none, or its body was pruned."""
    stored = reader.block(height)
    if stored is None or stored.body is None:
        return None
    body = decode_value(BlockBody, stored.body, max_bytes=STORED_BYTES_MAX)
    return Block(header=header_of(stored), body=body)


def proof_of(stored: StoredBlock) -> FinalityProof | None:
    """The finalization kept with a block; None where a later one covers it."""
    if stored.certificate is None:
        return None
    return decode_value(FinalityProof, stored.certificate, max_bytes=STORED_BYTES_MAX)


def read_finality(reader: Reader, first: int) -> tuple[tuple[BlockHeader, ...], FinalityProof] | None:
    """The headers from a height up to one that a finalization names, and the proof with it; None without one."""
    headers: list[BlockHeader] = []
    for height in range(first, first + TAIL_MAX + 1):
        stored = reader.block(height)
        if stored is None:
            return None
        headers.append(header_of(stored))
        proof = proof_of(stored)
        if proof is not None:
            return (*headers, *proof.tail), proof
    return None


def read_epoch_end(reader: Reader, epoch: Epoch) -> EpochEntry | None:
    """The proof that an epoch ended; None if the store has none."""
    data = reader.meta(epoch_meta_key(epoch))
    return None if data is None else decode_value(EpochEntry, data, max_bytes=STORED_BYTES_MAX)
