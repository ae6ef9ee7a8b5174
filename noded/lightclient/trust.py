"""Trust in an epoch's voters: how it begins, and how it passes from epoch to epoch (P1, P2, P5)."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from noded.ledger.epoch import founding_table
from noded.ledger.genesis import check_genesis
from noded.lightclient.errors import InvalidProof, TableForged, TooLittleOverlap, TrustExpired
from noded.lightclient.finality import check_finality
from noded.types.block import BlockKind
from noded.types.frozen import frozen
from noded.types.genesis import Genesis
from noded.types.ids import ChainId, TimestampMs, bitmap_indices
from noded.types.messages import EpochEntry
from noded.types.validator_set import ValidatorSet, ValidatorTable, table_root
from noded.types.vote import Certificate

BEHIND_MAX_MS: Final = 3_600_000
"""How far a verifier's clock may be behind a table's block: an hour, more than any network's clocks drift apart."""


@frozen(kw_only=True)
class Trusted:
    """The voters of an epoch, known to be right: what a light client keeps."""

    chain_id: ChainId
    time_ms: TimestampMs
    """Of the block that commits to the table."""
    table: ValidatorTable


@frozen(kw_only=True)
class Clock:
    """What skipping takes besides signatures."""

    now_ms: int
    trusting_ms: int
    """How long a table may be skipped from; a parameter of the chain."""


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
    if not any(validator.share for validator in table.validators):
        raise TableForged(part=part, why="none of its voters may propose")
    check_finality(trusted.chain_id, ValidatorSet(table), terminal, entry.seals, entry.finalization, part)
    following = entry.table
    if following.epoch != table.epoch + 1 or table_root(following) != terminal.next_epoch_root:
        raise TableForged(part=part, why="the next epoch's table is not the one that it commits to")
    return Trusted(chain_id=trusted.chain_id, time_ms=terminal.time_ms, table=following)


def _check_fresh(trusted: Trusted, clock: Clock, part: str) -> None:
    age = clock.now_ms - trusted.time_ms
    if -age > BEHIND_MAX_MS:
        raise InvalidProof(
            part=part,
            why=f"this machine's clock is {-age} ms before the trusted table, so it cannot tell its age; set it",
        )
    if age >= clock.trusting_ms:
        raise TrustExpired(
            part=part, why=f"the trusted table is {age} ms old, at most {clock.trusting_ms} are allowed"
        )


def _check_overlap(trusted: Trusted, table: ValidatorTable, certificate: Certificate) -> None:
    """P5: more than a third of the trusted power signed, under the keys that are trusted."""
    if not overlaps(trusted.table, table, certificate):
        common, total = _overlap(trusted.table, table, certificate), _total(trusted.table)
        part = f"skip from epoch {trusted.table.epoch} to {table.epoch}"
        raise TooLittleOverlap(
            part=part, why=f"the voters hold {common} of the trusted power {total}, no more than a third"
        )


def overlaps(known: ValidatorTable, table: ValidatorTable, certificate: Certificate) -> bool:
    """P5: whether who signed a certificate of a later table holds more than a third of a known one."""
    return 3 * _overlap(known, table, certificate) > _total(known)


def _overlap(known: ValidatorTable, table: ValidatorTable, certificate: Certificate) -> int:
    """Power in a known table of those who signed a certificate of a later one with the same keys."""
    powers = {(row.id, row.public_key): int(row.power) for row in known.validators}
    rows = table.validators
    signers = [rows[index] for index in bitmap_indices(certificate.bitmap) if index < len(rows)]
    return sum(powers.get((row.id, row.public_key), 0) for row in signers)


def _total(table: ValidatorTable) -> int:
    return sum(int(row.power) for row in table.validators)
