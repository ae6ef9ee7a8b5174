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
from pathlib import Path
from typing import Any, Final

import numpy as np

from noded.errors import NodedError
from noded.types.genesis import DEFAULT_PARAMETERS
from sim.calibrate import measure_fsync_ns
from sim.costs_file import Machine, table_of
from sim.models.cpu import Costs, Price
from sim.run import Result, simulate
from sim.scenario.load import make_scenario
from sim.scenario.model import Scenario

NODES: Final = 4

SLOT_S: Final = 0.01
"""`noded bench` hands in together what is intended within this time; on average a transaction waits half of it."""

CLOSED_CALLS: Final = 32
"""Calls under way in the bench's closed load, of as many transactions each as follows."""
CLOSED_POST: Final = 128

FIGURES: Final = frozenset({
    "cpu_s_per_1000_tx", "finality_at_tx_per_s", "finality_ms", "idle_cpu_percent", "load_cpu_percent", "log_sync_ms",
    "machine", "tx_per_s",
})  # fmt: skip
"""Those of the bench that are used."""

FIT_S: Final = 8.0
"""Of simulated load for a fit."""

CALIBRATION_RATES: Final = (30.0, 100.0, 250.0)
"""Light loads: real nodes are far from saturated, so that nothing but their work is seen."""

ROUNDS: Final = 3
"""Of fitting: the number of messages itself depends on what they cost."""

LINK: Final = "100us"
"""One way over loopback, system calls apart."""

WARMUP_S: Final = 3.0
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


def bench(*arguments: str, parts: Path | None = None) -> dict[str, Any]:
    """
    Run `noded bench` and return its figures.

    Args:
        arguments: Of the command.
        parts: Folder in which the figures are kept; they are taken from there if they are there already, all of them.

    Raises:
        BenchFailed: It did not deliver any.
    """
    name = "-".join(["bench", *arguments]).replace("--", "")
    kept = None if parts is None else parts / f"{name}.json"
    if kept is not None and kept.exists():
        figures: dict[str, Any] = json.loads(kept.read_text())
        if figures.keys() >= FIGURES:
            return figures
    command = [sys.executable, "-m", "noded", "bench", "--nodes", str(NODES), "--output", "json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchFailed(f"{' '.join(command[1:])}: {done.stderr.strip() or done.returncode}")
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(done.stdout)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def machine_of(real: Sequence[dict[str, Any]]) -> Machine:
    """
    This machine, as figures of real nodes show it; without any, as fsyncs of a single file do.

    A node that waits between its writes, beside others that write, waits many times as long for each as a loop that does
    nothing but to sync one file.
    """
    return Machine(
        cpu=real[0]["machine"]["cpu"] if real else platform.processor(),
        cores=len(os.sched_getaffinity(0)),
        fsync_ns=round(real[0]["log_sync_ms"] * 1e6) if real else measure_fsync_ns(),
        idle_share=round(min((figures["idle_cpu_percent"] for figures in real), default=0.0) / 100, 5),
    )


def measure_shell(
    core: Costs,
    machine: Machine,
    light: Sequence[dict[str, Any]],
    saturated: dict[str, Any],
    progress: Callable[[str], None],
) -> Shell:
    """
    What real nodes cost beyond the core's prices.

    Args:
        core: Prices of the core.
        machine: On which all of this is.
        light: Figures of `noded bench` at light loads.
        saturated: Its figures of saturated nodes, of which only the processor time of a transaction is used.
        progress: Told what is done.
    """
    shell = _client(Shell(), light)
    for number in range(ROUNDS):
        progress(f"simulated nodes, round {number + 1} of {ROUNDS}")
        costs = shell.on(core)
        with table_of(costs) as table:
            runs = [
                simulate(open_load(table, machine, figures["finality_at_tx_per_s"], FIT_S))
                for figures in light
            ]
            full = simulate(closed_load(table, machine, FIT_S))
        missing_s = saturated["cpu_s_per_1000_tx"] - cpu_s_per_1000(full, costs)
        fitted = _fit(shell, costs, machine, light, runs)
        shell = replace(fitted, transaction_ns=max(0.0, shell.transaction_ns + missing_s * SECOND / 1000))
    return shell


def cpu_s_per_1000(result: Result, costs: Costs) -> float:
    """Processor time of the nodes for 1000 transactions of a closed load, whose clients share their machine."""
    return 1000 * _cores_of_nodes(result, costs, CLOSED_POST) / max(1.0, result.tx_per_s)


def _cores_of_nodes(result: Result, costs: Costs, post: int) -> float:
    """Cores that the nodes kept busy, without their clients, who hand in so many transactions together beside them."""
    clients_ns = result.driver.submitted / post * costs.client.of(post)
    return (result.cluster.hosts[0].machine.worked_ns - clients_ns) / SECOND / result.simulated_s


def _fit(
    shell: Shell, costs: Costs, machine: Machine, light: Sequence[dict[str, Any]], runs: Sequence[Result]
) -> Shell:
    """Share out what real nodes use beyond what the core costs in `runs`, made with `costs`: the core's with `shell`."""
    rows, beyond, used = [], [], []
    for figures, result in zip(light, runs, strict=True):
        rate = figures["finality_at_tx_per_s"]
        row = np.array([result.messages / result.simulated_s, min(rate, 1 / SLOT_S)]) / SECOND
        known = _cores_of_nodes(result, costs, _posted(rate)) - row @ np.array(
            [shell.message_ns, shell.call_ns]
        )
        used.append(figures["cpu_s_per_1000_tx"] * rate / 1000 - NODES * machine.idle_share)
        beyond.append(used[-1] - known)
        rows.append(row)
    found = _non_negative(np.array(rows), np.array(beyond))
    errors = np.abs(np.array(rows) @ found - np.array(beyond)) / np.array(used)
    message, call = map(float, found)
    return replace(shell, message_ns=message, call_ns=call, residual_share=float(errors.max()))


def _client(shell: Shell, real: Sequence[dict[str, Any]]) -> Shell:
    """What the load itself computes, by calls and transactions; a part that is always there is left out."""
    rates = [figures["finality_at_tx_per_s"] for figures in real]
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
