"""One measurement: a fresh network, a load, figures."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from noded.bench.driving import Source, drive_closed, drive_open
from noded.bench.figures import machine, percentiles
from noded.bench.log_syncs import read_log_syncs
from noded.bench.reads import drive_reads
from noded.bench.restarts import AWAY_S, LOOK_S, NODES_MIN, CatchUp, catch_up, restart
from noded.bench.windows import (
    IDLE_S,
    SIGNED_SHARE,
    SLOTS_SPARE,
    SPARE,
    Window,
    begin_load,
    check_tally,
    run_window,
    sign_ahead,
    usages_of,
    watch_idle,
)
from noded.client.async_http import AsyncNodeClient
from noded.testnet.creating import create_testnet
from noded.testnet.processes import NodeProcess, Testnet
from noded.types.genesis import Genesis

PROBE_S: Final = 4.0
"""Of closed load before the measurement: says how many transactions to sign, and warms all up."""

PROBE_TX_PER_S: Final = 4000
"""Signed for the probe; a single-validator chain is measured at 3000."""

PROBE_OPERATIONS_PER_S: Final = 20_000
LATENCY_LOAD: Final = 0.7
"""Of the sustained rate, at which finality is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure."""

    nodes: int
    seconds: float
    rate: float | None
    """Transactions a second of open load; None to find what the network sustains."""
    operations: int
    """Of each transaction."""


def measure(plan: Plan, progress: Callable[[str], None]) -> dict[str, Any]:
    """
    Run a network of `plan.nodes` fresh nodes under load; returns the figures.

    Raises:
        NodeFailed: A node did not come up.
        LoadFailed: Transactions did not take effect.
    """
    with tempfile.TemporaryDirectory(prefix="noded-bench-") as folder:
        progress(f"starting {plan.nodes} nodes")
        genesis = create_testnet(Path(folder, "net"), plan.nodes, name="bench", encrypted=False)
        with Testnet(Path(folder, "net")) as testnet:
            began = time.monotonic()
            testnet.start()
            ready_s = time.monotonic() - began
            return trio.run(partial(_measure, plan, testnet.nodes, genesis, ready_s, progress))


async def _measure(
    plan: Plan,
    nodes: Sequence[NodeProcess],
    genesis: Genesis,
    ready_s: float,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    progress(f"ready after {ready_s:.1f} s; watching idle nodes for {IDLE_S:.0f} s")
    idle_cpu_percent = await watch_idle(nodes)
    clients, senders = await begin_load(nodes, genesis)
    progress("reading")
    reads = await drive_reads(nodes[0], clients[0], senders[0].patient_path)
    sources = [sender.records(plan.operations) for sender in senders]
    if plan.rate is None:
        closed = await _saturate(plan, nodes, clients, sources, progress)
        sustained = len(closed.tally.final_at) / closed.seconds
        rate = LATENCY_LOAD * sustained
    else:
        closed = None
        sustained, rate = 0.0, plan.rate
    signed = sign_ahead(sources, int(SPARE * rate * plan.seconds / len(nodes)) + SLOTS_SPARE, progress)
    progress(f"open load of {rate:.0f} transactions a second for {plan.seconds:.0f} s")
    synced = await read_log_syncs(clients)
    opened = await run_window(nodes, partial(drive_open, clients, signed, rate=rate, seconds=plan.seconds))
    log_sync_ms = (await read_log_syncs(clients)).mean_ms_since(synced)
    check_tally(opened.tally)
    shown = closed or opened
    count = len(shown.tally.final_at)
    tx_per_s = sustained or count / opened.seconds
    operations = plan.operations * sum(len(each.tally.final_at) for each in (closed, opened) if each)
    rss_mb = max(usage.rss_mb_max for usage in usages_of(nodes))
    progress("stopping and starting one node")
    restarted = await restart(nodes[-1])
    caught: CatchUp | None = None
    if len(nodes) >= NODES_MIN:
        progress(f"catching up with {AWAY_S:.0f} s of this load")
        away = sign_ahead(sources[:-1], int(SPARE * rate * AWAY_S / (len(nodes) - 1)) + SLOTS_SPARE, progress)
        caught = await catch_up(nodes[-1], clients[:-1], away, rate=rate)
    for client in clients:
        await client.aclose()
    return {
        "tx_per_s": round(tx_per_s, 1),
        "ops_per_s": round(tx_per_s * plan.operations, 1),
        "finality_ms": percentiles(opened.tally.latencies_ms),
        "cpu_s_per_1000_tx": round(shown.nodes_cpu_s / count * 1000, 3),
        "rss_mb_max": round(rss_mb, 1),
        "idle_cpu_percent": idle_cpu_percent,
        "log_sync_ms": round(log_sync_ms, 3),
        "reads_per_s": round(reads.per_s),
        "reads_per_cpu_s": round(reads.per_cpu_s),
        "machine": machine(),
        "nodes": plan.nodes,
        "ops_per_tx": plan.operations,
        "saturated": closed is not None,
        "finality_at_tx_per_s": round(rate, 1),
        "seconds": plan.seconds,
        "load_cpu_percent": round(100 * shown.own_cpu_s / shown.seconds, 1),
        "operations": operations,
        "all_ready_s": round(ready_s, 2),
        "start_to_ready_s": round(restarted.start_s, 2),
        "stop_s": round(restarted.stop_s, 2),
        "catch_up": None if caught is None else _caught(caught),
    }


def _caught(found: CatchUp) -> dict[str, float]:
    return {
        "blocks": found.blocks,
        "missed_s": round(found.missed_s, 1),
        "seconds": round(found.seconds, 2),
        "times_real_time": round(found.missed_s / max(found.seconds, LOOK_S), 1),
    }


async def _saturate(
    plan: Plan,
    nodes: Sequence[NodeProcess],
    clients: Sequence[AsyncNodeClient],
    sources: Sequence[Source],
    progress: Callable[[str], None],
) -> Window:
    """What the network sustains: first roughly, then for the whole time with as many transactions as that takes."""
    most = min(PROBE_TX_PER_S, PROBE_OPERATIONS_PER_S // plan.operations)
    signed = sign_ahead(sources, int(PROBE_S * most / len(nodes)) + 1, progress)
    progress("probing what the network sustains")
    probe = await run_window(
        nodes, partial(drive_closed, clients, signed, seconds=PROBE_S, operations=plan.operations)
    )
    check_tally(probe.tally)
    rate = len(probe.tally.final_at) / probe.seconds
    signed = sign_ahead(sources, int(SIGNED_SHARE * rate * plan.seconds / len(nodes)) + 1, progress)
    progress(f"closed load for {plan.seconds:.0f} s")
    window = await run_window(
        nodes, partial(drive_closed, clients, signed, seconds=plan.seconds, operations=plan.operations)
    )
    check_tally(window.tally)
    return window
