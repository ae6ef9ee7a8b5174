"""A proof that a final block's state has a value at a key: its file, what it shows, and shorter ones (P1–P5)."""

from dataclasses import replace
from typing import Annotated, Final

from noded.codec.errors import Malformed
from noded.codec.schema import Limit, decode_value, encode_value
from noded.crypto.state_proof import verify_absence, verify_inclusion
from noded.ledger.state import KEY_BYTES_MAX, VALUE_BYTES_MAX
from noded.lightclient.errors import InvalidProof
from noded.lightclient.finality import check_finality
from noded.lightclient.trust import Clock, Trusted, follow, founding_trust, overlaps
from noded.types.block import TAIL_MAX, BlockHeader, header_hash
from noded.types.frozen import frozen
from noded.types.genesis import Genesis
from noded.types.ids import BlockHash, ChainId, Epoch, Height, StateRoot, TimestampMs
from noded.types.messages import EpochEntry
from noded.types.proofs import StateProof
from noded.types.validator_set import ValidatorSet, ValidatorTable
from noded.types.vote import Certificate

PROOF_VERSION: Final = 1

EPOCHS_MAX: Final = 100_000
"""Epochs passed by one proof: 19 years of epochs of 600 blocks that come every ten seconds."""

PROOF_BYTES_MAX: Final = 256 * 1024 * 1024
"""Encoding of a proof: 100,000 epochs of four members are 200 MB, 1,000 epochs of a hundred 30."""

_MAGIC: Final = b"noded proof\n"


@frozen(kw_only=True)
class LedgerProof:
    """That the state after a block has a value at a key, or none."""

    version: Annotated[int, Limit(1, 255)]
    genesis: Genesis
    epochs: Annotated[tuple[EpochEntry, ...], Limit(0, EPOCHS_MAX)]
    """The ends of the epochs before the one that finalises, from epoch 1 on; some may be left out."""
    header: BlockHeader
    """The block after which the state is meant."""
    tail: Annotated[tuple[BlockHeader, ...], Limit(1, TAIL_MAX + 1)]
    """From its child, which commits to that state, to the block that the finalization names."""
    finalization: Certificate
    key: Annotated[bytes, Limit(1, KEY_BYTES_MAX)]
    value: Annotated[bytes, Limit(0, VALUE_BYTES_MAX)] | None
    """None: there is none."""
    path: StateProof
    tables: Annotated[tuple[ValidatorTable, ...], Limit(0, EPOCHS_MAX)] = ()
    """Of those epochs among `epochs` before which others are left out, ascending."""


@frozen(kw_only=True)
class ProvenValue:
    """What a proof shows."""

    chain_id: ChainId
    height: Height
    """Of the block after which the state is meant."""
    time_ms: TimestampMs
    """Of that block."""
    block: BlockHash
    state_root: StateRoot
    epoch: Epoch
    """Whose voters finalised it."""
    key: bytes
    value: bytes | None
    trusted: Trusted
    """The last table that the proof shows: where later proofs may start."""


def encode_proof(proof: LedgerProof) -> bytes:
    """The proof as it stands in a file."""
    return _MAGIC + encode_value(proof)


def decode_proof(data: bytes) -> LedgerProof:
    """
    Read a proof's file.

    Raises:
        InvalidProof: The bytes are no proof of a known version.
    """
    if not data.startswith(_MAGIC):
        raise InvalidProof(part="encoding", why="this is no proof made by `noded proof export`")
    try:
        return decode_value(LedgerProof, data[len(_MAGIC) :], max_bytes=PROOF_BYTES_MAX)
    except Malformed as error:
        raise InvalidProof(part="encoding", why=str(error)) from error


def verify(
    proof: LedgerProof, chain_id: ChainId, *, trusted: Trusted | None = None, clock: Clock | None = None
) -> ProvenValue:
    """
    What a proof shows about the chain of this id.

    Args:
        proof: From anybody.
        chain_id: Of the chain meant.
        trusted: Where to start; None for the founding document.
        clock: None to refuse proofs that skip epochs.

    Raises:
        InvalidProof: It does not show it.
    """
    if proof.version != PROOF_VERSION:
        raise InvalidProof(
            part="version", why=f"{proof.version} is unknown; this program knows {PROOF_VERSION}"
        )
    start = founding_trust(proof.genesis, chain_id)
    if trusted is not None:
        if trusted.chain_id != chain_id:
            raise InvalidProof(part="trusted table", why=f"it is of chain {trusted.chain_id.hex()}")
        if proof.tail[-1].epoch < trusted.table.epoch:
            raise InvalidProof(
                part="trusted table",
                why=f"it is of epoch {trusted.table.epoch}, and this proof of epoch {proof.tail[-1].epoch}, before it;"
                " verify from the founding document or an older table",
            )
        start = trusted
    reached = follow(start, proof.epochs, proof.tables, clock)
    if proof.tail[-1].epoch > reached.table.epoch:
        raise InvalidProof(
            part=f"end of epoch {reached.table.epoch}",
            why=f"it is missing, and the block is of epoch {proof.tail[-1].epoch}; export the proof from an earlier table",
        )
    validators = ValidatorSet(reached.table)
    check_finality(chain_id, validators, proof.header, proof.tail, proof.finalization, "finalization")
    root = proof.tail[0].parent_state_root
    if proof.value is None:
        is_proven = verify_absence(root, proof.key, proof.path)
    else:
        is_proven = verify_inclusion(root, proof.key, proof.value, proof.path)
    if not is_proven:
        raise InvalidProof(
            part="state path", why="it does not lead from this value to the block's state root"
        )
    return ProvenValue(
        chain_id=chain_id,
        height=proof.header.height,
        time_ms=proof.header.time_ms,
        block=header_hash(proof.header),
        state_root=root,
        epoch=validators.epoch,
        key=proof.key,
        value=proof.value,
        trusted=reached,
    )


def since(proof: LedgerProof, trusted: Trusted) -> LedgerProof:
    """The same proof for somebody who trusts a table: without the ends of the epochs before it."""
    kept = tuple(entry for entry in proof.epochs if entry.terminal.epoch >= trusted.table.epoch)
    return replace(proof, epochs=kept)


def shorten(proof: LedgerProof, trusted: Trusted) -> LedgerProof:
    """
    The same proof for somebody who trusts a table: epochs are left out where overlap permits (P5).

    Of the distances to the last epoch, half of it, a quarter … each time the longest that permits.

    Raises:
        InvalidProof: The proof lacks the end of an epoch itself.
    """
    kept: list[EpochEntry] = []
    tables: list[ValidatorTable] = []
    entries = {entry.terminal.epoch: entry for entry in proof.epochs}
    known, reach = trusted.table, max(entries, default=0)
    while known.epoch <= reach:
        target = reach
        while target > known.epoch:
            before, end = entries.get(Epoch(target - 1)), entries.get(Epoch(target))
            if before is not None and end is not None and overlaps(known, before.table, end.finalization):
                tables.append(before.table)
                break
            target = known.epoch + (target - known.epoch) // 2
        end = entries.get(Epoch(target))
        if end is None or end.table.epoch <= known.epoch:
            raise InvalidProof(part=f"end of epoch {known.epoch}", why="it is missing")
        kept.append(end)
        known = end.table
    return replace(proof, epochs=tuple(kept), tables=tuple(tables))
