"""
A scenario without anything left to chance about who: selectors become lists of nodes, churn becomes crashes.

Runs are made of explicit scenarios, so that a run can be written down, cut into pieces and shrunk.
"""

from typing import Any

from noded.errors import ConfigError
from sim.models.regions import load_regions, place_nodes
from sim.scenario.acts import PARTIES, Admit, Remove
from sim.scenario.faults import Churn, Partition
from sim.scenario.load import make_scenario
from sim.scenario.model import Scenario
from sim.scenario.network import Regions
from sim.scenario.selectors import Population, select
from sim.scenario.values import Section
from sim.streams import Stream
from sim.units import format_duration

NO_REGION = "everywhere"


def places(scenario: Scenario) -> list[int]:
    """The region of each node, as an index into the table of regions; zeros without regions."""
    latency = scenario.network.latency
    if not isinstance(latency, Regions):
        return [0] * scenario.nodes.count
    return place_nodes(load_regions(latency.table), scenario.nodes.regions, scenario.nodes.count)


def region_names(scenario: Scenario) -> list[str]:
    """The name of each node's region."""
    latency = scenario.network.latency
    if not isinstance(latency, Regions):
        return [NO_REGION] * scenario.nodes.count
    names = load_regions(latency.table).names
    return [names[place] for place in places(scenario)]


def make_explicit(scenario: Scenario) -> Scenario:
    """
    The same scenario with its draws made.

    Raises:
        ConfigError: A selector names nodes that do not exist, or there are no founders.
    """
    population = Population(powers=[1] * scenario.nodes.count, regions=region_names(scenario))
    plain = scenario.plain()
    byzantine: list[dict[str, Any]] = []
    taken: list[int] = []
    for index, bad in enumerate(scenario.byzantine):
        key = f"byzantine.{index}"
        stream = Stream(scenario.seed, key)
        nodes = select(bad.nodes, population, stream, key=f"{key}.nodes", taken=taken)
        taken += nodes
        row = {**bad.plain(), "nodes": nodes}
        if bad.victims is not None:
            row["victims"] = select(bad.victims, population, stream, key=f"{key}.victims", taken=nodes)
        byzantine.append(row)
    faults: list[dict[str, Any]] = []
    for index, fault in enumerate(scenario.fault):
        faults += _explicit_fault(fault, f"fault.{index}", population, scenario.seed)
    plain["byzantine"], plain["fault"] = byzantine, faults
    plain["act"] = [
        _explicit_act(act, f"act.{index}", population, scenario.seed)
        for index, act in enumerate(scenario.act)
    ]
    plain["nodes"]["owners"] = {
        owner: select(nodes, population, Stream(scenario.seed, "owners", index), key=f"nodes.owners.{owner}")
        for index, (owner, nodes) in enumerate(scenario.nodes.owners.items())
    }
    explicit = make_scenario(plain)
    if not founding_nodes(explicit):
        raise ConfigError(
            f"act: all {population.count} nodes are admitted later, so nobody founds the chain; leave some out"
        )
    return explicit


def byzantine_nodes(scenario: Scenario) -> list[int]:
    """All byzantine nodes of an explicit scenario, ascending."""
    return sorted(node for bad in scenario.byzantine for node in _listed(bad.nodes))


def founding_nodes(scenario: Scenario) -> list[int]:
    """All nodes of an explicit scenario but those that are admitted before anything else is voted about them."""
    voted = sorted((act for act in scenario.act if isinstance(act, Admit | Remove)), key=lambda act: act.at)
    first: dict[int, Admit | Remove] = {}
    for act in voted:
        for node in _listed(act.nodes):
            first.setdefault(node, act)
    return [node for node in range(scenario.nodes.count) if not isinstance(first.get(node), Admit)]


def _explicit_act(act: Section, key: str, population: Population, seed: int) -> dict[str, Any]:
    stream = Stream(seed, key)
    plain = act.plain()
    for party in PARTIES:
        if party in plain:
            plain[party] = select(plain[party], population, stream, key=f"{key}.{party}")
    return plain


def _explicit_fault(fault: Section, key: str, population: Population, seed: int) -> list[dict[str, Any]]:
    stream = Stream(seed, key)
    plain = fault.plain()
    if isinstance(fault, Partition):
        plain["groups"] = _groups(fault, key, population, stream)
        return [plain]
    nodes = select(plain["nodes"], population, stream, key=f"{key}.nodes")
    if isinstance(fault, Churn):
        return _crashes(fault, nodes, stream)
    return [{**plain, "nodes": nodes}]


def _groups(fault: Partition, key: str, population: Population, stream: Stream) -> list[list[int]]:
    """The groups; "*" takes what the others leave, wherever it stands."""
    named: list[int] = []
    groups: list[list[int] | None] = []
    for group in fault.groups:
        if "*" in group:
            groups.append(None)
            continue
        nodes = select(list(group), population, stream, key=f"{key}.groups", taken=named)
        groups.append([node for node in nodes if node not in named])
        named += nodes
    rest = [node for node in range(population.count) if node not in named]
    return [rest if group is None else group for group in groups]


def _crashes(churn: Churn, nodes: list[int], stream: Stream) -> list[dict[str, Any]]:
    crashes: list[dict[str, Any]] = []
    back_at = dict.fromkeys(nodes, 0)
    time = churn.at
    while nodes:
        time += max(1, round(stream.exponential(churn.every)))
        if time >= churn.at + churn.span:
            break
        up = [node for node in nodes if back_at[node] <= time]
        if not up:
            continue
        node = stream.choice(up)
        down = max(1, round(stream.exponential(churn.down)))
        back_at[node] = time + down
        crashes.append(
            {
                "kind": "crash",
                "at": format_duration(time),
                "nodes": [node],
                "restart_after": format_duration(down),
                "disk": churn.disk,
            }
        )
    return crashes


def _listed(selector: object) -> list[int]:
    assert isinstance(selector, list)
    return [int(node) for node in selector]
