"""Opening a home: store, log, ledger and node; in this order, and nothing is sent before all fit together."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from noded.codec.schema import decode_value
from noded.config.model import NodeConfig
from noded.consensus.params import CLOCKS_APART
from noded.daemon.joining import is_joined, without_ordered
from noded.errors import ConfigError
from noded.keys.errors import KeyProblem
from noded.keys.keystore import Keystore
from noded.keys.names import CONSENSUS
from noded.keys.rotation import find_seed, is_for, kept_watermark
from noded.keys.signer import START, Watermark, WatermarkSigner
from noded.ledger.genesis import found
from noded.ledger.ledger import Ledger, OtherChain
from noded.node.effects import Effect
from noded.node.node import Node
from noded.node.starting import Durable, start_node
from noded.ops.checkpoint import parse_checkpoint
from noded.ops.home import STORE_NAME, WAL_NAME
from noded.ops.rows import StoreBase, commit_batch, proof_of, read_block, read_header
from noded.storage.sqlite import SqliteStore
from noded.storage.wal import Wal
from noded.types.batch import decode_batch
from noded.types.block import Block, BlockKind, FinalityProof
from noded.types.genesis import GENESIS_BYTES_MAX, Genesis
from noded.types.ids import BatchHash, ChainId, InstitutionId, PublicKey, TimestampMs
from noded.types.records import RECORDS, BatchRecord, ProposalRecord, Record, VoteRecord

RECORD_BYTES_MAX = 2 * 1024 * 1024
"""One record of the log; a batch is the largest."""


log = structlog.get_logger("noded.boot")


class WrongHome(ConfigError):
    """The home's parts do not belong together; the message says which and what to do."""


@dataclass(slots=True)
class Opened:
    """Everything of a home that a running node uses."""

    me: InstitutionId
    genesis: Genesis
    chain_id: ChainId
    keystore: Keystore
    signer: WatermarkSigner
    store: SqliteStore
    wal: Wal
    base: StoreBase
    ledger: Ledger
    node: Node
    first_effects: list[Effect]


def clock_ms() -> int:
    """Milliseconds since 1970, as the machine's clock says."""
    return time.time_ns() // 1_000_000


