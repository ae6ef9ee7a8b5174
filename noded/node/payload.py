"""Payloads: what this node's blocks carry, and whether others' blocks may carry what they do."""

from collections.abc import Sequence

from noded.consensus.effects import BuildPayload, CheckPayload
from noded.mempool.pool import BatchPool, HeldBatch
from noded.node.exchange import BatchExchange
from noded.types.block import BATCHES_MAX, Block, BlockKind
from noded.types.frozen import frozen
from noded.types.ids import BatchHash, PeerId, TimestampMs
from noded.types.validator_set import ValidatorSet


@frozen(kw_only=True)
class PayloadLimits:
    """What one block may carry; network parameters."""

    block_bytes_max: int
    """Encodings of its batches."""
    block_operations_max: int
    batch_expiry_ms: int
    """Between a batch's time and that of the block that names it."""
    patience_ms: int
    """How long a proposer waits for its batches to become available before it proposes without them."""
    drift_ms: int
    """By how much a batch's time may be ahead of its block's."""


def named_by(ancestors: Sequence[Block]) -> list[BatchHash]:
    """The batches that unfinalised ancestors name."""
    return [name for ancestor in ancestors for name in ancestor.body.payload]


def holders_of(block: Block, hints: Sequence[PeerId], me: PeerId) -> list[PeerId]:
    """Who should have a block's batches, best first."""
    return [peer for peer in dict.fromkeys((block.header.proposer, *hints)) if peer != me]


class PayloadRules:
    """Builds and judges payloads from the batches at hand."""

    def __init__(self, limits: PayloadLimits, pool: BatchPool, exchange: BatchExchange) -> None:
        self._limits = limits
        self._pool = pool
        self._exchange = exchange

    @property
    def patience_ms(self) -> int:
        """How long to wait for batches to become available."""
        return self._limits.patience_ms

    def limit(self, limits: PayloadLimits) -> None:
        """Take the limits of a new epoch."""
        self._limits = limits

    def build(
        self, wanted: BuildPayload, validators: ValidatorSet, me: int | None, now_ms: TimestampMs
    ) -> tuple[BatchHash, ...]:
        """Available batches, of all authors alike, as many as a block may carry (M2, M4, M5, M7)."""
        if wanted.kind is BlockKind.SEAL:
            return ()
        operations = 0
        oldest_ms, newest_ms = self._span(now_ms)
        epoch = validators.epoch

        def is_nameable(held: HeldBatch) -> bool:
            nonlocal operations
            batch = held.sealed
            if not oldest_ms <= batch.time_ms <= newest_ms or not epoch - 1 <= batch.epoch <= epoch:
                return False
            if not self._pool.is_available(held.sealed.hash, validators, me):
                return False
            count = held.operations
            if operations + count > self._limits.block_operations_max:
                return False
            operations += count
            return True

        return self._pool.select(
            named=named_by(wanted.ancestors),
            bytes_max=self._limits.block_bytes_max,
            count_max=BATCHES_MAX,
            is_nameable=is_nameable,
        )

    def missing(self, block: Block) -> list[BatchHash]:
        """The batches that a block names and this node does not hold."""
        return [name for name in block.body.payload if name not in self._pool]

    def why_invalid(self, check: CheckPayload, validators: ValidatorSet) -> str | None:
        """Why a block's payload breaks a rule; None when it is valid. All its batches are held."""
        block = check.block
        payload = block.body.payload
        if block.header.kind is BlockKind.SEAL:
            return "a SEAL names batches" if payload else None
        if len(dict.fromkeys(payload)) != len(payload):
            return "a batch is named twice"
        named = dict.fromkeys(named_by(check.ancestors))
        oldest_ms, newest_ms = self._span(block.header.time_ms)
        epoch = validators.epoch
        size = operations = 0
        for name in payload:
            if name in named:
                return _named_before(name)
            held = self._pool.get(name)
            assert held is not None
            batch, count = held
            if not oldest_ms <= batch.time_ms <= newest_ms:
                return f"batch {name.hex()[:16]} is not of the block's time"
            if not epoch - 1 <= batch.epoch <= epoch:
                return f"batch {name.hex()[:16]} is of another epoch"
            size += len(batch.encoding)
            operations += count
        if size > self._limits.block_bytes_max:
            return f"{size} bytes of batches"
        if operations > self._limits.block_operations_max:
            return f"{operations} operations"
        return None

    def known_invalid(self, block: Block) -> str | None:
        """Why a block that is not final is invalid, whatever else it names: a bad batch, or one named before (M1, M3)."""
        why = self._exchange.why_invalid(block.body.payload)
        if why is None:
            ordered = self._pool.first_ordered(block.body.payload)
            why = None if ordered is None else _named_before(ordered)
        return why

    def _span(self, block_time_ms: TimestampMs) -> tuple[int, int]:
        """When a batch was sealed that a block of this time may name (M4): not before, and not after."""
        return block_time_ms - self._limits.batch_expiry_ms, block_time_ms + self._limits.drift_ms


def _named_before(name: BatchHash) -> str:
    return f"batch {name.hex()[:16]} was named before"
