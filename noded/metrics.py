"""
What Prometheus sees of a node: names, units, help; who sets them is the daemon's business.

Counters and histograms are set where things happen. What is only a view of the node's state is read when Prometheus
asks. Labels are bounded: kinds, lanes, names of rules and events, members of the consortium.
"""

from collections.abc import Callable, Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from noded import __version__

FAST_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Buckets for what takes milliseconds: log syncs, commits, checks."""

SLOW_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)
"""Buckets for what takes parts of seconds: finality, distances of blocks."""

API_S = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0)
"""Buckets for answers of the API, few because each route has them."""


class _StateCollector(Collector):
    """Reads the node's state when Prometheus asks."""

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        return self._read()

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked of the node before it runs."""
        return ()


class Metrics:
    """All figures of one node, in a registry of their own."""

    def __init__(self) -> None:
        # Prometheus sees a restart by itself; they would be a third of all lines.
        disable_created_metrics()
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("noded_build", "What this program is.", registry=registry).info({"version": __version__})
        self.blocks = Counter("noded_blocks", "Blocks stored.", registry=registry)
        self.block_distance = Histogram(
            "noded_block_interval_seconds",
            "Time between two stored blocks, by their headers.",
            buckets=SLOW_S,
            registry=registry,
        )
        self.finality = Histogram(
            "noded_block_finality_seconds",
            "From a block's time to its being durable here.",
            buckets=SLOW_S,
            registry=registry,
        )
        self.views_per_block = Histogram(
            "noded_views_per_block",
            "Views that it took to come from a block to the next.",
            buckets=(1, 2, 3, 4, 6, 8, 12, 16, 32, 64),
            registry=registry,
        )
        self.transactions = Counter(
            "noded_transactions",
            "Final transactions, by what became of them.",
            ["result"],
            registry=registry,
        )
        self.events = Counter(
            "noded_events",
            "What final transactions did to the ledger, by event.",
            ["event"],
            registry=registry,
        )
        self.submissions = Counter(
            "noded_submissions",
            "Transactions that clients handed in here, by reason of refusal; accepted has none.",
            ["refused"],
            registry=registry,
        )
        self.batches = Counter(
            "noded_batches", "Batches held, this node's own among them.", registry=registry
        )
        self.votes = Counter(
            "noded_votes",
            "Votes of this node, by kind; nullify votes are its timeouts.",
            ["kind"],
            registry=registry,
        )
        self.equivocations = Counter(
            "noded_equivocations", "Pieces of evidence in final blocks.", registry=registry
        )
        self.validator_votes = Counter(
            "noded_validator_votes",
            "Votes of a validator that stand in final blocks: in a certificate, or credited later.",
            ["validator"],
            registry=registry,
        )
        self.validator_proposals = Counter(
            "noded_validator_proposals", "Final blocks, by proposer.", ["validator"], registry=registry
        )
        self.validator_skips = Counter(
            "noded_validator_skips",
            "Views given up, by who should have proposed.",
            ["validator"],
            registry=registry,
        )
        self.messages = Counter(
            "noded_messages", "Messages from and to peers, by kind.", ["direction", "kind"], registry=registry
        )
        self.message_bytes = Counter(
            "noded_message_bytes", "Their encodings.", ["direction", "kind"], registry=registry
        )
        self.penalties = Counter(
            "noded_peer_faults", "Faults of peers, by name.", ["reason"], registry=registry
        )
        self.signatures = Counter("noded_signatures_checked", "Signatures judged.", registry=registry)
        self.verify = Histogram(
            "noded_verify_seconds",
            "Time to judge the signatures of one step.",
            buckets=FAST_S,
            registry=registry,
        )
        self.step = Histogram(
            "noded_step_seconds", "Time that the core takes for one input.", buckets=FAST_S, registry=registry
        )
        self.log_sync = Histogram(
            "noded_log_sync_seconds",
            "Time to write records to the log and make them durable.",
            buckets=FAST_S,
            registry=registry,
        )
        self.commit = Histogram(
            "noded_commit_seconds", "Time to store final blocks durably.", buckets=FAST_S, registry=registry
        )
        self.loop_lag = Histogram(
            "noded_loop_lag_seconds",
            "How late the event loop wakes a task that slept a second.",
            buckets=FAST_S,
            registry=registry,
        )
        self.tasks = Gauge(
            "noded_tasks", "Tasks of the event loop: of connections, clients and timers.", registry=registry
        )
        self.api_requests = Counter(
            "noded_api_requests", "Answers of the HTTP API.", ["route", "status"], registry=registry
        )
        self.api_duration = Histogram(
            "noded_api_request_seconds",
            "Time to answer, by route; an event stream counts until it ends.",
            ["route"],
            buckets=API_S,
            registry=registry,
        )
        self.blob_bytes = Counter(
            "noded_blob_bytes",
            "Encrypted bytes of records, served to and fetched from members.",
            ["direction"],
            registry=registry,
        )
        self.blob_requests = Counter(
            "noded_blob_requests",
            "Questions of members for records and keys, by result.",
            ["result"],
            registry=registry,
        )
        self.reloads = Counter(
            "noded_config_reloads", "Readings of the settings, by result.", ["result"], registry=registry
        )
        self.reload_failed = Gauge(
            "noded_config_reload_failed",
            "1 if the settings were bad when they were last read; the node goes on with the old ones.",
            registry=registry,
        )
        self.halted = Gauge(
            "noded_halted",
            "1 if the node does not vote any more: its state differs, or its key votes elsewhere.",
            registry=registry,
        )

        for direction in ("in", "out"):
            self.blob_bytes.labels(direction)
        for result in ("served", "refused"):
            self.blob_requests.labels(result)
        for result in ("good", "bad"):
            self.reloads.labels(result)

    def observe_state(self, read: Callable[[], Iterable[Metric]]) -> None:
        """Have the node's state read whenever Prometheus asks."""
        self.registry.register(_StateCollector(read))

    def render(self) -> bytes:
        """All figures in the text format of Prometheus; some milliseconds, so not in the event loop."""
        return generate_latest(self.registry)