def read_genesis(path: Path) -> Genesis:
    """
    The founding document in a file.

    Raises:
        WrongHome: The file is missing, or is no genesis document.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WrongHome(f"{path}: {error.strerror}; copy the consortium's genesis file there") from error
    try:
        return decode_value(Genesis, data, max_bytes=GENESIS_BYTES_MAX)
    except Exception as error:
        raise WrongHome(f"{path}: {error}; copy the consortium's genesis file there again") from error


def open_home(config: NodeConfig, keystore: Keystore, stack: ExitStack) -> Opened:
    """
    Open a home and put its node together; what must be closed is put on the stack.

    Args:
        config: Its settings.
        keystore: Its keys.
        stack: Of one who holds the home's lock.

    Raises:
        ConfigError: The home's parts do not belong together.
        StorageError: The disk failed.
    """
    genesis = read_genesis(config.path(config.node.genesis))
    chain_id = genesis.chain_id
    watermark = kept_watermark(keystore.folder, chain_id)
    signer = WatermarkSigner(
        keystore.secret(CONSENSUS),
        chain_id,
        watermark=watermark or START,
        find_seed=partial(_find_seed, keystore),
    )
    store = SqliteStore(config.home / STORE_NAME)
    stack.callback(store.close)
    if store.tip() is None:
        store.commit(commit_batch([found(genesis)]))
    base = StoreBase(store)
    ledger = _ledger(config, genesis, base)
    _check_checkpoint(config, ledger)
    tip = _tip(store)
    has_signed = tip.header.height > 0 or watermark is not None
    wal = Wal(config.home / WAL_NAME, chain_id, missed_ms=clock_ms() if has_signed else None)
    stack.callback(wal.close)
    records = _read_log(wal, signer)
    if wal.cut_bytes:
        log.warning("a write that was interrupted was cut off the log", size=wal.cut_bytes)
    me = _identify(config, genesis, keystore)
    parameters = ledger.parameters_after(tip.hash)
    epoch_genesis = _epoch_genesis(store, tip)
    # However often the node has started since: the votes of this epoch are gone (R21).
    is_log_lost = (
        wal.missed_ms is not None
        and epoch_genesis.header.time_ms <= wal.missed_ms + CLOCKS_APART * parameters.drift_ms
    )
    if not is_joined(records, tip, ledger.epoch_after(tip.hash)):
        # The signer remembers all of the log; the rest of it is of a time that this store has not reached.
        records = [record for record in records if isinstance(record, BatchRecord)]
        is_log_lost = True
    durable = Durable(
        tip=tip,
        proof=_proof(store, tip),
        epoch_genesis=epoch_genesis,
        epoch_blocks=_blocks_between(store, epoch_genesis, tip),
        recent_batches=_recent_batches(store, tip, parameters.batch_expiry_ms + parameters.drift_ms),
        records=without_ordered(records, store),
        is_log_lost=is_log_lost,
    )
    node, effects = start_node(
        me=me,
        signer=signer,
        ledger=ledger,
        durable=durable,
        now_ms=TimestampMs(clock_ms()),
    )
    return Opened(me, genesis, chain_id, keystore, signer, store, wal, base, ledger, node, effects)


def _ledger(config: NodeConfig, genesis: Genesis, base: StoreBase) -> Ledger:
    try:
        return Ledger(genesis, base)
    except OtherChain as error:
        path = config.path(config.node.genesis)
        raise WrongHome(
            f"{config.home / STORE_NAME}: holds another chain than {path} ({genesis.name!r}) founds; put the genesis file"
            " of this home's chain there again, or use another home for the other chain"
        ) from error


def _check_checkpoint(config: NodeConfig, ledger: Ledger) -> None:
    checkpoint = parse_checkpoint(config.node.checkpoint)
    if checkpoint is None or checkpoint.height > ledger.final_height:
        return
    found_hash = ledger.block_hash_at(checkpoint.height)
    if found_hash != checkpoint.hash:
        named = "no block" if found_hash is None else f"block {found_hash.hex()}"
        raise WrongHome(
            f"{config.home / STORE_NAME}: has {named} at height {checkpoint.height}, node.checkpoint says"
            f" {checkpoint.hash.hex()}; find out which of the two is of the consortium's chain"
        )


def signed_until(config: NodeConfig, keystore: Keystore, name: str) -> Mapping[ChainId, Watermark]:
    """
    Up to where a key of this home may have signed, as far as its log tells: what an export of the key must carry.

    Raises:
        StorageError: The log cannot be read.
    """
    folder = config.home / WAL_NAME
    if not is_for(name, CONSENSUS) or not any(folder.glob("*.wal")):
        return {}
    chain_id = read_genesis(config.path(config.node.genesis)).chain_id
    signer = WatermarkSigner(keystore.secret(CONSENSUS), chain_id)
    wal = Wal(folder, chain_id)
    try:
        _read_log(wal, signer)
    finally:
        wal.close()
    return {} if signer.highest == START else {chain_id: signer.highest}


def _find_seed(keystore: Keystore, key: PublicKey) -> bytes | None:
    """The seed of the key that the ledger names for this validator; None if it is not here, or cannot be used (K6)."""
    try:
        seed = find_seed(keystore, CONSENSUS, key)
    except KeyProblem as error:
        log.error("a consensus key cannot be used", why=str(error))
        seed = None
    if seed is None:
        log.error("the ledger names a consensus key that is not here: this node does not vote", key=key.hex())
    else:
        log.info("the consensus key of this epoch is in use", key=key.hex())
    return seed


def _read_log(wal: Wal, signer: WatermarkSigner) -> list[Record]:
    """All records of the log; the signer remembers what it signed."""
    records: list[Record] = []
    for entry in wal.replay():
        record = RECORDS.decode(entry.payload, max_bytes=RECORD_BYTES_MAX)
        records.append(record)
        if isinstance(record, VoteRecord):
            signer.restore_vote(record.vote)
        elif isinstance(record, ProposalRecord):
            block = record.proposal.block
            signer.restore_proposal(
                block.header.epoch, block.header.view, block.hash, record.proposal.signature
            )
    return records


def _identify(config: NodeConfig, genesis: Genesis, keystore: Keystore) -> InstitutionId:
    if config.node.institution:
        return InstitutionId(bytes.fromhex(config.node.institution))
    own = keystore.info(CONSENSUS).public_key
    for institution in genesis.institutions:
        if institution.consensus_key == own:
            return institution.id
    raise WrongHome(
        f"the consensus key {own.hex()} in {keystore.folder} is of no founding institution; set node.institution to the"
        " id under which this institution was admitted"
    )


def _tip(store: SqliteStore) -> Block:
    place = store.tip()
    assert place is not None
    block = read_block(store, place.height)
    assert block is not None, "the tip's body is never pruned"
    return block


def _proof(store: SqliteStore, block: Block) -> FinalityProof | None:
    stored = store.block(block.header.height)
    return None if stored is None else proof_of(stored)


def _epoch_genesis(store: SqliteStore, tip: Block) -> Block:
    """The block on which the epoch of the tip's children began."""
    if tip.header.kind is BlockKind.TERMINAL:
        return tip
    low, high = 0, int(tip.header.height)
    while high - low > 1:
        middle = (low + high) // 2
        header = read_header(store, middle)
        assert header is not None, "headers are never pruned"
        if header.epoch == tip.header.epoch and middle > 0:
            high = middle
        else:
            low = middle
    start = read_block(store, low)
    assert start is not None, "bodies from the last epoch's end on are never pruned"
    assert start.header.kind is BlockKind.TERMINAL
    return start


def _blocks_between(store: SqliteStore, below: Block, tip: Block) -> list[Block]:
    """The blocks above one, up to the tip; none where a body is not at hand, as after a snapshot's import."""
    blocks: list[Block] = []
    for height in range(below.header.height + 1, tip.header.height + 1):
        block = read_block(store, height)
        if block is None:
            return []
        blocks.append(block)
    return blocks


def _recent_batches(store: SqliteStore, tip: Block, span_ms: int) -> list[tuple[BatchHash, TimestampMs]]:
    """What the blocks of so long a time named."""
    found_batches: list[tuple[BatchHash, TimestampMs]] = []
    height = int(tip.header.height)
    while height > 0:
        block = read_block(store, height)
        if block is None or block.header.time_ms < tip.header.time_ms - span_ms:
            break
        for name in block.body.payload:
            stored = store.batch(name)
            if stored is not None:
                found_batches.append((name, decode_batch(stored.data).time_ms))
        height -= 1
    found_batches.reverse()
    return found_batches
