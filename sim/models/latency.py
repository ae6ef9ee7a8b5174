"""
How long a message is on its way.

Every model is a base delay, a spread and a table of quantiles: delay = base + spread · quantile(random bits), never
below a least delay. So all models cost the same, and a draw is a function of its 64 random bits alone.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from math import exp
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from noded.errors import ConfigError
from sim.models.regions import load_regions
from sim.scenario import network as spec

QUANTILE_BITS = 14
QUANTILES = 1 << QUANTILE_BITS
"""Points of a distribution; its tail ends at 1 − 1/32768."""

SCALE_BITS = 16
"""Quantiles are numbers of 2^-16; times a spread of up to 100 s they stay below 2^63."""

P90 = NormalDist().inv_cdf(0.9)

FLOOR = 0.3
"""Below the median, delays between regions spread this much as above it: a path has a least delay."""

Inverse: TypeAlias = Callable[[float], float]
"""Inverse of a distribution function on (0, 1)."""

_SHIFT = np.uint64(64 - QUANTILE_BITS)


class Latency:
    """One-way delays between nodes, which stand at places."""

    def __init__(
        self,
        *,
        places: list[int],
        base: list[list[int]],
        spread: list[list[int]],
        least: list[list[int]],
        quantiles: list[float],
    ) -> None:
        assert len(quantiles) == QUANTILES
        scaled = [round(value * (1 << SCALE_BITS)) for value in quantiles]
        self._places = places
        self._base, self._spread, self._least = base, spread, least
        self._quantiles = scaled
        self._table = np.array(scaled, dtype=np.int64)
        index = np.array(places, dtype=np.int64)
        self._base_rows = [np.array(row, dtype=np.int64)[index] for row in base]
        self._spread_rows = [np.array(row, dtype=np.int64)[index] for row in spread]
        self._least_rows = [np.array(row, dtype=np.int64)[index] for row in least]
        self._is_constant = not any(map(any, spread))

    def delays(self, source: int, targets: NDArray[np.int64], bits: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Nanoseconds from `source` to each target."""
        place = self._places[source]
        delays = self._base_rows[place][targets]
        if self._is_constant:
            return delays
        jitter = self._table[bits >> _SHIFT]
        jitter *= self._spread_rows[place][targets]
        jitter >>= SCALE_BITS
        delays += jitter
        return np.maximum(delays, self._least_rows[place][targets], out=delays)

    def delay(self, source: int, target: int, bits: int) -> int:
        """Nanoseconds from `source` to one target; what `delays` gives for the same bits."""
        here, there = self._places[source], self._places[target]
        jitter = self._spread[here][there] * self._quantiles[bits >> (64 - QUANTILE_BITS)] >> SCALE_BITS
        return max(self._base[here][there] + jitter, self._least[here][there])

    def median(self, source: int, target: int) -> int:
        """Nanoseconds of the median delay."""
        return self.delay(source, target, 1 << 63)


def make_latency(model: spec.Latency, count: int, places: list[int]) -> Latency:
    """
    The delays of a scenario's network.

    Args:
        model: From the scenario.
        count: Nodes.
        places: The region of each node; used by models with regions only.

    Raises:
        ConfigError: The model names files or nodes that do not exist.
    """
    normal = NormalDist()
    match model:
        case spec.Constant():
            return _same(count, model.delay, 0, 0, lambda _: 0.0)
        case spec.Uniform():
            if model.low > model.high:
                raise ConfigError("network.latency: low is above high")
            return _same(count, model.low, model.high - model.low, model.low, lambda u: u)
        case spec.Normal():
            return _same(count, model.mean, model.deviation, model.least, normal.inv_cdf)
        case spec.LogNormal():
            sigma = model.sigma
            return _same(count, 0, model.median, 0, lambda u: exp(sigma * normal.inv_cdf(u)))
        case spec.Pareto():
            power = -1.0 / model.alpha
            return _same(count, 0, model.least, 0, lambda u: (1.0 - u) ** power)
        case spec.Empirical():
            samples = sorted(model.samples)
            longest = max(samples[-1], 1)
            return _same(count, 0, longest, 0, lambda u: samples[int(u * len(samples))] / longest)
        case spec.Regions():
            table = load_regions(model.table)
            median, p90 = table.median_ns, table.p90_ns
            size = range(len(table.names))
            return Latency(
                places=places,
                base=[list(row) for row in median],
                spread=[[p90[a][b] - median[a][b] for b in size] for a in size],
                least=[[median[a][b] // 2 for b in size] for a in size],
                quantiles=_quantiles(_region_jitter),
            )
        case spec.Edges():
            delays = _shortest_paths(model.edges, count)
            zeros = [[0] * count for _ in range(count)]
            return Latency(
                places=list(range(count)),
                base=delays,
                spread=zeros,
                least=delays,
                quantiles=[0.0] * QUANTILES,
            )


def _region_jitter(u: float) -> float:
    """0 at the median, 1 at the 90th percentile."""
    z = NormalDist().inv_cdf(u) / P90
    return z if z > 0 else z * FLOOR


def _quantiles(inverse: Inverse) -> list[float]:
    return [inverse((index + 0.5) / QUANTILES) for index in range(QUANTILES)]


def _same(count: int, base: int, spread: int, least: int, inverse: Inverse) -> Latency:
    return Latency(
        places=[0] * count,
        base=[[base]],
        spread=[[spread]],
        least=[[least]],
        quantiles=_quantiles(inverse) if spread else [0.0] * QUANTILES,
    )


def _shortest_paths(edges: list[tuple[int, int, int]], count: int) -> list[list[int]]:
    neighbours: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for a, b, delay in edges:
        if not (0 <= a < count and 0 <= b < count):
            raise ConfigError(f"network.latency.edges: ({a}, {b}) is not between nodes 0 … {count - 1}")
        neighbours[a].append((b, delay))
        neighbours[b].append((a, delay))
    return [_distances(neighbours, source) for source in range(count)]


def _distances(neighbours: list[list[tuple[int, int]]], source: int) -> list[int]:
    found: dict[int, int] = {}
    heap = [(0, source)]
    while heap:
        distance, node = heappop(heap)
        if node in found:
            continue
        found[node] = distance
        for other, delay in neighbours[node]:
            if other not in found:
                heappush(heap, (distance + delay, other))
    if len(found) < len(neighbours):
        lost = next(node for node in range(len(neighbours)) if node not in found)
        raise ConfigError(f"network.latency.edges: no path from node {source} to node {lost}")
    return [found[node] for node in range(len(neighbours))]
