"""Ends of epochs made by hand, whose voters and powers are whatever a test says, with real votes."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import pairwise

from noded.crypto.signing import public_key_of, sign
from noded.lightclient import Trusted
from noded.types.block import BLOCK_VERSION, BlockHeader, BlockKind, header_hash
from noded.types.ids import (
    BlockHash,
    ChainId,
    Epoch,
    Height,
    PublicKey,
    Root,
    Signature,
    StateRoot,
    TimestampMs,
    ValidatorId,
    View,
    VotingPower,
    make_bitmap,
)
from noded.types.messages import EpochEntry
from noded.types.validator_set import Validator, ValidatorTable, table_root
from noded.types.vote import Certificate, VoteKind, vote_signing_bytes

CHAIN = ChainId(sha256(b"series").digest())
START_MS = 1_700_000_000_000
EPOCH_MS = 3_600_000
EPOCH_HEIGHTS = 10

Powers = Mapping[int, int]
"""Power by the member's number."""


def key_seed(number: int) -> bytes:
    return sha256(f"voter {number}".encode()).digest()


def member(number: int) -> ValidatorId:
    return ValidatorId(number.to_bytes(16))


def make_table(epoch: int, powers: Powers, *, rotated: Sequence[int] = ()) -> ValidatorTable:
    """A table of these powers; `rotated` members have another key than by default."""
    return ValidatorTable(
        epoch=Epoch(epoch),
        seed=bytes(32),
        round_robin=False,
        validators=tuple(
            Validator(
                id=member(number),
                public_key=PublicKey(public_key_of(key_seed(number + 100 if number in rotated else number))),
                power=VotingPower(powers[number]),
                raw_power=VotingPower(powers[number]),
                share=powers[number],
                reputation=500_000,
                debt=0,
            )
            for number in sorted(powers)
        ),
    )


def make_end(
    table: ValidatorTable, following: ValidatorTable, *, voters: Sequence[int] | None = None
) -> EpochEntry:
    """The end of a table's epoch; `voters` are members' numbers, all by default."""
    header = BlockHeader(
        version=BLOCK_VERSION,
        chain_id=CHAIN,
        epoch=table.epoch,
        view=View(EPOCH_HEIGHTS),
        height=Height(table.epoch * EPOCH_HEIGHTS),
        parent_hash=BlockHash(bytes(32)),
        parent_view=View(EPOCH_HEIGHTS - 1),
        proposer=table.validators[0].id,
        kind=BlockKind.TERMINAL,
        payload_root=Root(bytes(32)),
        parent_state_root=StateRoot(bytes(32)),
        justify_root=Root(bytes(32)),
        evidence_root=Root(bytes(32)),
        time_ms=TimestampMs(START_MS + table.epoch * EPOCH_MS),
        epoch_root=table_root(table),
        next_epoch_root=table_root(following),
    )
    finalization = finalize(header, table, voters)
    return EpochEntry(terminal=header, seals=(), finalization=finalization, table=following)


def finalize(header: BlockHeader, table: ValidatorTable, voters: Sequence[int] | None = None) -> Certificate:
    """Votes for a block of a table's epoch; `voters` are members' numbers, all by default."""
    seeds = {public_key_of(key_seed(number)): key_seed(number) for number in range(200)}
    numbers = [int.from_bytes(row.id) for row in table.validators]
    chosen = [numbers.index(each) for each in (numbers if voters is None else voters)]
    name = header_hash(header)
    signed = vote_signing_bytes(CHAIN, VoteKind.FINALIZE, header.epoch, header.view, name)
    return Certificate(
        kind=VoteKind.FINALIZE,
        epoch=header.epoch,
        view=header.view,
        block_hash=name,
        bitmap=make_bitmap(chosen, len(numbers)),
        signatures=tuple(
            Signature(sign(seeds[table.validators[index].public_key], signed)) for index in chosen
        ),
    )


def make_series(tables: Sequence[ValidatorTable]) -> tuple[Trusted, list[EpochEntry]]:
    """Trust in the first table, and the ends of all epochs but the last."""
    trusted = Trusted(
        chain_id=CHAIN,
        time_ms=TimestampMs(START_MS + (tables[0].epoch - 1) * EPOCH_MS),
        table=tables[0],
    )
    return trusted, [make_end(table, following) for table, following in pairwise(tables)]
