"""Twins: two machines with one key, each talking with its own side of the network."""

from functools import lru_cache

from noded.node.effects import Effect, Send
from noded.node.inputs import Input
from sim.byzantine.base import Behaviour
from sim.streams import Stream


@lru_cache(maxsize=256)
def sides(count: int, seed: int, node: int, period: int) -> tuple[int, ...]:
    """For each node 0 or 1: with which twin of `node` it talks in this period."""
    stream = Stream(seed, "twins", node, period)
    return tuple(stream.below(2) for _ in range(count))


class Twin(Behaviour):
    """One of the two; it follows the protocol, towards its side."""

    def prepare(self) -> None:
        """The twin that the cluster has is on side 0."""
        self.side = 0
        self.seed = 0

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Talk with its own side only, and with fellow conspirators."""
        world, members = self.host.world, self.conspiracy.members
        chosen = self.current_sides()
        done: list[Effect] = []
        for effect in effects:
            if not isinstance(effect, Send):
                done.append(effect)
                continue
            peers = tuple(
                peer
                for peer in effect.peers
                if chosen[world.index_of[peer]] == self.side or world.index_of[peer] in members
            )
            if peers:
                done.append(Send(peers, effect.message))
        return done

    def current_sides(self) -> tuple[int, ...]:
        """Who is on which side at present."""
        engine = self.host.world.engine
        period = engine.now // self.spec.period
        return sides(len(self.host.world.names), self.seed, self.host.index, period)
