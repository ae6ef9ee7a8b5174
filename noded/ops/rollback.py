"""
Taking a store back to an earlier block (O5).

Old values are nowhere, so the state is made anew: from the nearest snapshot below, or from the founding document, by
executing the stored blocks again. What comes out is compared with what the next final header says before it takes the
store's place; the old store is set aside.
"""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from noded.codec.errors import Malformed
from noded.errors import NodedError
from noded.ledger.genesis import found
from noded.ledger.ledger import Ledger
from noded.lightclient import InvalidProof, check_finality, follow_epochs
from noded.ops.home import SNAPSHOTS_NAME, STORE_NAME
from noded.ops.judging import Unproven, judge, read_epochs, read_followers
from noded.ops.rows import StoreBase, commit_batch, proof_of, read_block, read_header
from noded.ops.snapshots import read_proof
from noded.ops.swapping import discard, swap_in, workplace
from noded.storage.errors import SchemaTooNew, SchemaTooOld, SnapshotInvalid
from noded.storage.lock import HomeLock
from noded.storage.snapshot import list_snapshots, read_manifest, restore_snapshot
from noded.storage.sqlite import SqliteStore, open_reader
from noded.storage.sqlite_reader import SqliteReader
from noded.types.batch import SealedBatch, decode_batch
from noded.types.block import Block
from noded.types.genesis import Genesis
from noded.types.ids import Height, StateRoot

PROGRESS_BLOCKS = 100
"""Blocks between two reports of progress."""


class CannotRollBack(NodedError):
    """The store cannot be taken back to this height; it is as it was."""

    def __init__(self, height: int, why: str) -> None:
        super().__init__(f"height {height}: {why}")
        self.height = height
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """A store that ends at an earlier block now."""

    height: Height
    state_root: StateRoot
    is_certified: bool
    """Whether a later final header named this root; if not, the next block will be compared with it."""
    start: Height
    """From where blocks were executed again."""
    set_aside: Path
    """The old store."""


def roll_back(
    home: Path, genesis: Genesis, height: int, *, progress: Callable[[int], None] = lambda _: None
) -> RolledBack:
    """
    Take a home's store back to the state after a block at or below its last one; at the last one, make it anew.

    Args:
        home: Of a node that does not run.
        genesis: The chain's founding document.
        height: Of the block that shall be the last.
        progress: Told of the heights that are reached.

    Raises:
        HomeLocked: The node runs.
        CannotRollBack: Blocks are missing, or execute to another state than the members finalised.
        StorageError: The disk failed.
    """
    with HomeLock(home), ExitStack() as stack:
        old = open_reader(home / STORE_NAME)
        stack.callback(old.close)
        tip = old.tip()
        if tip is None or not 0 <= height <= tip.height:
            raise CannotRollBack(height, f"the store has blocks 0 to {-1 if tip is None else tip.height}")
        new = workplace(home, "rolling-back")
        try:
            start = _prepare(home, genesis, old, height, new)
            with closing(SqliteStore(new)) as store:
                root = _replay(old, store, genesis, height, progress)
            is_certified = _check(old, genesis, height, root)
            old.close()
            set_aside = swap_in(home, new, replace=True)
        except (Malformed, Unproven, InvalidProof) as error:
            raise CannotRollBack(height, str(error)) from error
        finally:
            discard(new)
    assert set_aside is not None
    return RolledBack(
        height=Height(height),
        state_root=root,
        is_certified=is_certified,
        start=Height(start),
        set_aside=set_aside,
    )


def _prepare(home: Path, genesis: Genesis, old: SqliteReader, height: int, new: Path) -> int:
    """A store to begin with: the nearest snapshot of this chain that is proven, else the founding state."""
    span = old.body_heights()
    first_body = height + 1 if span is None else span[0]
    for path in reversed(list_snapshots(home / SNAPSHOTS_NAME)):
        try:
            manifest = read_manifest(path)
            stored = old.block(manifest.height) if 0 <= manifest.height <= height else None
            if stored is None or stored.hash.hex() != manifest.block_hash:
                continue
            if manifest.height + 1 < first_body and manifest.height < height:
                continue
            restore_snapshot(path, new)
            return judge(new, genesis, proof=read_proof(path), checkpoint=None).height
        except (SnapshotInvalid, SchemaTooOld, SchemaTooNew, Unproven):
            discard(new)
    if first_body > 1:
        raise CannotRollBack(
            height,
            f"the blocks below {first_body} are pruned, and no snapshot that could stand for them is here",
        )
    with closing(SqliteStore(new)) as store:
        store.commit(commit_batch([found(genesis)]))
    return 0


def _replay(
    old: SqliteReader, store: SqliteStore, genesis: Genesis, height: int, progress: Callable[[int], None]
) -> StateRoot:
    """Execute stored blocks on top of the new store; the state root after the last one."""
    base = StoreBase(store)
    ledger = Ledger(genesis, base)
    for number in range(ledger.final_height + 1, height + 1):
        stored = old.block(number)
        block = read_block(old, number)
        if stored is None or block is None:
            raise CannotRollBack(height, f"block {number} is missing or pruned")
        batches = _batches(old, block)
        if block.header.parent_hash != ledger.final_hash or not block.is_consistent():
            raise CannotRollBack(
                height, f"block {number} does not follow from its parent, or has another body"
            )
        if block.header.parent_state_root != ledger.state_root_after(ledger.final_hash):
            raise CannotRollBack(
                height, f"the state before block {number} is not the one in its header: this program differs"
            )
        ledger.execute(block, batches)
        proof = proof_of(stored)
        committed = (
            ledger.commit(block) if proof is None else ledger.commit(block, proof.tail, proof.finalization)
        )
        store.commit(commit_batch([committed]))
        store.checkpoint()
        base.fold(committed)
        ledger.folded(block.header.height)
        if number % PROGRESS_BLOCKS == 0:
            progress(number)
    return ledger.state_root_after(ledger.final_hash)


def _batches(old: SqliteReader, block: Block) -> list[SealedBatch]:
    batches = []
    for name in block.body.payload:
        stored = old.batch(name)
        batch = None if stored is None else decode_batch(stored.data)
        if batch is None or batch.hash != name:
            raise Unproven(f"batch {name.hex()} of block {block.header.height} is missing or damaged")
        batches.append(batch)
    return batches


def _check(old: SqliteReader, genesis: Genesis, height: int, root: StateRoot) -> bool:
    """Whether the next final header names this root; raises where it names another, or where nothing is final."""
    header = read_header(old, height)
    assert header is not None
    followers = read_followers(old, old, height)
    if followers is None:
        return False
    tail, finalization = followers
    *_, validators = follow_epochs(genesis, genesis.chain_id, read_epochs(old, tail[-1].epoch))
    check_finality(genesis.chain_id, validators, header, tail, finalization, f"finality of block {height}")
    if tail[0].parent_state_root != root:
        raise CannotRollBack(
            height,
            "the state is not the one that the next header names: this program differs from the others'",
        )
    return True
