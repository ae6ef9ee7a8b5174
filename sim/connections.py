"""Connections between machines: closed by crashes and long cuts, opened again, and nodes told of both."""

from collections.abc import Sequence
from functools import partial

from noded.node.inputs import PeerDown, PeerUp
from sim.host import Host
from sim.network import Cut
from sim.world import World

STARTING_PEERS_MAX = 16
"""Peers of which a node is told at the start, those after it in order; telling a thousand of a thousand takes longer
than the run. Messages reach everybody all the same. Nodes that are not told of all vote without looking first (A4)."""

_UP, _DOWN = 1 << 62, 1 << 61
"""Set apart the digests of these inputs."""


class Connections:
    """Who has a connection with whom."""

    def __init__(self, world: World, hosts: Sequence[Host], *, notice_ns: int, reconnect_ns: int) -> None:
        self._world = world
        self._hosts = hosts
        self._notice_ns = notice_ns
        self._reconnect_ns = reconnect_ns

    def start(self) -> None:
        """All machines were started: tell their nodes of those that are still up."""
        count = len(self._hosts)
        for host in self._hosts:
            for offset in range(1, min(count, STARTING_PEERS_MAX + 1)):
                peer = (host.index + offset) % count
                if self._world.network.is_connected(host.index, peer):
                    self._tell(host.index, peer, is_up=True)
            if host.is_up and count - 1 > STARTING_PEERS_MAX:
                host.node.know_tip()

    def went_down(self, node: int) -> None:
        """A machine crashed: its connections are reset, and its peers learn it."""
        network, engine = self._world.network, self._world.engine
        for peer in self._others(node):
            if network.is_connected(node, peer):
                network.connect(node, peer, open_=False)
                engine.at(engine.now + self._notice_reset(node, peer), partial(self._tell_down, peer, node))

    def came_up(self, node: int) -> None:
        """A machine is up again: it connects to all that it can reach."""
        engine = self._world.engine
        engine.at(engine.now + self._reconnect_ns, partial(self._open_all, [node]))

    def cut(self, cut: Cut) -> None:
        """A cut began; what lasts is noticed."""
        engine = self._world.engine
        engine.at(engine.now + self._notice_ns, partial(self._close_cut, cut))

    def mended(self) -> None:
        """A cut ended: what was closed opens again."""
        engine = self._world.engine
        engine.at(engine.now + self._reconnect_ns, partial(self._open_all, range(len(self._hosts))))

    def _notice_reset(self, node: int, peer: int) -> int:
        return self._world.network.median_delay(node, peer)

    def _others(self, node: int) -> list[int]:
        return [peer for peer in range(len(self._hosts)) if peer != node]

    def _open_all(self, nodes: Sequence[int]) -> None:
        network = self._world.network
        if not network.any_closed():
            return
        for node in nodes:
            for peer in self._others(node):
                if (
                    network.is_connected(node, peer)
                    or network.is_cut(node, peer)
                    or network.is_cut(peer, node)
                ):
                    continue
                if self._hosts[node].is_up and self._hosts[peer].is_up:
                    network.connect(node, peer, open_=True)
                    self._tell(node, peer, is_up=True)
                    self._tell(peer, node, is_up=True)

    def _close_cut(self, cut: Cut) -> None:
        network = self._world.network
        if not network.has_cut(cut):
            return
        for node in range(len(self._hosts)):
            for peer in range(node + 1, len(self._hosts)):
                if (cut.blocks(node, peer) or cut.blocks(peer, node)) and network.is_connected(node, peer):
                    network.connect(node, peer, open_=False)
                    self._tell(node, peer, is_up=False)
                    self._tell(peer, node, is_up=False)

    def _tell_down(self, node: int, peer: int) -> None:
        if not self._world.network.is_connected(node, peer):
            self._tell(node, peer, is_up=False)

    def _tell(self, node: int, peer: int, *, is_up: bool) -> None:
        name = self._world.names[peer]
        if is_up:
            self._hosts[node].feed(PeerUp(name), digest=_UP | peer)
        else:
            self._hosts[node].feed(PeerDown(name), digest=_DOWN | peer)
