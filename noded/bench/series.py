"""
Several loads in turn, several times over, on one network.

A machine's speed drifts from minute to minute. Short loads that take turns meet all of its speeds alike.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import linear_regression
from typing import Any, Final

import trio

from noded.bench.driving import Source, drive_closed, drive_open
from noded.bench.figures import machine, percentiles
from noded.bench.log_syncs import read_log_syncs
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
    watch_idle,
)
from noded.client.async_http import AsyncNodeClient
from noded.errors import NodedError
from noded.testnet.creating import create_testnet
from noded.testnet.processes import NodeProcess, Testnet
from noded.types.genesis import Genesis

CLOSED: Final = "closed"
PERCENT: Final = "%"

CLOSED_TX_PER_S_MAX: Final = 3000
"""Signed for a second of the first closed load; those that follow go by the one before."""

WARM_S: Final = 2.0
"""At the begin of a load that throughput does not count, until the first blocks are final."""

BLOCKS_MIN: Final = 3
"""Moments at which transactions became final, for a slope."""


class BadLoad(NodedError):
    """A load is none that there is."""


@dataclass(frozen=True, slots=True)
class Load:
    """Open at a rate, or at a share of what was sustained last; closed if neither is given."""

    text: str
    rate: float | None = None
    share: float | None = None


def parse_loads(text: str) -> tuple[Load, ...]:
    """
    Read loads such as "closed,70%,60".

    Raises:
        BadLoad: One of them is none.
    """
    loads: list[Load] = []
    for word in text.split(","):
        try:
            if word == CLOSED:
                load = Load(word)
            elif word.endswith(PERCENT):
                load = Load(word, share=float(word.removesuffix(PERCENT)) / 100)
            else:
                load = Load(word, rate=float(word))
        except ValueError:
            load = Load(word, rate=0.0)
        if (load.rate is not None and not 1 <= load.rate <= 100_000) or (
            load.share is not None and not 0 < load.share < 1
        ):
            raise BadLoad(f"load {word!r}: give {CLOSED!r}, a rate of 1 to 100000, or a share such as '70%'")
        if load.share is not None and Load(CLOSED) not in loads:
            raise BadLoad(f"load {word!r}: a share is of the closed load before it, and there is none")
        loads.append(load)
    return tuple(loads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What to measure."""

    nodes: int
    seconds: float
    """Of each load, each time."""
    loads: tuple[Load, ...]
    rounds: int


def measure_series(series: Series, progress: Callable[[str], None]) -> dict[str, Any]:
    """
    Run a network of fresh nodes under all loads; returns the figures.

    Raises:
        NodeFailed: A node did not come up.
        LoadFailed: Transactions did not take effect.
    """
    with tempfile.TemporaryDirectory(prefix="noded-bench-") as folder:
        progress(f"starting {series.nodes} nodes")
        genesis = create_testnet(Path(folder, "net"), series.nodes, name="bench", encrypted=False)
        with Testnet(Path(folder, "net")) as testnet:
            testnet.start()
            return trio.run(partial(_measure, series, testnet.nodes, genesis, progress))


async def _measure(
    series: Series, nodes: Sequence[NodeProcess], genesis: Genesis, progress: Callable[[str], None]
) -> dict[str, Any]:
    progress(f"watching idle nodes for {IDLE_S:.0f} s")
    idle_cpu_percent = await watch_idle(nodes)
    clients, senders = await begin_load(nodes, genesis)
    course = _Course(series, nodes, clients, [sender.records(1) for sender in senders], progress)
    rounds = [await course.round(number) for number in range(series.rounds)]
    for client in clients:
        await client.aclose()
    return {
        "rounds": rounds,
        "idle_cpu_percent": idle_cpu_percent,
        "machine": machine(),
        "nodes": series.nodes,
        "seconds": series.seconds,
    }


class _Course:
    """Takes one round after another."""

    def __init__(
        self,
        series: Series,
        nodes: Sequence[NodeProcess],
        clients: Sequence[AsyncNodeClient],
        sources: Sequence[Source],
        progress: Callable[[str], None],
    ) -> None:
        self._series = series
        self._nodes = nodes
        self._clients = clients
        self._sources = sources
        self._progress = progress
        self._closed_tx_per_s = CLOSED_TX_PER_S_MAX / SIGNED_SHARE

    async def round(self, number: int) -> list[dict[str, Any]]:
        """Figures of each load."""
        figures = []
        for load in self._series.loads:
            self._progress(f"round {number + 1} of {self._series.rounds}: {load.text}")
            figures.append(await self._run(load))
        return figures

    async def _run(self, load: Load) -> dict[str, Any]:
        seconds, count = self._series.seconds, len(self._nodes)
        rate = load.rate or (load.share or 0.0) * self._closed_tx_per_s
        count_each = (
            SPARE * rate * seconds / count if rate else SIGNED_SHARE * self._closed_tx_per_s * seconds / count
        )
        # What a load leaves is handed in by the next: a key's sequences have no gaps.
        ready = self._sources = sign_ahead(self._sources, int(count_each) + SLOTS_SPARE, self._progress)
        drive: Callable[[], Any] = (
            partial(drive_open, self._clients, ready, rate=rate, seconds=seconds)
            if rate
            else partial(drive_closed, self._clients, ready, seconds=seconds, operations=1)
        )
        synced = await read_log_syncs(self._clients)
        start = trio.current_time()
        measured = await run_window(self._nodes, drive)
        log_sync_ms = (await read_log_syncs(self._clients)).mean_ms_since(synced)
        check_tally(measured.tally)
        tx_per_s = throughput(measured, start, seconds)
        if not rate:
            self._closed_tx_per_s = tx_per_s
        finals = len(measured.tally.final_at)
        return {
            "load": load.text,
            "rate": round(rate, 1) if rate else None,
            "tx_per_s": round(tx_per_s, 1),
            "finality_ms": percentiles(measured.tally.latencies_ms),
            "cpu_s_per_1000_tx": round(measured.nodes_cpu_s / finals * 1000, 3),
            "cpu_percent": round(100 * measured.nodes_cpu_s / measured.seconds, 1),
            "load_cpu_percent": round(100 * measured.own_cpu_s / measured.seconds, 2),
            "log_sync_ms": round(log_sync_ms, 3),
            "seconds": round(measured.seconds, 2),
        }


def throughput(measured: Window, start: float, seconds: float) -> float:
    """
    Transactions a second that became final while the load was handed in, but for the first moments.

    They come block by block. The slope of the line through all of them does not depend on whether one block more or less
    is within.
    """
    begin, end = start + min(WARM_S, seconds / 2), start + seconds
    times = sorted(at for at in measured.tally.final_at if begin <= at < end)
    if len(set(times)) < BLOCKS_MIN:
        return len(times) / (end - begin)
    return linear_regression(times, range(len(times))).slope
