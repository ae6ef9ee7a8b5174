"""How a node stands, as figures that are read whenever Prometheus asks."""

import os
from collections.abc import Iterable
from pathlib import Path

import trio
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from noded.daemon.shell import Shell
from noded.network.interface import Lane, Network, PeerStatistics
from noded.node.node import Node
from noded.ops.home import STORE_NAME
from noded.types.ids import InstitutionId


class Figures:
    """Reads node, shell, network and disk."""

    def __init__(self, *, shell: Shell, network: Network, home: Path, certificate: Path | None) -> None:
        """
        Look at these.

        Args:
            shell: Of the node.
            network: Of the node.
            home: Folder of the node.
            certificate: With which the API proves who it is.
        """
        self._shell = shell
        self._network = network
        self._home = home
        self._certificate = certificate

    def read(self) -> Iterable[Metric]:
        """All figures; to be called in a worker thread of the node's event loop, in which the state is read."""
        in_loop: Iterable[Metric] = trio.from_thread.run_sync(self.of_state)
        return [*in_loop, *_of_disk(self._home), *_of_certificate(self._certificate)]

    def of_state(self) -> list[Metric]:
        """What the event loop's objects say."""
        peers = self._network.peers()
        return [
            *_of_node(self._shell.node, peers),
            *_of_validators(self._shell.node),
            *_of_shell(self._shell),
            *_of_peers(peers),
            *_of_traffic(peers),
            _of_refusals(self._network.refusals()),
        ]


def _of_node(node: Node, peers: list[PeerStatistics]) -> Iterable[Metric]:
    core, validators = node.core, node.validators
    tip = node.chain.tip.header
    connected = [InstitutionId(each.peer) for each in peers if each.connected]
    parameters = node.ledger.parameters_after(node.ledger.final_hash)
    figures = (
        ("noded_height", "Height of the last block committed here.", tip.height),
        ("noded_height_final", "Height of the last block known to be final.", core.height),
        ("noded_epoch", "Epoch that this node is in.", core.epoch),
        ("noded_view", "View that this node is in; begins anew in each epoch.", core.view),
        ("noded_stall", "Views given up since the last finalization.", core.stall),
        ("noded_tip_timestamp_seconds", "Time of the last block committed here.", tip.time_ms / 1000),
        (
            "noded_idle_interval_seconds",
            "How long a proposer with nothing to order waits before an empty block.",
            parameters.idle_interval_ms / 1000,
        ),
        ("noded_validator", "1 if this node votes in this epoch.", int(core.is_voter)),
        ("noded_validators", "Validators of this epoch.", len(validators)),
        ("noded_validators_missing", "Validators without a vote in this view yet.", len(core.missing())),
        ("noded_power_quorum", "Power that a certificate needs.", validators.quorum),
        (
            "noded_power_connected",
            "Power of the connected validators and of this node.",
            sum(map(validators.power, (node.me, *connected))),
        ),
        ("noded_power_all", "Power of all validators.", validators.total),
        ("noded_unordered_batches", "Batches that wait to be named.", node.batches.pool.unordered_count),
        (
            "noded_unordered_bytes",
            "Transactions of this node's clients that wait to be ordered.",
            node.batches.waiting_bytes,
        ),
        ("noded_syncing", "1 while blocks are fetched that others have.", int(node.is_syncing)),
        ("noded_peers", "Members that are connected.", len(connected)),
        ("noded_peers_known", "Members that may connect.", len(peers)),
    )
    return (GaugeMetricFamily(name, text, value=value) for name, text, value in figures)


def _of_validators(node: Node) -> Iterable[Metric]:
    families = [
        GaugeMetricFamily("noded_validator_power", "Voting power in this epoch.", labels=["validator"]),
        GaugeMetricFamily("noded_validator_reputation", "Reputation, 0 to 1.", labels=["validator"]),
        GaugeMetricFamily("noded_validator_share", "Part of all proposals, 0 to 1.", labels=["validator"]),
    ]
    rows = node.validators.table.validators
    total = sum(row.share for row in rows)
    for row in rows:
        values = (row.power, row.reputation / 1_000_000, row.share / total)
        for family, value in zip(families, values, strict=True):
            family.add_metric([row.id.hex()], value)
    return families


