"""Checking a home's store: the file, every value, header, body, batch and finalization; and what nothing certifies."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Final

from noded.codec.errors import Malformed
from noded.codec.schema import decode_value
from noded.crypto.hashing import hasher
from noded.lightclient import InvalidProof, check_finality, follow_epochs
from noded.ops.home import STORE_NAME
from noded.ops.judging import Unproven, check_head, check_headers, read_epochs, read_followers
from noded.ops.recomputing import Recomputed, recompute, recompute_at
from noded.ops.rows import STORED_BYTES_MAX, read_block, read_header
from noded.storage.errors import StoreCorrupt
from noded.storage.inspect import FINDINGS_MAX, check_tables
from noded.storage.lock import is_in_use
from noded.storage.sqlite import open_reader
from noded.storage.sqlite_reader import SqliteReader
from noded.storage.store import Reader
from noded.types.batch import BATCH_DOMAIN
from noded.types.block import BlockHeader, FinalityProof
from noded.types.genesis import Genesis
from noded.types.ids import Epoch, Height, StateRoot
from noded.types.validator_set import ValidatorSet

PATIENCE_S: Final = 30.0
"""For the block that certifies the state of a node that runs; an idle chain makes one in ten seconds."""

LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check of a store found."""

    height: Height | None
    """Of the last block; None where the headers are damaged."""
    state_root: StateRoot | None
    """After that block, computed from the values; None where they cannot be read."""
    is_certified: bool | None
    """Whether the next final header names this root; None where no next header is here to compare with."""
    rows: int
    findings: tuple[str, ...]
    """What is wrong, at most FINDINGS_MAX; none for a store that is whole."""


def check_database(home: Path, genesis: Genesis, *, sleep: Callable[[float], None] = time.sleep) -> Checked:
    """
    Check a home's store; while the node runs, at one height, waiting for the block that certifies its state.

    Args:
        home: Of the node.
        genesis: The chain's founding document.
        sleep: Waits.

    Raises:
        StorageError: The store cannot be read at all.
    """
    store = home / STORE_NAME
    findings: list[str] = []
    try:
        findings += islice(check_tables(store), FINDINGS_MAX)
        recomputed = None if is_in_use(home) else recompute(store)

        def wait() -> bool:
            sleep(LOOK_S)
            return is_in_use(home)

        looks = repeat(wait, int(PATIENCE_S / LOOK_S)) if recomputed is None else ()
        with closing(open_reader(store)) as reader, reader.snapshot():
            return _check(reader, store, genesis, recomputed, findings, looks)
    except StoreCorrupt as error:
        findings.append(str(error))
    return Checked(
        height=None, state_root=None, is_certified=None, rows=0, findings=tuple(findings[:FINDINGS_MAX])
    )


def _check(
    reader: SqliteReader,
    store: Path,
    genesis: Genesis,
    recomputed: Recomputed | None,
    findings: list[str],
    looks: Iterable[Callable[[], bool]],
) -> Checked:
    if recomputed is None:
        recomputed = recompute_at(reader)
    findings += recomputed.findings
    last: BlockHeader | None = None
    is_certified: bool | None = None
    try:
        last, name = check_headers(reader, genesis, None)
        check_head(reader, genesis, last, name)
    except (Unproven, Malformed) as error:
        findings.append(str(error))
    findings += islice(_wrong_bodies(reader), FINDINGS_MAX)
    if last is not None:
        findings += islice(_wrong_finality(reader, genesis, last), FINDINGS_MAX)
        with closing(open_reader(store)) as live:
            is_certified = _compare(reader, live, genesis, last, recomputed)
            for wait in looks:
                if is_certified is not None or not wait():
                    break
                is_certified = _compare(reader, live, genesis, last, recomputed)
        if is_certified is False:
            findings.append(f"the state after block {last.height} is not the one that the next header names")
    return Checked(
        height=None if last is None else last.height,
        state_root=recomputed.root,
        is_certified=is_certified,
        rows=recomputed.rows,
        findings=tuple(findings[:FINDINGS_MAX]),
    )


def _compare(
    reader: Reader, live: Reader, genesis: Genesis, last: BlockHeader, recomputed: Recomputed
) -> bool | None:
    """Whether a later final header names the state root; None without one."""
    followers = read_followers(reader, live, last.height)
    if followers is None:
        return None
    tail, finalization = followers
    try:
        *_, validators = follow_epochs(genesis, genesis.chain_id, read_epochs(live, tail[-1].epoch))
        check_finality(genesis.chain_id, validators, last, tail, finalization, "finality of the next header")
    except (Unproven, InvalidProof):
        return None
    return tail[0].parent_state_root == recomputed.root


def _wrong_bodies(reader: SqliteReader) -> Iterator[str]:
    """Bodies and batches that are not what the headers name; pruned ones are not missed."""
    span = reader.body_heights()
    if span is None:
        return
    batch_hash = hasher(BATCH_DOMAIN)
    for height in range(span[0], span[1] + 1):
        try:
            block = read_block(reader, height)
        except Malformed as error:
            yield f"block {height} cannot be read: {error}"
            continue
        if block is None:
            yield f"the body of block {height} is missing between others"
            continue
        if not block.is_consistent():
            yield f"the body of block {height} is not the one that its header names"
        for name in block.body.payload:
            stored = reader.batch(name)
            if stored is None:
                yield f"batch {name.hex()} of block {height} is missing"
            elif batch_hash(stored.data) != name:
                yield f"batch {name.hex()} of block {height} has another hash"


def _wrong_finality(reader: SqliteReader, genesis: Genesis, last: BlockHeader) -> Iterator[str]:
    """Ends of epochs and finalizations that do not hold."""
    tables: dict[Epoch, ValidatorSet] = {}
    try:
        for validators in follow_epochs(genesis, genesis.chain_id, read_epochs(reader, last.epoch)):
            tables[validators.epoch] = validators
    except (Unproven, InvalidProof, Malformed) as error:
        yield str(error)
    for height, data in reader.certificate_scan():
        header = read_header(reader, height)
        part = f"finality of block {height}"
        try:
            proof = decode_value(FinalityProof, data, max_bytes=STORED_BYTES_MAX)
            if header is None or header.epoch not in tables:
                yield f"{part}: nobody knows who voted"
                continue
            check_finality(
                genesis.chain_id, tables[header.epoch], header, proof.tail, proof.finalization, part
            )
        except (InvalidProof, Malformed) as error:
            yield f"{part}: {error}" if isinstance(error, Malformed) else str(error)
