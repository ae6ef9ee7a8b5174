"""
Whether a store is the chain's: from the values in it up to a quorum's signatures.

    values → leaves → buckets → state root = what the next header says ← finalization by an epoch's table
    genesis document → table of epoch 1 → end of epoch 1 → table of epoch 2 → …

The listings, receipts and events in a store are results of execution that no header names; nobody can judge them but
by executing the blocks again. So a snapshot for a new node comes from someone trusted for these.
"""

from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from noded.codec.errors import Malformed
from noded.codec.schema import decode_value
from noded.crypto.hashing import hasher
from noded.crypto.sparse_merkle import UpperTree, bucket_of, pack_leaves, path_of
from noded.crypto.state_proof import prove
from noded.errors import NodedError
from noded.ledger.genesis import found
from noded.ledger.head import CHAIN_KEY, HEAD_KEY, Chain, Head
from noded.ledger.state import VALUE_BYTES_MAX
from noded.lightclient import PROOF_VERSION, InvalidProof, LedgerProof, check_finality, follow_epochs, verify
from noded.ops.checkpoint import Checkpoint
from noded.ops.recomputing import recompute
from noded.ops.rows import STORED_BYTES_MAX, proof_of, read_epoch_end, read_finality, read_header
from noded.storage.sqlite import open_reader
from noded.storage.sqlite_reader import SqliteReader
from noded.storage.store import Reader
from noded.types.block import BLOCK_DOMAIN, BlockHeader
from noded.types.genesis import Genesis
from noded.types.ids import BlockHash, Epoch, Height, StateRoot, TimestampMs
from noded.types.messages import EpochEntry
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Certificate


class Unproven(NodedError):
    """A store does not hold what the chain's members finalised; the message says where it departs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A store that holds what it should."""

    height: Height
    block: BlockHash
    time_ms: TimestampMs
    """Of that block."""
    epoch: Epoch
    """Of that block."""
    state_root: StateRoot
    """After that block, computed from the values."""
    rows: int
    is_certified: bool
    """Whether a later final header names this root; only the block itself is proven otherwise."""


def certify(taken: Reader, live: Reader, genesis: Genesis) -> LedgerProof | None:
    """
    The proof that a snapshot's state is the chain's; None while no later header in the store names its root.

    Args:
        taken: The snapshot.
        live: The store that it is of, which may have gone on.
        genesis: The chain's founding document.
    """
    tip = taken.tip()
    assert tip is not None
    found_at = read_followers(taken, live, tip.height)
    value = taken.state_get(path_of(HEAD_KEY))
    header = read_header(taken, tip.height)
    if found_at is None or value is None or header is None:
        return None
    followers, finalization = found_at
    epochs = read_epochs(live, followers[-1].epoch)
    path = prove(
        UpperTree.from_bucket_roots(taken.bucket_roots()),
        (),
        pack_leaves(taken.state_bucket(bucket_of(path_of(HEAD_KEY)))),
        HEAD_KEY,
    )
    return LedgerProof(
        version=PROOF_VERSION,
        genesis=genesis,
        epochs=tuple(epochs),
        header=header,
        tail=followers,
        finalization=finalization,
        key=HEAD_KEY,
        value=value,
        path=path,
    )


def read_epochs(reader: Reader, before: Epoch) -> list[EpochEntry]:
    """
    The proofs that the epochs before this one ended.

    Raises:
        Unproven: The store lacks one.
    """
    entries = []
    for number in range(1, before):
        entry = read_epoch_end(reader, Epoch(number))
        if entry is None:
            raise Unproven(f"the store lacks the proof that epoch {number} ended")
        entries.append(entry)
    return entries


def judge(
    store: Path, genesis: Genesis, *, proof: LedgerProof | None, checkpoint: Checkpoint | None
) -> Judged:
    """
    Check a store that nobody writes to: values, headers, epochs, finality, and the state root where it is certified.

    Args:
        store: Its file.
        genesis: Founds the chain; nothing else is trusted.
        proof: By `certify`, of the state after the store's last block; None if there is none.
        checkpoint: A block that must be on the chain.

    Raises:
        Unproven: The store is not the chain's.
        StorageError: It cannot be read.
    """
    recomputed = recompute(store)
    if recomputed.findings:
        raise Unproven(recomputed.findings[0])
    try:
        with closing(open_reader(store)) as reader, reader.snapshot():
            return _judge(reader, genesis, recomputed.rows, recomputed.root, proof, checkpoint)
    except (InvalidProof, Malformed) as error:
        raise Unproven(str(error)) from error


