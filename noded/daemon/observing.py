"""Setting the figures: what happened counts when it happens, how things stand is read when Prometheus asks."""

from collections.abc import Iterable, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from noded.ledger.commit import CommittedBlock
from noded.metrics import Metrics
from noded.network.interface import Network
from noded.node.node import Node
from noded.types.ids import InstitutionId, TimestampMs


class Observer:
    """Knows the node, and sets the figures."""

    def __init__(self, metrics: Metrics, node: Node, network: Network) -> None:
        self.metrics = metrics
        self._node = node
        self._network = network
        header = node.chain.tip.header
        self._last = (header.time_ms, header.epoch, header.view)
        metrics.observe_state(self._state)

    def stored(self, blocks: Sequence[CommittedBlock], now_ms: TimestampMs) -> None:
        """These blocks are durable."""
        metrics = self.metrics
        metrics.blocks.inc(len(blocks))
        for committed in blocks:
            header = committed.block.header
            time_ms, epoch, view = self._last
            if header.height > 1:
                metrics.block_distance.observe(max(0, header.time_ms - time_ms) / 1000)
            metrics.finality.observe(max(0, now_ms - header.time_ms) / 1000)
            metrics.views_per_block.observe(header.view - (view if header.epoch == epoch else 0))
            self._last = (header.time_ms, header.epoch, header.view)
            rejected = sum(receipt.error is not None for receipt in committed.receipts)
            metrics.transactions.labels("rejected").inc(rejected)
            metrics.transactions.labels("applied").inc(len(committed.receipts) - rejected)
            metrics.equivocations.inc(len(committed.block.body.evidence))
            for placed in committed.events:
                metrics.operations.labels(placed.event.name).inc()

    def _state(self) -> Iterable[Metric]:
        node = self._node
        core = node.core
        tip = node.chain.tip.header
        members = self._network.peers()
        figures = (
            ("noded_height", "Height of the last block committed here.", tip.height),
            ("noded_height_final", "Height of the last block known to be final.", core.height),
            ("noded_epoch", "Epoch that this node is in.", core.epoch),
            ("noded_view", "View that this node is in; begins anew in each epoch.", core.view),
            ("noded_stall", "Views given up since the last finalization.", core.stall),
            ("noded_tip_timestamp_seconds", "Time of the last block committed here.", tip.time_ms / 1000),
            ("noded_validator", "1 if this node votes in this epoch.", int(core.is_voter)),
            ("noded_validators", "Validators of this epoch.", len(node.validators)),
            ("noded_validators_missing", "Validators without a vote in this view yet.", len(core.missing())),
            ("noded_power_quorum", "Power that a certificate needs.", node.validators.quorum),
            (
                "noded_power_connected",
                "Power of the connected validators and of this node.",
                sum(node.validators.power(InstitutionId(each.peer)) for each in members if each.connected)
                + node.validators.power(node.me),
            ),
            ("noded_power_total", "Power of all validators.", node.validators.total),
            ("noded_unordered_batches", "Batches that wait to be named.", node.batches.pool.unordered_count),
            (
                "noded_unordered_bytes",
                "Transactions of this node's clients that wait to be ordered.",
                node.batches.waiting_bytes,
            ),
            ("noded_syncing", "1 while blocks are fetched that others have.", int(node.is_syncing)),
            ("noded_peers", "Members that are connected.", sum(each.connected for each in members)),
            ("noded_peers_known", "Members that may connect.", len(members)),
        )
        for name, text, value in figures:
            yield GaugeMetricFamily(name, text, value=value)
        yield from self._validators()
        connected = GaugeMetricFamily(
            "noded_peer_connected", "1 if the member is connected.", labels=["peer"]
        )
        for each in members:
            connected.add_metric([each.peer.hex()], int(each.connected))
        yield connected

    def _validators(self) -> Iterable[Metric]:
        families = [
            GaugeMetricFamily("noded_validator_power", "Voting power in this epoch.", labels=["validator"]),
            GaugeMetricFamily("noded_validator_reputation", "Reputation, 0 to 1.", labels=["validator"]),
            GaugeMetricFamily(
                "noded_validator_share", "Part of all proposals, 0 to 1.", labels=["validator"]
            ),
        ]
        rows = self._node.validators.table.validators
        total = sum(row.share for row in rows)
        for row in rows:
            values = (row.power, row.reputation / 1_000_000, row.share / total)
            for family, value in zip(families, values, strict=True):
                family.add_metric([row.id.hex()], value)
        return families
