"""
Real daemons beside simulated ones: what a node's shell costs, and whether the simulator's predictions hold.

Real networks are run by `noded bench`, as a process. Its nodes share this machine's cores with each other and with the
load, so the simulated ones do the same. What a shell costs (sockets, encryption, HTTP, the event loop, the store) cannot
be timed apart from outside; it is what real nodes use beyond the core's prices. At a few light loads that is shared out
over messages and calls by least squares; what a transaction takes shows where there are many, at saturated nodes. Only
processor time is taken from real nodes, and how long their logs' writes took at the lightest load: no throughput, and
no latency.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from statistics import linear_regression
from typing import Any, Final

import numpy as np

from noded.errors import NodedError
from noded.types.genesis import DEFAULT_PARAMETERS
from sim.calibrate import measure_fsync_ns
from sim.cluster import Cluster
from sim.costs_file import Machine, table_of
from sim.models.cpu import Costs, Price
from sim.observer import Observer
from sim.run import Options, Result, simulate
from sim.scenario.load import make_scenario
from sim.scenario.model import Scenario
from sim.statistics import median

NODES: Final = 4

SLOT_S: Final = 0.01
"""`noded bench` hands in together what is intended within this time; on average a transaction waits half of it."""

CLOSED_CALLS: Final = 32
"""Calls under way in the bench's closed load, of as many transactions each as follows."""
CLOSED_POST: Final = 128

FIT_S: Final = 12.0
"""Of simulated load for a fit."""

CLOSED: Final = "closed"
"""The bench's name of the load that saturates the nodes."""

CALIBRATION_RATES: Final = ("30", "100", "250")
"""Light loads: real nodes are far from saturated, so that nothing but their work is seen."""

FITS: Final = 3
"""The number of messages itself depends on what they cost."""

ROUNDS: Final = 5
"""Of loads that take turns on real nodes; the median counts, so two may meet a machine that does something else."""

LINK: Final = "100us"
"""One way over loopback, system calls apart."""

WARMUP_S: Final = 5.0
"""Closed loads take some seconds until as many become final as are handed in."""

SECOND: Final = 1_000_000_000


