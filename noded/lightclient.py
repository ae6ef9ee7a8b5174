"""
Verifying without a node: that a final block's state has a value at a key, from the chain's id alone (P1–P4).

A proof begins with the genesis document, whose hash is the chain's id and which names the voters of epoch 1. The end
of each epoch since then is a finalised terminal block that commits to the next table. In the last epoch a finalization
ends a chain of headers that begins with the block in question; its child commits to the state after it, and a path
leads from there to the value. Nothing but the id is trusted: no node, no clock, no network.

Who has verified before trusts a table already and starts from there. And epochs may be skipped (P5): the end of
epoch e' counts for who trusts the table of e, if its voters have a quorum of e' and more than a third of e, so that
an honest voter of e is among them; and only while the table of e is younger than the trusting period, after which
its voters may have nothing to lose by signing another history.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
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


class TableForged(InvalidProof):
    """A table of voters is not the one that a final block commits to."""


class TrustExpired(InvalidProof):
    """The table from which epochs are skipped is older than the trusting period."""


class TooLittleOverlap(InvalidProof):
    """The voters who ended a skipped-to epoch hold no more than a third of the trusted table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """The voters of an epoch, known to be right: what a light client keeps."""

    chain_id: ChainId
    time_ms: TimestampMs
    """Of the block that commits to the table."""
    table: ValidatorTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What skipping takes besides signatures."""

    now_ms: int
    trusting_ms: int
    """How long a table may be skipped from; a parameter of the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
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


def founding_trust(genesis: Genesis, chain_id: ChainId) -> Trusted:
    """
    The voters of epoch 1, whom the chain's id names (P1).

    Raises:
        InvalidProof: The document founds another chain.
    """
    if genesis.chain_id != chain_id:
        raise InvalidProof(
            part="genesis", why=f"it founds chain {genesis.chain_id.hex()}, not {chain_id.hex()}"
        )
    check_genesis(genesis)
    return Trusted(chain_id=chain_id, time_ms=genesis.time_ms, table=founding_table(genesis))


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


def follow(
    trusted: Trusted,
    entries: Sequence[EpochEntry],
    tables: Sequence[ValidatorTable] = (),
    clock: Clock | None = None,
) -> Trusted:
    """
    The table after the last of some ends of epochs; those before the trusted table's epoch are passed over.

    Args:
        trusted: Where to start.
        entries: Ends of epochs, ascending.
        tables: Of those epochs among them that are skipped to; others are ignored.
        clock: None to refuse skipping.

    Raises:
        InvalidProof: An end does not hold, or no way leads to it.
    """
    skipped_to = {table.epoch: table for table in tables}
    for entry in entries:
        epoch = entry.terminal.epoch
        if epoch == trusted.table.epoch:
            trusted = _next(trusted, entry, trusted.table)
        elif epoch > trusted.table.epoch:
            table = skipped_to.get(epoch)
            part = f"end of epoch {trusted.table.epoch}"
            if table is None or clock is None:
                raise InvalidProof(part=part, why=f"it is missing, the next end is that of epoch {epoch}")
            _check_fresh(trusted, clock, f"skip from epoch {trusted.table.epoch} to {epoch}")
            reached = _next(trusted, entry, table)
            _check_overlap(trusted, table, entry.finalization)
            trusted = reached
    return trusted


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
            if before is not None and end is not None and _overlaps(known, before.table, end.finalization):
                tables.append(before.table)
                break
            target = known.epoch + (target - known.epoch) // 2
        end = entries.get(Epoch(target))
        if end is None or end.table.epoch <= known.epoch:
            raise InvalidProof(part=f"end of epoch {known.epoch}", why="it is missing")
        kept.append(end)
        known = end.table
    return replace(proof, epochs=tuple(kept), tables=tuple(tables))


def follow_epochs(
    genesis: Genesis, chain_id: ChainId, epochs: Iterable[EpochEntry]
) -> Iterator[ValidatorSet]:
    """
    The voters of epoch 1, then those of each next epoch as soon as the end of the one before is proven (P1, P2).

    Raises:
        InvalidProof: The document founds another chain, or an epoch's end is not proven.
    """
    trusted = founding_trust(genesis, chain_id)
    yield ValidatorSet(trusted.table)
    for entry in epochs:
        trusted = _next(trusted, entry, trusted.table)
        yield ValidatorSet(trusted.table)


def _next(trusted: Trusted, entry: EpochEntry, table: ValidatorTable) -> Trusted:
    """P2: the table after an epoch's end, which a quorum of the epoch's own table finalised."""
    part = f"end of epoch {table.epoch}"
    terminal = entry.terminal
    if terminal.kind is not BlockKind.TERMINAL or terminal.epoch != table.epoch:
        raise InvalidProof(part=part, why="its block does not end the epoch")
    if table_root(table) != terminal.epoch_root:
        raise TableForged(part=part, why="its voters are not the table that its last block commits to")
    if any(seal.kind is not BlockKind.SEAL for seal in entry.seals):
        raise InvalidProof(part=part, why="only seals follow a terminal block in its epoch")
    names = [validator.id for validator in table.validators]
    if any(first >= second for first, second in pairwise(names)):
        raise TableForged(part=part, why="its voters are not in order, each once")
    check_finality(trusted.chain_id, ValidatorSet(table), terminal, entry.seals, entry.finalization, part)
    following = entry.table
    if following.epoch != table.epoch + 1 or table_root(following) != terminal.next_epoch_root:
        raise TableForged(part=part, why="the next epoch's table is not the one that it commits to")
    return Trusted(chain_id=trusted.chain_id, time_ms=terminal.time_ms, table=following)


def _check_fresh(trusted: Trusted, clock: Clock, part: str) -> None:
    age = clock.now_ms - trusted.time_ms
    if age >= clock.trusting_ms:
        raise TrustExpired(
            part=part, why=f"the trusted table is {age} ms old, at most {clock.trusting_ms} are allowed"
        )


def _check_overlap(trusted: Trusted, table: ValidatorTable, certificate: Certificate) -> None:
    """P5: more than a third of the trusted power signed, under the keys that are trusted."""
    if not _overlaps(trusted.table, table, certificate):
        common, total = _overlap(trusted.table, table, certificate), _total(trusted.table)
        part = f"skip from epoch {trusted.table.epoch} to {table.epoch}"
        raise TooLittleOverlap(
            part=part, why=f"the voters hold {common} of the trusted power {total}, no more than a third"
        )


def _overlaps(known: ValidatorTable, table: ValidatorTable, certificate: Certificate) -> bool:
    return 3 * _overlap(known, table, certificate) > _total(known)


def _overlap(known: ValidatorTable, table: ValidatorTable, certificate: Certificate) -> int:
    """Power in a known table of those who signed a certificate of a later one with the same keys."""
    powers = {(row.id, row.public_key): int(row.power) for row in known.validators}
    rows = table.validators
    signers = [rows[index] for index in bitmap_indices(certificate.bitmap) if index < len(rows)]
    return sum(powers.get((row.id, row.public_key), 0) for row in signers)


def _total(table: ValidatorTable) -> int:
    return sum(int(row.power) for row in table.validators)


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
