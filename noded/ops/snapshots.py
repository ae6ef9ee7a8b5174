"""
Snapshots of a ledger: a store in one file, with the proof that its state is what the chain's members finalised.

    000000012345.snapshot   the store after block 12345
    000000012345.json       its size and SHA-256: whether it is whole
    000000012345.proof      that its state root is certified; `noded proof verify` reads it too
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noded.errors import NodedError
from noded.lightclient import PROOF_BYTES_MAX, InvalidProof, LedgerProof, decode_proof, encode_proof, verify
from noded.ops.checkpoint import Checkpoint
from noded.ops.home import SNAPSHOTS_NAME, STORE_NAME
from noded.ops.judging import Judged, Unproven, certify, judge
from noded.ops.swapping import discard, swap_in, workplace
from noded.storage.errors import SnapshotInvalid, StoreExists
from noded.storage.files import os_errors, write_private
from noded.storage.lock import HomeLock, is_in_use
from noded.storage.snapshot import (
    MANIFEST_SUFFIX,
    Snapshot,
    create_snapshot,
    list_snapshots,
    read_manifest,
    restore_snapshot,
    verify_snapshot,
)
from noded.storage.sqlite import open_reader
from noded.types.genesis import Genesis

PROOF_SUFFIX: Final = ".proof"

PATIENCE_S: Final = 30.0
"""For the block that certifies a snapshot's state; an idle chain makes one in ten seconds."""

LOOK_S: Final = 0.2


class NotCertified(NodedError):
    """Nothing proves the state of a snapshot; only its last block is proven to be final."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: no later block certifies its state; take a snapshot while the node runs and the chain goes on, or"
            " accept it with --uncertified if you made it: the node compares its state with the next block"
        )
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A snapshot as its manifest describes it; not verified."""

    path: Path
    manifest: Snapshot
    is_certified: bool
    """Whether there is a proof beside it."""

    def files(self) -> tuple[Path, ...]:
        """The snapshot, its manifest, and its proof, which may not be there."""
        return self.path, self.path.with_suffix(MANIFEST_SUFFIX), self.path.with_suffix(PROOF_SUFFIX)


def list_certified(folder: Path) -> list[Listed]:
    """The snapshots in a folder, lowest height first; not verified."""
    return [
        Listed(path=path, manifest=read_manifest(path), is_certified=path.with_suffix(PROOF_SUFFIX).exists())
        for path in list_snapshots(folder)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A snapshot that has become a home's store."""

    judged: Judged
    set_aside: Path | None
    """The store that was there before."""


def take_snapshot(
    home: Path,
    genesis: Genesis,
    folder: Path | None = None,
    *,
    patience_s: float = PATIENCE_S,
    sleep: Callable[[float], None] = time.sleep,
    clock_s: Callable[[], float] = time.monotonic,
) -> Listed:
    """
    Make a snapshot of a home's store; while the node runs, wait for the block that certifies it.

    Args:
        home: Of the node, which may run.
        genesis: The chain's founding document.
        folder: Where it goes; None for the home's own snapshots.
        patience_s: How long to wait for that block.
        sleep: Waits.
        clock_s: Measures how long.

    Raises:
        StorageError: It could not be made.
        Unproven: The store contradicts itself.
    """
    store = home / STORE_NAME
    folder = home / SNAPSHOTS_NAME if folder is None else folder
    path = create_snapshot(store, folder)
    proof_path = path.with_suffix(PROOF_SUFFIX)
    with os_errors(proof_path):
        proof_path.unlink(missing_ok=True)
    deadline_s = clock_s() + patience_s
    with ExitStack() as stack:
        taken, live = open_reader(path), open_reader(store)
        stack.callback(taken.close)
        stack.callback(live.close)
        proof = certify(taken, live, genesis)
        while proof is None and clock_s() < deadline_s and is_in_use(home):
            sleep(LOOK_S)
            proof = certify(taken, live, genesis)
    if proof is not None:
        try:
            verify(proof, genesis.chain_id)
        except InvalidProof as error:
            raise Unproven(f"{store}: {error}; see `noded db check`") from error
        write_private(proof_path, encode_proof(proof))
    return Listed(path=path, manifest=read_manifest(path), is_certified=proof is not None)


def check_snapshot(path: Path, genesis: Genesis, checkpoint: Checkpoint | None) -> Judged:
    """
    Read a whole snapshot, and prove its state as far as it can be.

    Raises:
        SnapshotInvalid: It is not whole, or not the chain's.
    """
    verify_snapshot(path)
    try:
        return judge(path, genesis, proof=read_proof(path), checkpoint=checkpoint)
    except (Unproven, InvalidProof) as error:
        raise SnapshotInvalid(path, str(error)) from error


def install_snapshot(
    path: Path,
    home: Path,
    genesis: Genesis,
    *,
    checkpoint: Checkpoint | None,
    allow_uncertified: bool,
    replace: bool,
) -> Restored:
    """
    Make a snapshot the store of a home on which no node runs, once it is proven (O1–O4).

    Args:
        path: The snapshot; its manifest and proof are beside it.
        home: Of the node.
        genesis: The chain's founding document: what the proof begins with.
        checkpoint: A block that must be on the chain.
        allow_uncertified: Whether to take one whose state no later block certifies.
        replace: Whether there may be a store already, which is then set aside.

    Raises:
        HomeLocked: A node runs there.
        SnapshotInvalid, SchemaTooNew: It cannot be used.
        NotCertified: No later block certifies its state.
        StoreExists: There is a store already.
    """
    with HomeLock(home):
        proof = read_proof(path)
        if proof is None and not allow_uncertified:
            raise NotCertified(path)
        if (home / STORE_NAME).exists() and not replace:
            raise StoreExists(home / STORE_NAME)
        new = workplace(home, "restoring")
        try:
            restore_snapshot(path, new)
            try:
                judged = judge(new, genesis, proof=proof, checkpoint=checkpoint)
            except (Unproven, InvalidProof) as error:
                raise SnapshotInvalid(path, str(error)) from error
            return Restored(judged=judged, set_aside=swap_in(home, new, replace=replace))
        except BaseException:
            discard(new)
            raise


def read_proof(path: Path) -> LedgerProof | None:
    """
    The proof beside a snapshot; None if there is none.

    Raises:
        SnapshotInvalid: It is no proof.
    """
    proof_path = path.with_suffix(PROOF_SUFFIX)
    with os_errors(proof_path):
        if not proof_path.exists():
            return None
        with proof_path.open("rb") as file:
            data = file.read(PROOF_BYTES_MAX + 1)
    try:
        return decode_proof(data)
    except InvalidProof as error:
        raise SnapshotInvalid(path, f"{proof_path.name}: {error}") from error