class BenchFailed(NodedError):
    """`noded bench` did not deliver figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Prices of what surrounds the core."""

    message_ns: float = 0.0
    """For each message to each peer, sending and receiving together."""
    call_ns: float = 0.0
    """For each call of a client."""
    transaction_ns: float = 0.0
    """For each transaction, at all nodes together; from saturated nodes."""
    client_call_ns: float = 0.0
    client_transaction_ns: float = 0.0
    residual_share: float = 0.0
    """Largest error of the fit, as a share of the processor time that was measured."""

    def on(self, core: Costs) -> Costs:
        """
        The core's prices with these.

        A message costs its sender as much as its receiver; a transaction costs each node the same when it is stored.
        """
        half = self.message_ns / 2

        def more(price: Price, fixed: float) -> Price:
            return Price(round(price.fixed + fixed), price.each)

        return replace(
            core,
            votes=more(core.votes, half),
            proposal=more(core.proposal, half),
            batch=more(core.batch, half),
            message=more(core.message, half),
            copy=Price(round(core.copy.fixed + half), core.copy.each),
            submit=more(core.submit, self.call_ns),
            commit=Price(core.commit.fixed, round(core.commit.each + self.transaction_ns / NODES)),
            client=Price(round(self.client_call_ns), round(self.client_transaction_ns)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """What real nodes did under loads that took turns: of each figure the median over the rounds."""

    loads: dict[str, dict[str, Any]]
    """Figures by load, as `noded bench --loads` names both."""
    idle_share: float
    cpu: str

    @classmethod
    def of(cls, plain: dict[str, Any]) -> "Real":
        """From the object that the bench prints."""
        by_load: dict[str, list[dict[str, Any]]] = {}
        for figures in chain.from_iterable(plain["rounds"]):
            by_load.setdefault(figures["load"], []).append(figures)
        return cls(
            loads={load: _medians(same) for load, same in by_load.items()},
            idle_share=plain["idle_cpu_percent"] / 100,
            cpu=plain["machine"]["cpu"],
        )


def _medians(same: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure of a load."""
    finality = {name: _middle([each["finality_ms"][name] for each in same]) for name in ("p50", "p95")}
    names = ("rate", "tx_per_s", "cpu_s_per_1000_tx", "load_cpu_percent", "log_sync_ms")
    return {"finality_ms": finality, **{name: _middle([each[name] for each in same]) for name in names}}


def _middle(values: Sequence[float | None]) -> float:
    return median([value for value in values if value is not None]) or 0.0


def run_real(
    loads: Sequence[str], *, seconds: float, rounds: int, parts: Path | None, progress: Callable[[str], None]
) -> Real:
    """
    Run `noded bench` with loads that take turns.

    Args:
        loads: As its option has them.
        seconds: Of each load, each time.
        rounds: Times that each has its turn.
        parts: Folder in which the figures are kept; they are taken from there if they are there already.
        progress: Told what is done.

    Raises:
        BenchFailed: It did not deliver any.
    """
    name = f"bench-{'-'.join(loads)}-{rounds}x{seconds:g}s.json".replace("%", "")
    kept = None if parts is None else parts / name
    if kept is not None and kept.exists():
        return Real.of(json.loads(kept.read_text()))
    progress(f"real nodes, {rounds} times {seconds:g} s of each load: {', '.join(loads)}")
    command = [sys.executable, "-m", "noded", "bench", "--nodes", str(NODES), "--output", "json"]
    command += ["--loads", ",".join(loads), "--rounds", str(rounds), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchFailed(f"{' '.join(command[1:])}: {done.stderr.strip() or done.returncode}")
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(done.stdout)
    return Real.of(json.loads(done.stdout))


def machine_of(real: Real | None) -> Machine:
    """
    This machine, as real nodes show it; without any, as fsyncs of a single file do.

    A node that waits between its writes, beside others that write, waits many times as long for each as a loop that does
    nothing but to sync one file.
    """
    cores = len(os.sched_getaffinity(0))
    if real is None:
        return Machine(cpu=platform.processor(), cores=cores, fsync_ns=measure_fsync_ns(), idle_share=0.0)
    return Machine(
        cpu=real.cpu,
        cores=cores,
        fsync_ns=round(real.loads[CALIBRATION_RATES[0]]["log_sync_ms"] * 1e6),
        idle_share=round(real.idle_share, 5),
    )


def measure_shell(
    core: Costs,
    machine: Machine,
    real: Real,
    progress: Callable[[str], None],
) -> Shell:
    """
    What real nodes cost beyond the core's prices.

    Args:
        core: Prices of the core.
        machine: On which all of this is.
        real: What real nodes did; of saturated ones only the processor time of a transaction is used.
        progress: Told what is done.
    """
    light = [real.loads[rate] for rate in CALIBRATION_RATES]
    saturated = real.loads[CLOSED]
    shell = _client(Shell(), light)
    for number in range(FITS):
        progress(f"simulated nodes, round {number + 1} of {FITS}")
        costs = shell.on(core)
        with table_of(costs) as table:
            runs = [run_load(open_load(table, machine, figures["rate"], FIT_S)) for figures in light]
            full = run_load(closed_load(table, machine, FIT_S))
        missing_s = saturated["cpu_s_per_1000_tx"] - full.cpu_s_per_1000(costs)
        fitted = _fit(shell, costs, machine, light, runs)
        shell = replace(fitted, transaction_ns=max(0.0, shell.transaction_ns + missing_s * SECOND / 1000))
    return shell


@dataclass(frozen=True, slots=True)
class Load:
    """A simulated load, and what of it happened once it was warm."""

    result: Result
    cores: float
    """That nodes and clients kept busy."""
    tx_per_s: float
    """Transactions of which clients heard that they are final."""

    def cores_of_nodes(self, costs: Costs, post: int) -> float:
        """Without the clients, who hand in so many transactions together."""
        return self.cores - self.tx_per_s / post * costs.client.of(post) / SECOND

    def cpu_s_per_1000(self, costs: Costs) -> float:
        """Processor time of the nodes for 1000 transactions of a closed load, whose clients share their machine."""
        return 1000 * self.cores_of_nodes(costs, CLOSED_POST) / max(1.0, self.tx_per_s)


def run_load(scenario: Scenario) -> Load:
    """
    Simulate, and look at machine and clients when the load is warm and at the end.

    While the first transactions are on their way cores are idle: that says nothing of the load.
    """
    warmup = scenario.time.warmup
    cold_ns: list[int] = []

    def watch(cluster: Cluster) -> Observer:
        machine = cluster.hosts[0].machine
        cluster.engine.at(warmup, lambda: cold_ns.append(machine.done_ns(warmup)))
        return Observer()

    result = simulate(scenario, Options(observers=[watch]))
    end = result.cluster.engine.now
    done_ns = result.cluster.hosts[0].machine.done_ns(end) - cold_ns[0]
    finals_s = sorted(final / SECOND for final in result.driver.outcomes.final_ns if warmup <= final < end)
    # A slope, as the bench takes it: one block more or less within does not count.
    tx_per_s = linear_regression(finals_s, range(len(finals_s))).slope if len(set(finals_s)) > 1 else 0.0
    return Load(result, done_ns / (end - warmup), tx_per_s)


def _fit(
    shell: Shell, costs: Costs, machine: Machine, light: Sequence[dict[str, Any]], runs: Sequence[Load]
) -> Shell:
    """Share out what real nodes use beyond what the core costs in `runs`, made with `costs`: the core's with `shell`."""
    rows, beyond, used = [], [], []
    for figures, load in zip(light, runs, strict=True):
        rate = figures["rate"]
        row = np.array([load.result.messages / load.result.simulated_s, min(rate, 1 / SLOT_S)]) / SECOND
        known = load.cores_of_nodes(costs, _posted(rate)) - row @ np.array([shell.message_ns, shell.call_ns])
        used.append(figures["cpu_s_per_1000_tx"] * rate / 1000 - NODES * machine.idle_share)
        beyond.append(used[-1] - known)
        rows.append(row)
    found = _non_negative(np.array(rows), np.array(beyond))
    errors = np.abs(np.array(rows) @ found - np.array(beyond)) / np.array(used)
    message, call = map(float, found)
    return replace(shell, message_ns=message, call_ns=call, residual_share=float(errors.max()))


def _client(shell: Shell, real: Sequence[dict[str, Any]]) -> Shell:
    """What the load itself computes, by calls and transactions; a part that is always there is left out."""
    rates = [figures["rate"] for figures in real]
    rows = np.array([[SECOND, min(rate, 1 / SLOT_S), rate] for rate in rates]) / SECOND
    used = np.array([figures["load_cpu_percent"] / 100 for figures in real])
    _, call, transaction = map(float, _non_negative(rows, used))
    return replace(shell, client_call_ns=call, client_transaction_ns=transaction)


def open_load(costs: str, machine: Machine, rate: float, seconds: float) -> Scenario:
    """The scenario of the bench's load at a rate."""
    return _scenario(costs, machine, seconds, {"model": "constant", "rate": rate, "post": _posted(rate)})


def _posted(rate: float) -> int:
    """Transactions that the bench hands in together at a rate."""
    return max(1, round(rate * SLOT_S))


def closed_load(costs: str, machine: Machine, seconds: float) -> Scenario:
    """The scenario of the bench's load that saturates the nodes."""
    load = {"model": "closed", "clients": CLOSED_CALLS, "post": CLOSED_POST}
    return _scenario(costs, machine, seconds, load)


def _scenario(costs: str, machine: Machine, seconds: float, load: dict[str, Any]) -> Scenario:
    """Nodes as `noded testnet` makes them, which share this machine."""
    parameters = DEFAULT_PARAMETERS
    return make_scenario(
        {
            "name": "daemons",
            "time": {
                "duration": f"{seconds + WARMUP_S}s",
                "warmup": f"{WARMUP_S}s",
                "delta": f"{parameters.delta_ms}ms",
            },
            "nodes": {"count": NODES, "per_machine": NODES, "cores": machine.cores},
            "network": {"latency": LINK},
            "cpu": {"costs": costs},
            "disk": {"fsync": f"{machine.fsync_ns}ns"},
            "protocol": {
                "block_interval": f"{parameters.block_interval_ms}ms",
                "idle_interval": f"{parameters.idle_interval_ms}ms",
                "view_timeout": f"{parameters.view_timeout_ms}ms",
                "epoch_length": parameters.epoch_length,
                "block_bytes": parameters.block_bytes_max,
            },
            "workload": {"gateways": NODES, "mix": {"record": 1.0}, "beside": True, **load},
        }
    )


def _non_negative(matrix: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Least squares without negative prices: what would be negative is left out."""
    active = list(range(matrix.shape[1]))
    found = np.zeros(matrix.shape[1])
    while active:
        part, *_ = np.linalg.lstsq(matrix[:, active], values, rcond=None)
        if (part >= 0).all():
            found[active] = part
            break
        active.remove(active[int(np.argmin(part))])
    return found