def _of_shell(shell: Shell) -> Iterable[Metric]:
    yield GaugeMetricFamily(
        "noded_inputs_waiting",
        "Messages, timers and answers that wait for the core.",
        value=shell.inputs_waiting,
    )
    yield GaugeMetricFamily(
        "noded_calls_waiting", "Calls of clients that wait for the core.", value=shell.calls.waiting
    )
    yield GaugeMetricFamily(
        "noded_height_stored", "Height of the last durable block.", value=shell.stored_height
    )
    yield GaugeMetricFamily("noded_log_bytes", "Size of the consensus log.", value=shell.log_bytes)


def _of_peers(peers: list[PeerStatistics]) -> Iterable[Metric]:
    connected = GaugeMetricFamily("noded_peer_connected", "1 if the member is connected.", labels=["peer"])
    trip = GaugeMetricFamily(
        "noded_peer_round_trip_seconds", "Smoothed time from a heartbeat to its answer.", labels=["peer"]
    )
    score = GaugeMetricFamily(
        "noded_peer_penalty", "Penalty points of the member, which decay.", labels=["peer"]
    )
    for each in peers:
        label = [each.peer.hex()]
        connected.add_metric(label, int(each.connected))
        score.add_metric(label, each.score)
        if each.rtt_ms is not None:
            trip.add_metric(label, each.rtt_ms / 1000)
    return (connected, trip, score)


def _of_traffic(peers: list[PeerStatistics]) -> Iterable[Metric]:
    """By lane, over all members: what one of them has is told by `noded peers`."""
    traffic = CounterMetricFamily(
        "noded_network_bytes", "Bytes of messages from and to members, by lane.", labels=["direction", "lane"]
    )
    dropped = CounterMetricFamily(
        "noded_network_dropped", "Messages not sent because a member's queue was full.", labels=["lane"]
    )
    queued = GaugeMetricFamily(
        "noded_network_queue_bytes", "Bytes that wait to be sent, over all members.", labels=["lane"]
    )
    for lane in Lane:
        name = lane.name.lower()
        each = [peer.lanes[lane] for peer in peers]
        traffic.add_metric(["in", name], sum(one.bytes_in for one in each))
        traffic.add_metric(["out", name], sum(one.bytes_out for one in each))
        dropped.add_metric([name], sum(one.dropped for one in each))
        queued.add_metric([name], sum(one.queue_bytes for one in each))
    return (traffic, dropped, queued)


def _of_refusals(refusals: dict[str, int]) -> Metric:
    family = CounterMetricFamily(
        "noded_connections_refused", "Connections that were refused or failed, by reason.", labels=["reason"]
    )
    for reason, count in sorted(refusals.items()):
        family.add_metric([reason], count)
    return family


def _of_disk(home: Path) -> Iterable[Metric]:
    disk = os.statvfs(home)
    yield GaugeMetricFamily(
        "noded_disk_free_bytes",
        "Space left for the node where its home is.",
        value=disk.f_bavail * disk.f_frsize,
    )
    yield GaugeMetricFamily(
        "noded_disk_size_bytes", "Size of the file system of the home.", value=disk.f_blocks * disk.f_frsize
    )
    yield GaugeMetricFamily(
        "noded_store_bytes",
        "Size of the ledger's database.",
        value=sum(map(_size, (home / STORE_NAME, home / f"{STORE_NAME}-wal", home / f"{STORE_NAME}-shm"))),
    )


def _size(path: Path) -> int:
    """Bytes of a file; 0 for one that is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _of_certificate(path: Path | None) -> Iterable[Metric]:
    if path is None:
        return
    from cryptography.x509 import load_pem_x509_certificates  # Nothing else of a node needs it: 1 MB.

    try:
        found = load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return  # The reading of the settings fails for the same reason, and is told.
    yield GaugeMetricFamily(
        "noded_certificate_expires_timestamp_seconds",
        "When the first certificate in the chain of the API ends.",
        value=min(each.not_valid_after_utc.timestamp() for each in found),
    )
