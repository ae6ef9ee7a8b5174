"""Counting what happens: transactions, events and votes in final blocks, as they become durable."""

from collections.abc import Sequence
from typing import Final

from noded.ledger.commit import CommittedBlock
from noded.metrics import Metrics
from noded.node.node import Node
from noded.types.block import Block, BlockHeader
from noded.types.ids import TimestampMs, bitmap_indices
from noded.types.validator_set import ValidatorSet
from noded.types.vote import VoteKind

EVENTS: Final = (
    "access.denied",
    "access.lapsed",
    "access.permitted",
    "access.read",
    "access.released",
    "access.unreadable",
    "access.upheld",
    "audit.anchor-overdue",
    "audit.anchored",
    "breakglass.closed",
    "breakglass.opened",
    "breakglass.review-overdue",
    "breakglass.reviewed",
    "consent.amended",
    "consent.expired",
    "consent.granted",
    "consent.revoked",
    "delegate.ended",
    "delegate.set",
    "epoch.alarm",
    "epoch.closed",
    "erasure.attested",
    "erasure.completed",
    "erasure.overdue",
    "erasure.requested",
    "evidence.counted",
    "group.created",
    "group.updated",
    "key.epoch-begun",
    "org.admitted",
    "org.key-rotated",
    "org.registered",
    "org.reinstated",
    "org.removed",
    "org.suspended",
    "org.updated",
    "patient.registered",
    "patient.rotated",
    "proposal.opened",
    "record.amended",
    "record.registered",
    "record.withdrawn",
)
"""Counted from zero, so that an alert sees the first of its kind: a series that begins at one has not increased."""


class Observer:
    """Knows the node, and counts."""

    def __init__(self, metrics: Metrics, node: Node) -> None:
        self.metrics = metrics
        self._node = node
        self._validators: ValidatorSet | None = None
        self._last: BlockHeader | None = None
        for name in EVENTS:
            metrics.events.labels(name)
        for result in ("applied", "rejected"):
            metrics.transactions.labels(result)
        for kind in VoteKind:
            metrics.votes.labels(kind.name.lower())
        metrics.submissions.labels("")

    def stored(self, blocks: Sequence[CommittedBlock], now_ms: TimestampMs) -> None:
        """These blocks are durable."""
        metrics = self.metrics
        metrics.blocks.inc(len(blocks))
        for committed in blocks:
            header = committed.block.header
            last, self._last = self._last, header
            if last is not None:
                metrics.block_distance.observe(max(0, header.time_ms - last.time_ms) / 1000)
                view = last.view if last.epoch == header.epoch else 0
                metrics.views_per_block.observe(header.view - view)
            metrics.finality.observe(max(0, now_ms - header.time_ms) / 1000)
            rejected = sum(receipt.error is not None for receipt in committed.receipts)
            metrics.transactions.labels("rejected").inc(rejected)
            metrics.transactions.labels("applied").inc(len(committed.receipts) - rejected)
            metrics.equivocations.inc(len(committed.block.body.evidence))
            for placed in committed.events:
                metrics.events.labels(placed.event.name).inc()
            self._count_conduct(committed.block)

    def _count_conduct(self, block: Block) -> None:
        """
        What a block says of the validators.

        Their places in it mean those of its epoch, so of blocks that are fetched an epoch late nothing is counted.
        """
        header, body = block.header, block.body
        validators = self._validators
        if validators is None or validators.epoch != header.epoch:
            validators = self._validators = self._node.validators
            for row in validators.table.validators:
                self.metrics.validator_votes.labels(row.id.hex())
                self.metrics.validator_skips.labels(row.id.hex())
        if validators.epoch != header.epoch:
            return
        votes, ids = self.metrics.validator_votes, validators.ids()
        self.metrics.validator_proposals.labels(header.proposer.hex()).inc()
        if body.parent is not None:
            for index in bitmap_indices(body.parent.bitmap):
                votes.labels(ids[index].hex()).inc()
        for credit in body.credits:
            votes.labels(credit.voter.hex()).inc()
        for leaf in body.skipped:
            self.metrics.validator_skips.labels(validators.proposer(leaf.view).hex()).inc()
