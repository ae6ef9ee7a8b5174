"""Nodes of a small consortium on loopback, and a handler that keeps what it is told."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio
from nacl.signing import SigningKey

from noded.network import InstitutionId, Lane, PeerInfo, PeerStatistics
from noded.network.limits import Rates
from noded.network.swarm import Libp2pNetwork

if TYPE_CHECKING:
    from trio_typing import TaskStatus  # libp2p brings outdated stubs of trio, which lack trio.TaskStatus

CHAIN = bytes(32)
PATIENCE_S = 30.0


def peer_id(number: int) -> InstitutionId:
    return number.to_bytes(16, "big")


def seed(number: int) -> bytes:
    return number.to_bytes(32, "big")


def network_key(number: int) -> bytes:
    return bytes(SigningKey(seed(number)).verify_key)


def peer_info(number: int, *addresses: str) -> PeerInfo:
    return PeerInfo(peer=peer_id(number), network_key=network_key(number), addresses=addresses)


@dataclass
class Recorder:
    """A handler that keeps everything, and lets a test wait for it."""

    up: list[InstitutionId] = field(default_factory=list)
    down: list[tuple[InstitutionId, str]] = field(default_factory=list)
    messages: list[tuple[InstitutionId, Lane, bytes]] = field(default_factory=list)
    changed: trio.Event = field(default_factory=trio.Event)

    def _note(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def on_peer_up(self, peer: InstitutionId) -> None:
        self.up.append(peer)
        self._note()

    async def on_peer_down(self, peer: InstitutionId, reason: str) -> None:
        self.down.append((peer, reason))
        self._note()

    async def on_message(self, peer: InstitutionId, lane: Lane, payload: bytes) -> None:
        self.messages.append((peer, lane, payload))
        self._note()

    async def on_request(self, peer: InstitutionId, kind: int, payload: bytes) -> bytes:
        return bytes([kind]) + payload

    async def until_messages(self, count: int) -> None:
        await self._until(lambda: len(self.messages) >= count)

    async def until_up(self, count: int = 1) -> None:
        await self._until(lambda: len(self.up) >= count)

    async def until_down(self, count: int = 1) -> None:
        await self._until(lambda: len(self.down) >= count)

    async def _until(self, reached: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENCE_S):
            while not reached():
                await self.changed.wait()


@dataclass
class TestNode:
    """A running network and its handler."""

    __test__ = False

    info: PeerInfo
    network: Libp2pNetwork
    handler: Recorder
    scope: trio.CancelScope
    ended: trio.Event
    """Set when `run` has returned."""

    def peer(self, other: "TestNode | int") -> PeerStatistics:
        """What this node knows of another."""
        wanted = peer_id(other) if isinstance(other, int) else other.info.peer
        [found] = [known for known in self.network.peers() if known.peer == wanted]
        return found


async def start_node(
    nursery: trio.Nursery,
    number: int,
    *,
    chain: bytes = CHAIN,
    handler: Recorder | None = None,
    rates: Rates = Rates(),  # noqa: B008
    members: tuple[PeerInfo, ...] = (),
    port: int = 0,
) -> TestNode:
    """Start one node; its `info` has the address on which it listens."""
    handler = handler or Recorder()
    network = Libp2pNetwork(
        me=peer_id(number),
        seed=seed(number),
        chain_id=chain,
        listen=("127.0.0.1", port),
        handler=handler,
        members=members,
        rates=rates,
    )
    scope, ended = trio.CancelScope(), trio.Event()

    async def run(task_status: "TaskStatus[tuple[str, int]]") -> None:
        with scope:
            await network.run(task_status=task_status)
        ended.set()

    host, port = await nursery.start(run)
    return TestNode(peer_info(number, f"{host}:{port}"), network, handler, scope, ended)


@asynccontextmanager
async def consortium(count: int, handler_type: type[Recorder] = Recorder) -> AsyncIterator[list[TestNode]]:
    """So many nodes, all connected with each other."""
    async with trio.open_nursery() as nursery:
        nodes = [await start_node(nursery, number, handler=handler_type()) for number in range(1, count + 1)]
        for node in nodes:
            node.network.set_members([other.info for other in nodes])
        for node in nodes:
            await node.handler.until_up(count - 1)
        yield nodes
        nursery.cancel_scope.cancel()


async def until(reached: Callable[[], bool]) -> None:
    """Wait for what no handler is told."""
    with trio.fail_after(PATIENCE_S):
        while not reached():
            await trio.sleep(0.01)
