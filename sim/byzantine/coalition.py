"""The byzantine nodes of a run."""

from functools import partial
from typing import cast

from noded.node.node import Node
from sim.byzantine.alter import Alter, alter
from sim.byzantine.base import Behaviour, Conspiracy
from sim.byzantine.censor import Censor
from sim.byzantine.delay import Delay
from sim.byzantine.double_vote import DoubleVote
from sim.byzantine.equivocate import Equivocate
from sim.byzantine.exclude import Exclude
from sim.byzantine.frame import Frame
from sim.byzantine.garbage import Garbage
from sim.byzantine.impersonate import Impersonate
from sim.byzantine.invalid import Invalid
from sim.byzantine.nullify_only import NullifyOnly
from sim.byzantine.oscillate import Oscillate
from sim.byzantine.rewind import Rewind
from sim.byzantine.silent import Silent
from sim.byzantine.spam import Spam
from sim.byzantine.stale import Stale
from sim.byzantine.twins import Twin, sides
from sim.byzantine.withhold import Withhold
from sim.cluster import Cluster
from sim.host import Host, Steps
from sim.network import Parcel
from sim.scenario.explicit import byzantine_nodes
from sim.scenario.model import Byzantine, Scenario
from sim.streams import Stream

BEHAVIOURS: dict[str, type[Behaviour]] = {
    "silent": Silent,
    "equivocate": Equivocate,
    "double-vote": DoubleVote,
    "nullify-only": NullifyOnly,
    "withhold": Withhold,
    "delay": Delay,
    "censor": Censor,
    "stale": Stale,
    "impersonate": Impersonate,
    "garbage": Garbage,
    "twins": Twin,
    "oscillate": Oscillate,
    "exclude": Exclude,
    "rewind": Rewind,
    "frame": Frame,
    "alter": Alter,
    "spam": Spam,
    "invalid": Invalid,
}

VICTIMS_SHARE = 4
"""Unless the scenario names them, one in so many correct nodes is a victim."""


class Coalition:
    """
    Puts behaviours around the nodes that an explicit scenario calls byzantine.

    They share what they know, and have no keys but their own.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._specs: dict[int, Byzantine] = {
            node: spec for spec in scenario.byzantine for node in cast(list[int], spec.nodes)
        }
        members = byzantine_nodes(scenario)
        self.conspiracy = Conspiracy(frozenset(members))
        correct = [node for node in range(scenario.nodes.count) if node not in members]
        stream = Stream(scenario.seed, "victims")
        size = min(len(correct), max(1, len(correct) // VICTIMS_SHARE))
        self._victims = sorted(stream.sample(correct, size))
        self._seconds: dict[int, Host] = {}
        """The second machines of twins."""

    def join(self, cluster: Cluster) -> None:
        """Give each twin its second machine, and let stores be altered; to be called before the run starts."""
        self._cluster = cluster
        for node, spec in self._specs.items():
            if spec.behaviour == "twins":
                second = self._seconds[node] = cluster.make_twin(node)
                cluster.engine.at(spec.at, second.start)
                cluster.receivers[node] = partial(self._receive, node, spec)
            elif spec.behaviour == "alter":
                cluster.engine.at(spec.at, partial(alter, cluster, cluster.hosts[node], spec.altered))

    def behave(self, host: Host, node: Node) -> Steps:
        """Put its behaviour around a node."""
        spec = self._specs[host.index]
        behaviour = BEHAVIOURS[spec.behaviour](
            host,
            node,
            spec=spec,
            victims=self._victims if spec.victims is None else cast(list[int], spec.victims),
            conspiracy=self.conspiracy,
            signer=self._cluster.signer(host.index),
            stream=Stream(self._scenario.seed, "byzantine", host.index, host.life),
        )
        if isinstance(behaviour, Twin):
            behaviour.seed = self._scenario.seed
            behaviour.side = 1 if host is self._seconds.get(host.index) else 0
        return behaviour

    def fall_silent(self) -> None:
        """From now on no byzantine node sends anything."""
        self.conspiracy.is_silent = True

    def _receive(self, node: int, spec: Byzantine, parcel: Parcel) -> None:
        """Let the right twin hear a message; fellow conspirators are heard by both."""
        first, second = self._cluster.hosts[node], self._seconds[node]
        engine = self._cluster.engine
        if engine.now < spec.at:
            first.receive(parcel)
            return
        side = sides(len(self._cluster.hosts), self._scenario.seed, node, engine.now // spec.period)
        if side[parcel.sender] == 0 or parcel.sender in self.conspiracy.members:
            first.receive(parcel)
        if side[parcel.sender] == 1 or parcel.sender in self.conspiracy.members:
            second.receive(parcel)
