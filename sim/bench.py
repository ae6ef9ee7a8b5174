"""What the engine delivers on this machine: every node broadcasts, and nodes do nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import numpy as np

from noded.types.ids import BlockHash, Epoch, Height, View
from noded.types.messages import ChainStatus
from sim.engine import Engine
from sim.models.bandwidth import Bandwidth
from sim.models.latency import make_latency
from sim.network import Network, Parcel
from sim.scenario.network import Uniform

ROUND_NS = 50_000_000
"""Between two broadcasts of a node: arrivals of several rounds are under way at once, as in a real run."""

DELAYS = {"model": "uniform", "low": "20ms", "high": "80ms"}

MESSAGE = ChainStatus(epoch=Epoch(1), view=View(1), height=Height(1), hash=BlockHash(bytes(32)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A measurement."""

    nodes: int
    messages: int
    seconds: float
    event_hash: str

    @property
    def messages_per_s(self) -> float:
        """Deliveries a second."""
        return self.messages / self.seconds


def measure_engine(nodes: int, rounds: int, clock: Callable[[], float] = perf_counter) -> Delivered:
    """
    Let every node broadcast to all others `rounds` times, over the real network model.

    Args:
        nodes: How many.
        rounds: How often.
        clock: Seconds; `time.process_time` where other programs run beside.
    """

    def deliver(node: int, parcel: Parcel) -> None:
        engine.note(node, parcel.digest)

    engine = Engine(deliver)
    latency = make_latency(Uniform.model_validate(DELAYS), nodes, [0] * nodes)
    bandwidth = Bandwidth(nodes, up_bits=1_000_000_000, down_bits=1_000_000_000)
    network = Network(engine, latency, bandwidth, count=nodes, seed=1, fifo=True)
    others = [np.array([peer for peer in range(nodes) if peer != node]) for node in range(nodes)]

    def broadcast(node: int) -> None:
        network.send(others[node], Parcel(node, MESSAGE, 200, node))

    for number in range(rounds):
        for node in range(nodes):
            engine.at(number * ROUND_NS, partial(broadcast, node))
    began = clock()
    engine.run()
    seconds = clock() - began
    return Delivered(
        nodes=nodes, messages=engine.stats().deliveries, seconds=seconds, event_hash=engine.hexdigest()
    )
