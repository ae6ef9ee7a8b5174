"""Saved runs as one table: a row for each run, with what was varied and what came out."""

from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from noded.errors import ConfigError
from sim.models.latency import make_latency
from sim.results import Saved, find_runs, load
from sim.scenario.explicit import places
from sim.scenario.model import Scenario
from sim.statistics import bootstrap, mean, median
from sim.streams import Stream
from sim.sweep import SWEEP, reopen
from sim.units import parse_duration, parse_rate

NODES = "nodes.count"
RATE = "workload.rate"

NAME = "name"

CODE = "code"
"""Not a key of scenarios: the beginning of the digest of the code that made a run, so that versions are told apart."""

CODE_LETTERS = 8

PAIRS = 2_000
"""Pairs of nodes of which the median delay is taken."""

DRAWN = ("seed", "about", "fault", "byzantine")
"""
What differs between runs of one point: who is faulty is drawn from the seed, or depends on the number of nodes.

A key of a fault counts where a sweep's grid names it.
"""

ROUTING_ALL_MAX = 32
"""Nodes up to which the routing `auto` is `all`."""


def load_all(folders: Sequence[Path]) -> list[Saved]:
    """
    All complete runs in these folders.

    Raises:
        ConfigError: There are none.
    """
    saved = [load(place) for folder in folders for place in find_runs(folder)]
    if not saved:
        raise ConfigError(f"no complete runs in {', '.join(map(str, folders))}")
    return saved


def varied_keys(runs: Sequence[Saved]) -> list[str]:
    """
    The scenario's keys, seed aside, in which the runs differ, and `CODE` if the code does.

    Scenarios of several names are told apart by name; of the other keys those count in which runs of one name differ.
    """
    flat = [_values(run) for run in runs]
    names = list(dict.fromkeys(each[NAME] for each in flat))
    swept = _swept_keys(runs)
    found = [NAME] if len(names) > 1 else []
    for name in names:
        same = [each for each in flat if each[NAME] == name]
        found += [
            key
            for key in dict.fromkeys(key for each in same for key in each)
            if (key in swept or key.partition(".")[0] not in DRAWN)
            and len({repr(each.get(key)) for each in same}) > 1
        ]
    return list(dict.fromkeys(found))


def value_of(run: Saved, key: str) -> Any:
    """The value of a dotted key in a run's scenario."""
    return _values(run).get(key)


def shown(value: object) -> str:
    """A value of the grid in few letters: nodes as ranges."""
    if not isinstance(value, tuple) or not all(isinstance(each, int) for each in value):
        return str(value)
    parts: list[list[int]] = []
    for node in value:
        if parts and node == parts[-1][-1] + 1:
            parts[-1].append(node)
        else:
            parts.append([node])
    return " ".join(str(part[0]) if len(part) == 1 else f"{part[0]}–{part[-1]}" for part in parts) or "–"


def figure_of(run: Saved, name: str) -> float | None:
    """A figure of a run's summary, as finality_ms.p50."""
    value: Any = run.summary
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if value is None else float(value)


def group(runs: Sequence[Saved], keys: Sequence[str]) -> dict[tuple[Any, ...], list[Saved]]:
    """Runs by their values of some keys, in order of these."""
    groups: dict[tuple[Any, ...], list[Saved]] = {}
    for run in sorted(runs, key=lambda run: run.scenario.seed):
        groups.setdefault(tuple(value_of(run, key) for key in keys), []).append(run)
    return dict(sorted(groups.items(), key=lambda item: tuple(map(_order, item[0]))))


def estimate(runs: Sequence[Saved], name: str) -> tuple[float, float, float] | None:
    """Mean of a figure over runs with the ends of its 95 % interval; None where no run has it."""
    values = [value for run in runs if (value := figure_of(run, name)) is not None]
    if not values:
        return None
    low, high = bootstrap(values)
    return mean(values), low, high


def name_of(run: Saved, keys: Sequence[str], values: Sequence[object]) -> str:
    """What is told apart by these keys; of a single point the scenario's name."""
    return (
        ", ".join(f"{_short(key)} = {shown(value)}" for key, value in zip(keys, values, strict=True))
        or run.scenario.name
    )


def is_linear(scenario: Scenario) -> bool:
    """Whether votes go to collectors."""
    routing = scenario.protocol.routing
    return routing == "linear" or (routing == "auto" and scenario.nodes.count > ROUTING_ALL_MAX)


def median_delay_ms(scenario: Scenario) -> float:
    """The median one-way delay between two nodes: δ in what theory says."""
    count = scenario.nodes.count
    latency = make_latency(scenario.network.latency, count, places(scenario))
    stream = Stream(0, "pairs")
    pairs = [(stream.below(count), stream.below(count)) for _ in range(PAIRS)]
    delays = [latency.median(a, b) / 1e6 for a, b in pairs if a != b]
    return median(delays) or 0.0


def finality_delays(scenario: Scenario) -> int:
    """Message delays from proposal to finality, by theory."""
    return 5 if is_linear(scenario) else 3


def messages_by_theory(count: int, *, is_linear: bool) -> float:
    """Messages a block among so many nodes, by theory."""
    return 3.1 * count if is_linear else 2.0 * count * count


def cdf(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Ascending values, and the share of values up to each."""
    ordered = np.sort(np.asarray(values, dtype=float))
    shares = np.arange(1, len(ordered) + 1) / max(1, len(ordered))
    return ordered.tolist(), shares.tolist()


def _swept_keys(runs: Sequence[Saved]) -> list[str]:
    """What the grids of the sweeps vary that these runs are of."""
    keys: list[str] = []
    for folder in dict.fromkeys(run.folder.parent for run in runs):
        if (folder / SWEEP).exists():
            sweep = reopen(folder).sweep
            keys += [] if sweep is None else sweep.grid
    return keys


def _flatten(plain: Any, prefix: str = "") -> dict[str, Any]:
    """Values by dotted key; the tables of a list have numbers, as in a sweep's grid."""
    flat: dict[str, Any] = {}
    if isinstance(plain, list) and plain and isinstance(plain[0], dict):
        plain = {str(number): each for number, each in enumerate(plain)}
    if isinstance(plain, dict):
        for key, value in plain.items():
            flat.update(_flatten(value, f"{prefix}{key}."))
        return flat
    return {prefix[:-1]: tuple(plain) if isinstance(plain, list) else plain}


def _values(run: Saved) -> dict[str, Any]:
    return {**_flatten(run.scenario.plain()), CODE: run.manifest["versions"]["code"][:CODE_LETTERS]}


def _short(key: str) -> str:
    return "n" if key == NODES else key.rpartition(".")[2]


def is_measure(value: object) -> bool:
    """Whether there is a more and a less of it: a number, a duration or a rate."""
    return _order(value)[0] == 0


def _order(value: Any) -> tuple[int, Any]:
    if isinstance(value, (int, float)):
        return 0, value
    if value == "unlimited":
        return 0, inf
    for parse in (parse_duration, parse_rate):
        try:
            return 0, parse(str(value))
        except ValueError:
            continue
    return 1, str(value)
