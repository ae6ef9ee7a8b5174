"""
Verifying without a node: that a final block's state has a value at a key, from the chain's id alone (P1–P4).

A proof begins with the genesis document, whose hash is the chain's id and which names the voters of epoch 1. The end
of each epoch since then is a finalised terminal block that commits to the next table. In the last epoch a finalization
ends a chain of headers that begins with the block in question; its child commits to the state after it, and a path
leads from there to the value. Nothing but the id is trusted: no node, no clock, no network.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from noded.codec.errors import Malformed
from noded.codec.schema import Limit, decode_value, encode_value
from noded.crypto.signing import verify_many
from noded.crypto.state_proof import verify_absence, verify_inclusion
from noded.errors import NodedError
from noded.ledger.epoch import founding_table
from noded.ledger.genesis import check_genesis
from noded.ledger.state import KEY_BYTES_MAX, VALUE_BYTES_MAX
from noded.types.block import TAIL_MAX, BlockHeader, BlockKind, header_hash
from noded.types.genesis import Genesis
from noded.types.ids import BlockHash, ChainId, Epoch, Height, StateRoot, TimestampMs, bitmap_indices
from noded.types.messages import EpochEntry
from noded.types.proofs import StateProof
from noded.types.validator_set import ValidatorSet, ValidatorTable, table_root
from noded.types.vote import Certificate, VoteKind

PROOF_VERSION: Final = 1

EPOCHS_MAX: Final = 100_000
"""Epochs passed by one proof: 19 years of epochs of 600 blocks that come every ten seconds."""

PROOF_BYTES_MAX: Final = 256 * 1024 * 1024
"""Encoding of a proof: 100,000 epochs of four members are 200 MB, 1,000 epochs of a hundred 30."""

_MAGIC: Final = b"noded proof\n"


class InvalidProof(NodedError):
    """A proof does not show what it claims; `part` names what does not hold."""

    def __init__(self, *, part: str, why: str) -> None:
        super().__init__(f"{part}: {why}")
        self.part = part
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerProof:
    """That the state after a block has a value at a key, or none."""

    version: Annotated[int, Limit(1, 255)]
    genesis: Genesis
    epochs: Annotated[tuple[EpochEntry, ...], Limit(0, EPOCHS_MAX)]
    """The ends of all epochs before the one that finalises, from epoch 1 on."""
    header: BlockHeader
    """The block after which the state is meant."""
    tail: Annotated[tuple[BlockHeader, ...], Limit(1, TAIL_MAX + 1)]
    """From its child, which commits to that state, to the block that the finalization names."""
    finalization: Certificate
    key: Annotated[bytes, Limit(1, KEY_BYTES_MAX)]
    value: Annotated[bytes, Limit(0, VALUE_BYTES_MAX)] | None
    """None: there is none."""
    path: StateProof


@dataclass(frozen=True, slots=True, kw_only=True)
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


def verify(proof: LedgerProof, chain_id: ChainId) -> ProvenValue:
    """
    What a proof shows about the chain of this id.

    Raises:
        InvalidProof: It does not show it.
    """
    if proof.version != PROOF_VERSION:
        raise InvalidProof(
            part="version", why=f"{proof.version} is unknown; this program knows {PROOF_VERSION}"
        )
    *_, validators = follow_epochs(proof.genesis, chain_id, proof.epochs)
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
    )


def follow_epochs(
    genesis: Genesis, chain_id: ChainId, epochs: Iterable[EpochEntry]
) -> Iterator[ValidatorSet]:
    """
    The voters of epoch 1, then those of each next epoch as soon as the end of the one before is proven (P1, P2).

    Raises:
        InvalidProof: The document founds another chain, or an epoch's end is not proven.
    """
    if genesis.chain_id != chain_id:
        named = genesis.chain_id.hex()
        raise InvalidProof(part="genesis", why=f"it founds chain {named}, not {chain_id.hex()}")
    check_genesis(genesis)
    validators = ValidatorSet(founding_table(genesis))
    yield validators
    for entry in epochs:
        part = f"end of epoch {validators.epoch}"
        terminal = entry.terminal
        if terminal.kind is not BlockKind.TERMINAL or terminal.epoch != validators.epoch:
            raise InvalidProof(part=part, why="its block does not end the epoch")
        if any(seal.kind is not BlockKind.SEAL for seal in entry.seals):
            raise InvalidProof(part=part, why="only seals follow a terminal block in its epoch")
        check_finality(chain_id, validators, terminal, entry.seals, entry.finalization, part)
        validators = ValidatorSet(_next_table(entry, validators.epoch, part))
        yield validators


def _next_table(entry: EpochEntry, epoch: Epoch, part: str) -> ValidatorTable:
    table = entry.table
    if table.epoch != epoch + 1 or table_root(table) != entry.terminal.next_epoch_root:
        raise InvalidProof(part=part, why="the next epoch's table is not the one that it commits to")
    return table


def check_finality(
    chain_id: ChainId,
    validators: ValidatorSet,
    header: BlockHeader,
    tail: tuple[BlockHeader, ...],
    finalization: Certificate,
    part: str,
) -> None:
    """
    Pass if a header and those after it are chained, and a quorum of the epoch's table finalised the last one (P3).

    Raises:
        InvalidProof: Not so; `part` is what the error says does not hold.
    """
    last = header
    for follower in tail:
        if follower.parent_hash != header_hash(last):
            raise InvalidProof(
                part=part, why=f"header {follower.height} does not follow header {last.height}"
            )
        last = follower
    if last.chain_id != chain_id or last.epoch != validators.epoch or last.epoch_root != validators.root:
        raise InvalidProof(part=part, why="the last header is of another chain or epoch")
    named = (finalization.kind, finalization.epoch, finalization.view, finalization.block_hash)
    if named != (VoteKind.FINALIZE, last.epoch, last.view, header_hash(last)):
        raise InvalidProof(part=part, why="the votes are not for the last header")
    if not validators.is_bitmap_valid(finalization.bitmap):
        raise InvalidProof(part=part, why="the votes' bitmap does not fit the table")
    signers = bitmap_indices(finalization.bitmap)
    if len(signers) != len(finalization.signatures):
        raise InvalidProof(part=part, why="there are not as many signatures as voters")
    if not validators.is_quorum(validators.bitmap_power(finalization.bitmap)):
        raise InvalidProof(part=part, why="the votes make no quorum")
    signed = finalization.signing_bytes(chain_id)
    keys = [validators.table.validators[index].public_key for index in signers]
    good = verify_many(zip(keys, [signed] * len(keys), finalization.signatures, strict=True))
    if not all(good):
        forged = validators.ids()[signers[good.index(False)]]
        raise InvalidProof(part=part, why=f"the signature of validator {forged.hex()} is not valid")