def _judge(
    reader: SqliteReader,
    genesis: Genesis,
    rows: int,
    root: StateRoot,
    proof: LedgerProof | None,
    checkpoint: Checkpoint | None,
) -> Judged:
    last, block = check_headers(reader, genesis, checkpoint)
    check_head(reader, genesis, last, block)
    validators = check_epochs(reader, genesis, last)
    if proof is None:
        _check_tip(reader, last, validators)
    else:
        proven = verify(proof, genesis.chain_id)
        if (proven.height, proven.block, proven.state_root) != (last.height, block, root):
            raise Unproven(
                f"the certificate is of the state {proven.state_root.hex()} after block {proven.height}, the store has"
                f" {root.hex()} after block {last.height}"
            )
    return Judged(
        height=last.height,
        block=block,
        time_ms=last.time_ms,
        epoch=last.epoch,
        state_root=root,
        rows=rows,
        is_certified=proof is not None,
    )


def check_headers(
    reader: SqliteReader, genesis: Genesis, checkpoint: Checkpoint | None
) -> tuple[BlockHeader, BlockHash]:
    """
    Check that the stored headers are one chain from the genesis block on, with the checkpoint on it.

    Returns:
        The last one with its hash.

    Raises:
        Unproven: They are not.
    """
    hash_of = hasher(BLOCK_DOMAIN)
    expected: bytes = found(genesis).block.hash
    last: BlockHeader | None = None
    pinned = None if checkpoint is None else (checkpoint.height, checkpoint.hash)
    for wanted, (height, name, encoding) in zip(count(), reader.header_scan(0), strict=False):
        header = decode_value(BlockHeader, encoding, max_bytes=STORED_BYTES_MAX)
        if height != wanted or header.height != height:
            raise Unproven(f"the header at height {wanted} is missing")
        if hash_of(encoding) != name:
            raise Unproven(f"header {height} has another hash than it is kept under")
        if (name if last is None else header.parent_hash) != expected:
            raise Unproven(
                f"header {height} does not follow from "
                + ("the genesis document" if last is None else "its parent")
            )
        if pinned is not None and pinned[0] == height:
            if pinned[1] != name:
                raise Unproven(
                    f"the block at height {height} is {name.hex()}, the checkpoint says {pinned[1].hex()}"
                )
            pinned = None
        expected, last = name, header
    if last is None:
        raise Unproven("there is no block in it")
    if pinned is not None:
        raise Unproven(
            f"it ends at height {last.height}, below the checkpoint at {pinned[0]}; take a later snapshot"
        )
    return last, BlockHash(expected)


def check_epochs(reader: Reader, genesis: Genesis, last: BlockHeader) -> ValidatorSet | None:
    """
    Check the ends of all epochs before the one of this header, and that they are of this chain.

    Returns:
        The voters of the header's epoch; None for the genesis block, which nobody votes for.

    Raises:
        Unproven, InvalidProof: They are not.
    """
    if last.height == 0:
        return None
    entries = read_epochs(reader, last.epoch)
    for entry in entries:
        if read_header(reader, entry.terminal.height) != entry.terminal:
            raise Unproven(f"epoch {entry.terminal.epoch} ended with another block than the one in the store")
    *_, validators = follow_epochs(genesis, genesis.chain_id, entries)
    return validators


def check_head(reader: Reader, genesis: Genesis, last: BlockHeader, block: BlockHash) -> None:
    """
    Check that the state says of itself that it is the one after this block of this chain.

    Raises:
        Unproven: It does not.
    """
    chain = reader.state_get(path_of(CHAIN_KEY))
    head = reader.state_get(path_of(HEAD_KEY))
    if chain is None or head is None:
        raise Unproven("the state names no chain")
    chain_id = decode_value(Chain, chain, max_bytes=VALUE_BYTES_MAX).chain_id
    if chain_id != genesis.chain_id:
        raise Unproven(
            f"it is of chain {chain_id.hex()}, the genesis document founds {genesis.chain_id.hex()}"
        )
    at = decode_value(Head, head, max_bytes=VALUE_BYTES_MAX)
    if at.height != last.height or (at.height > 0 and at.block != block):
        raise Unproven(f"the state is the one after block {at.height}, the last header is {last.height}")


def _check_tip(reader: Reader, last: BlockHeader, validators: ValidatorSet | None) -> None:
    """The last block is final."""
    if validators is None:
        return
    stored = reader.block(last.height)
    proof = None if stored is None else proof_of(stored)
    if proof is None:
        raise Unproven(f"no finalization of block {last.height} is kept")
    check_finality(
        last.chain_id, validators, last, proof.tail, proof.finalization, f"finality of block {last.height}"
    )


def read_followers(
    taken: Reader, live: Reader, height: int
) -> tuple[tuple[BlockHeader, ...], Certificate] | None:
    """
    The headers from the child of a snapshot's last block up to a final one, and its finalization; not verified.

    Args:
        taken: The snapshot.
        live: The store that it is of, which may have gone on.
        height: Of the snapshot's last block.
    """
    later = read_finality(live, height + 1)
    if later is None:  # The store itself may hold headers of an epoch's end that are no blocks of the chain.
        stored = taken.block(height)
        proof = None if stored is None else proof_of(stored)
        return None if proof is None or not proof.tail else (proof.tail, proof.finalization)
    return later[0], later[1].finalization
