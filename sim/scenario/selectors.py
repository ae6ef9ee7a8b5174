"""Which nodes a scenario means: selectors become lists of nodes, drawn from the seed where they are random."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from noded.errors import ConfigError
from sim.models.regions import REST
from sim.scenario.values import Selector
from sim.streams import Stream

KINDS = ("node", "first", "random", "power", "region")


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """What selectors choose from."""

    powers: Sequence[int]
    """Of each node."""
    regions: Sequence[str]
    """Of each node."""

    @property
    def count(self) -> int:
        """Number of nodes."""
        return len(self.powers)


def select(
    selector: Selector, population: Population, stream: Stream, *, key: str, taken: Sequence[int] = ()
) -> list[int]:
    """
    The nodes that a selector names, ascending.

    Args:
        selector: From the scenario.
        population: All nodes.
        stream: Random choices are drawn from it.
        key: Where the selector stands in the scenario, for errors.
        taken: Nodes that "*" and random choices leave out.

    Raises:
        ConfigError: It names no nodes, or nodes that do not exist.
    """
    parts: list[str | int] = list(selector) if isinstance(selector, list) else [selector]
    free = [node for node in range(population.count) if node not in taken]
    nodes: list[int] = []
    for part in parts:
        found = _select_one(part, population, stream, key, free)
        nodes += [node for node in found if node not in nodes]
    return sorted(nodes)


def _select_one(
    part: str | int, population: Population, stream: Stream, key: str, free: list[int]
) -> Sequence[int]:
    if isinstance(part, int) or part.isdigit():
        return [_check_node(int(part), population, key)]
    if part == REST:
        return free
    kind, _, value = part.partition(":")
    if kind not in KINDS or not value:
        nearest = get_close_matches(kind, KINDS, n=1, cutoff=0.0)[0]
        raise ConfigError(f"{key}: unknown selector {part!r}; the nearest known one is {nearest}:…")
    if kind == "node":
        return [_check_node(_number(value, key), population, key)]
    if kind == "first":
        return range(min(_number(value, key), population.count))
    if kind == "region":
        nodes = [node for node, region in enumerate(population.regions) if region == value]
        if not nodes:
            known = ", ".join(dict.fromkeys(population.regions))
            raise ConfigError(f"{key}: no node is in region {value!r}; there are nodes in: {known}")
        return nodes
    if kind == "power":
        share = _fraction(value, key)
        return _some(_draw_power(share, population, stream, free), share, part, population, key)
    if value.endswith("%"):
        share = _fraction(value[:-1], key, whole=100.0)
        size = int(share * population.count)
        _some(range(size), share, part, population, key)
    else:
        size = _number(value, key)
    if size > len(free):
        raise ConfigError(f"{key}: {part!r} of {len(free)} nodes")
    return stream.sample(free, size)


def _some(nodes: Sequence[int], share: float, part: str, population: Population, key: str) -> Sequence[int]:
    """The nodes; a share too small for one would be a fault that nobody has."""
    if share and not nodes:
        raise ConfigError(f"{key}: {part!r} of {population.count} nodes is nobody; name a larger share, or 0")
    return nodes


def _draw_power(share: float, population: Population, stream: Stream, free: list[int]) -> list[int]:
    """Nodes in random order, as long as they hold at most this share of the power."""
    most = int(share * sum(population.powers))
    nodes: list[int] = []
    held = 0
    for node in stream.sample(free, len(free)):
        if held + population.powers[node] <= most:
            held += population.powers[node]
            nodes.append(node)
    return nodes


def _check_node(node: int, population: Population, key: str) -> int:
    if not 0 <= node < population.count:
        raise ConfigError(f"{key}: node {node} is not one of 0 … {population.count - 1}")
    return node


def _number(text: str, key: str) -> int:
    if not text.isdigit():
        raise ConfigError(f"{key}: {text!r} is not a number of nodes")
    return int(text)


def _fraction(text: str, key: str, whole: float = 1.0) -> float:
    try:
        value = float(text) / whole
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"{key}: {text!r} is not a share of 0 … {whole:g}")
    return value
