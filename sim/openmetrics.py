"""
The course of saved runs as OpenMetrics text with timestamps, for `promtool tsdb create-blocks-from openmetrics`.

A run has no place in the time that Prometheus scrapes in, so its virtual seconds are laid one to one on seconds of the
past: rates are then of virtual time, whatever the run took. All runs begin at the same second and can be compared.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from sim.results import Saved

JOB = "noded-sim"

ID_SHOWN = 8
"""Digits of a run's id in the name of its series."""

BUCKETS_S = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)

LABELS = ("job", "instance")

GAUGES = (
    ("height", "noded_sim_height", "Height of the correct node that is furthest ahead."),
    ("lowest", "noded_sim_height_lowest", "Height of the correct node that is up and furthest behind."),
    ("waiting", "noded_sim_transactions_waiting", "Transactions submitted and not yet final."),
    ("up", "noded_sim_nodes_up", "Nodes that are up."),
    ("inbox", "noded_sim_inbox_peak", "The longest queue that a node ever had."),
)
COUNTERS = (
    ("transactions", "noded_sim_transactions", "Final transactions."),
    ("messages", "noded_sim_messages", "Messages sent, by all nodes."),
    ("bytes", "noded_sim_bytes", "Bytes sent, by all nodes."),
    ("lost", "noded_sim_messages_lost", "Messages that the network lost."),
)


def render(runs: Sequence[Saved], start_s: int) -> bytes:
    """
    All of these runs.

    Args:
        runs: Saved runs.
        start_s: The second since 1970 on which their virtual time begins.
    """
    text: bytes = generate_latest(_Runs(runs, start_s))
    return text


def longest_s(runs: Iterable[Saved]) -> int:
    """Virtual seconds of the longest run."""
    return max(run.table("seconds").height for run in runs)


class _Runs(Collector):
    """What `generate_latest` asks for metrics."""

    def __init__(self, runs: Sequence[Saved], start_s: int) -> None:
        self._runs = [(run, run.table("seconds").to_dict(as_series=False)) for run in runs]
        self._start_s = start_s

    def collect(self) -> Iterable[Metric]:
        for column, name, text in GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=LABELS)
            for run, at, seconds in self._each():
                for time, value in zip(at, seconds[column], strict=True):
                    gauge.add_metric(labels_of(run), value, timestamp=time)
            yield gauge
        for column, name, text in COUNTERS:
            yield self._counter(name, text, [seconds[column] for _, seconds in self._runs])
        failed = [_failed_views(run, seconds["second"]) for run, seconds in self._runs]
        yield self._counter("noded_sim_views_failed", "Views that made no block of the chain.", failed)
        broken = [_violations(run, seconds["second"]) for run, seconds in self._runs]
        yield self._counter("noded_sim_violations", "Claims that checkers found broken.", broken)
        yield self._info()
        yield self._durations(
            "noded_sim_finality_seconds", "From proposal to finalization.", "blocks", "proposed_ns"
        )
        yield self._durations(
            "noded_sim_transaction_finality_seconds",
            "From the intended time of a transaction to its being final; of many, every k-th is here.",
            "transactions",
            "intended_ns",
        )

    def _each(self) -> Iterable[tuple[Saved, list[int], dict[str, list[Any]]]]:
        for run, seconds in self._runs:
            yield run, [self._start_s + second for second in seconds["second"]], seconds

    def _counter(self, name: str, text: str, values: Sequence[Sequence[int]]) -> Metric:
        """A counter of which each run has its values, second by second."""
        counter = CounterMetricFamily(name, text, labels=LABELS)
        for (run, at, _), counts in zip(self._each(), values, strict=True):
            for time, value in zip(at, counts, strict=True):
                counter.add_metric(labels_of(run), value, timestamp=time)
        return counter

    def _info(self) -> Metric:
        info = GaugeMetricFamily(
            "noded_sim_run",
            "1; what the run is, and how it ended.",
            labels=(*LABELS, "scenario", "seed", "nodes", "verdict"),
        )
        for run, at, _ in self._each():
            plan = run.scenario
            said = (plan.name, str(plan.seed), str(plan.nodes.count), run.summary["verdict"])
            for time in at:
                info.add_metric((*labels_of(run), *said), 1, timestamp=time)
        return info

    def _durations(self, name: str, text: str, table: str, since: str) -> Metric:
        """A histogram of what became final up to each second."""
        family = HistogramMetricFamily(name, text, labels=LABELS)
        for run, at, seconds in self._each():
            frame = run.table(table).sort("final_ns")
            final, begun = frame["final_ns"].to_list(), frame[since].to_list()
            counts, total_s, done = [0] * (len(BUCKETS_S) + 1), 0.0, 0
            for time, second in zip(at, seconds["second"], strict=True):
                upto = bisect_right(final, second * 1_000_000_000)
                for start_ns, end_ns in zip(begun[done:upto], final[done:upto], strict=True):
                    duration_s = (end_ns - start_ns) / 1e9
                    counts[_bucket(duration_s)] += 1
                    total_s += duration_s
                done = upto
                bounds = (*map(str, BUCKETS_S), "+Inf")
                buckets = list(zip(bounds, accumulate(counts), strict=True))
                family.add_metric(labels_of(run), buckets, total_s, timestamp=time)
        return family


def labels_of(run: Saved) -> tuple[str, str]:
    """Job and instance of a run's series."""
    return JOB, f"{run.scenario.name}-{run.folder.name[:ID_SHOWN]}"


def _bucket(duration_s: float) -> int:
    """The first bucket whose bound is not exceeded."""
    for index, bound in enumerate(BUCKETS_S):
        if duration_s <= bound:
            return index
    return len(BUCKETS_S)


def _failed_views(run: Saved, seconds: Sequence[int]) -> list[int]:
    """Up to each second: views between blocks that follow each other in one epoch."""
    failed: list[tuple[int, int]] = []
    epoch = view = 0
    for row in run.table("blocks").sort("height").iter_rows(named=True):
        view = view if row["epoch"] == epoch else 0
        failed.append((row["final_ns"], row["view"] - view - 1))
        epoch, view = row["epoch"], row["view"]
    return [sum(count for at_ns, count in failed if at_ns <= second * 1_000_000_000) for second in seconds]


def _violations(run: Saved, seconds: Sequence[int]) -> list[int]:
    """Up to each second; what was found only at the end counts at the last."""
    found = [each["at_ns"] for each in run.summary["violations"]]
    counts = [sum(at_ns <= second * 1_000_000_000 for at_ns in found) for second in seconds]
    return [*counts[:-1], len(found)] if counts else []
