"""The head: one entry of the state about the chain itself, rewritten by every block."""

from typing import Annotated

from noded.codec.schema import Limit
from noded.types.frozen import frozen
from noded.types.genesis import NetworkParameters
from noded.types.ids import VALIDATORS_MAX, BlockHash, ChainId, Epoch, Height, TimestampMs, View

HEAD_KEY = b"head/"
CHAIN_KEY = b"par/"
NEXT_PARAMETERS_KEY = b"par/next"

CREDIT_VIEWS = 16
"""Views for which a late vote may still be credited (L122)."""

Counters = Annotated[bytes, Limit(0, 4 * VALIDATORS_MAX)]
"""Unsigned 32-bit integers, one for each validator, in order of id."""


@frozen(kw_only=True)
class Standing:
    """A recent block of the epoch, and what each validator's votes for it have earned so far."""

    view: View
    block: BlockHash
    points: Annotated[bytes, Limit(0, VALIDATORS_MAX)]
    """0, 1 or 2 for each validator (L121)."""


@frozen(kw_only=True)
class Head:
    """The last executed block, its epoch, and the validators' conduct in that epoch so far."""

    height: Height
    block: BlockHash
    """Zero for the genesis block, whose hash depends on this very state."""
    epoch: Epoch
    time_ms: TimestampMs
    terminal: bool
    """Whether the block was its epoch's last."""
    first_height: Height
    """Of the epoch."""
    last_height: Height
    """Of the epoch, as far as is known yet."""
    opportunities: int
    """Blocks of this epoch whose votes were counted."""
    points: Counters
    proposed: Counters
    """Blocks of the epoch by proposer."""
    failed: Counters
    """Skipped views by proposer."""
    recent: Annotated[tuple[Standing, ...], Limit(0, CREDIT_VIEWS)]
    """Blocks whose late votes may still be credited, ascending."""


@frozen(kw_only=True)
class Chain:
    """What identifies the chain, and the parameters in force."""

    chain_id: ChainId
    parameters: NetworkParameters


@frozen(kw_only=True)
class NextParameters:
    """Parameters that were voted for, and hold from the next epoch on (L110)."""

    parameters: NetworkParameters


@frozen(kw_only=True)
class BlockAt:
    """Which block stands at a height."""

    hash: BlockHash


def block_key(height: Height) -> bytes:
    """Where the hash of the block at a height is kept (L10)."""
    return b"blk/" + height.to_bytes(8)


def table_key(epoch: Epoch) -> bytes:
    """Where the table of an epoch is kept, for as long as evidence of it is accepted."""
    return b"tab/" + epoch.to_bytes(8)
